"""A test of the API may begin a moment before a window of the rate limits ends."""

import time
from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def one_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of the rate limits: all requests of a test count in the same window."""
    now = time.time()
    clock = SimpleNamespace(time=lambda: now, monotonic=time.monotonic)
    monkeypatch.setattr("sysndd_api.security.rate_limits.time", clock)
