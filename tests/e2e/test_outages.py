"""Pending migrations, database outages and killed workers are reported, and the system recovers."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from httpx import codes

from tests.support.system import System


def within(seconds: float, condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def ready(system: System) -> httpx.Response:
    return httpx.get(f"{system.base_url}/api/health/ready", timeout=10)


def test_a_pending_migration_is_not_ready_and_is_counted(private_system: System) -> None:
    directory = Path(private_system.description["migrations"])
    for number in (901, 902):
        (directory / f"{number}_later.sql").write_text(
            f"CREATE TABLE IF NOT EXISTS later_{number} (id INT PRIMARY KEY);\n"
        )
    answer = ready(private_system)
    assert answer.status_code == codes.SERVICE_UNAVAILABLE
    assert answer.json()["pending_migrations"] == 2
    assert "901_later.sql" in answer.json()["reason"]
    assert httpx.get(f"{private_system.base_url}/api/health").json()["pending_migrations"] == 2
    assert httpx.get(f"{private_system.base_url}/api/health/live").status_code == codes.OK
    assert private_system.run is not None
    done = private_system.run.migrator("up")
    assert done.returncode == 0, done.stdout
    assert ready(private_system).status_code == codes.OK


@pytest.mark.parametrize("frozen", [True, False])
def test_database_outage_is_reported_within_two_seconds_and_recovers(
    private_system: System, frozen: bool
) -> None:
    with private_system.paused("mariadb") if frozen else contextlib.nullcontext():
        if not frozen:
            os.kill(private_system.pid("mariadb"), signal.SIGKILL)
        begun = time.monotonic()
        answer = ready(private_system)
        took = time.monotonic() - begun
        if frozen:
            # A frozen database cannot recover by itself, so the answer is deterministic.
            assert answer.status_code == codes.SERVICE_UNAVAILABLE
            assert answer.json()["reason"]
        assert took < 2
        assert httpx.get(f"{private_system.base_url}/api/health/live").status_code == codes.OK
    within(30, lambda: ready(private_system).status_code == codes.OK, "ready again")


def test_every_request_is_answered_while_the_database_is_frozen(private_system: System) -> None:
    with (
        private_system.paused("mariadb"),
        httpx.Client(base_url=private_system.base_url, timeout=20) as client,
    ):
        for _ in range(8):
            answer = client.get("/api/genes")
            assert answer.status_code == codes.SERVICE_UNAVAILABLE, answer.text
            assert answer.json()["code"] in ("database_busy", "database_unavailable")
            assert int(answer.headers["retry-after"]) >= 1
    within(30, lambda: ready(private_system).status_code == codes.OK, "ready again")


def test_public_pages_work_while_redis_and_the_mail_catcher_are_down(
    private_system: System,
) -> None:
    for program in ("redis", "mail-catcher"):
        os.kill(private_system.pid(program), signal.SIGKILL)
        assert httpx.get(f"{private_system.base_url}/api/genes").status_code == codes.OK
        assert ready(private_system).status_code == codes.OK
