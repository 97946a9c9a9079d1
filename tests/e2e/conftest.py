"""Fixtures for a running system: a new one, or the one that ``SYSTEM_JSON`` names (`make walk`)."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Visitor, chromium
from tests.support.local_run import REPOSITORY, LocalRun
from tests.support.system import System, window_without_complaints

# Some parts of the pages are refreshed only every ten seconds.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Start a system in a temporary run folder, or use the one that ``SYSTEM_JSON`` names."""
    named = os.environ.get("SYSTEM_JSON")
    if named:
        yield System(json.loads(Path(named).read_text(encoding="utf-8")), None)
        return
    run = LocalRun(tmp_path_factory.mktemp("e2e"))
    run.up()
    yield System(run.system, run)
    run.command("reset", CONFIRM="yes")


@pytest.fixture(scope="module")
def private_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A separate system for one module, with a migrations directory that tests may change."""
    migrations = tmp_path_factory.mktemp("migrations")
    shutil.copytree(REPOSITORY / "db" / "migrations", migrations, dirs_exist_ok=True)
    run = LocalRun(tmp_path_factory.mktemp("own"), {"MIGRATIONS_DIR": str(migrations)})
    run.up()
    yield System(run.system | {"migrations": str(migrations)}, run)
    run.command("reset", CONFIRM="yes")


@pytest.fixture
def anonymous(system: System) -> Iterator[httpx.Client]:
    """A client without credentials."""
    with httpx.Client(base_url=system.base_url, timeout=30) as client:
        yield client


@pytest.fixture
def admin(system: System, anonymous: httpx.Client) -> Iterator[httpx.Client]:
    """A client with the administrator's token."""
    answer = anonymous.post("/api/auth/login", json=system.description["admin"])
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    with httpx.Client(base_url=system.base_url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The distribution's Chromium.

    It runs for one module at most: its driver occupies the thread's event loop, so that later
    asynchronous tests in this process would fail.
    """
    with chromium() as started:
        yield started


@pytest.fixture
def operator(browser: Browser, system: System) -> Iterator[Visitor]:
    """The administrator's window; the test fails if the window had complaints."""
    with window_without_complaints(browser, system) as window:
        window.sign_in(**system.description["admin"])
        yield window
