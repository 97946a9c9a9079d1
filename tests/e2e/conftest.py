"""A running system: one of our own, or the one that ``SYSTEM_JSON`` names (`make walk`)."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest
from playwright.sync_api import Browser, expect
from pymysql.cursors import Cursor

from tests.support.browser import Visitor, chromium, visitor
from tests.support.local_run import REPOSITORY, LocalRun

# Of whatever a test waits for in the browser: some of it is looked at every ten seconds only.
expect.set_options(timeout=30_000)


@dataclass(frozen=True)
class System:
    """A system behind its proxy.

    Attributes:
        description: the content of its ``system.json``.
        run: its run folder and commands; None when it is somebody else's.
    """

    description: dict[str, Any]
    run: LocalRun | None

    @property
    def base_url(self) -> str:
        """Address of the proxy."""
        url: str = self.description["base_url"]
        return url

    @property
    def app(self) -> str:
        """Name of the application schema."""
        name: str = self.description["database"]["name"]
        return name

    @contextlib.contextmanager
    def sql(self) -> Iterator[Cursor]:
        """Open a cursor of the operator's account in the application schema."""
        database = self.description["database"]
        with (
            pymysql.connect(
                host=database["host"],
                port=database["port"],
                user=database["user"],
                password=database["password"],
                database=database["name"],
                autocommit=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            yield cursor

    def checksums(self) -> dict[str, int]:
        """Return ``CHECKSUM TABLE`` of every base table."""
        with self.sql() as cursor:
            cursor.execute(
                "SELECT table_name FROM information_schema.tables"
                " WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
            )
            sums = {}
            for (table,) in cursor.fetchall():
                cursor.execute(f"CHECKSUM TABLE `{table}`")
                sums[table] = cursor.fetchall()[0][1]
        return sums

    @contextlib.contextmanager
    def paused(self, program: str) -> Iterator[None]:
        """Freeze a program while a block runs; somebody else's system names its processes."""
        named = self.description.get("pausable")
        pids = named[program] if named else [self.pid(program)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            for pid in pids:
                _wait_until_frozen(pid)
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def pid(self, program: str) -> int:
        """Return the process id that a program of our own run has now."""
        assert self.run is not None
        return self.run.pid(program)


def _wait_until_frozen(pid: int) -> None:
    """The signal is delivered when each thread comes out of the kernel, not when it is sent."""
    deadline = time.monotonic() + 10
    while True:
        states = [
            stat.read_text().rpartition(") ")[2][0]
            for stat in Path(f"/proc/{pid}/task").glob("*/stat")
        ]
        if set(states) <= {"T", "t"}:
            return
        assert time.monotonic() < deadline, states
        time.sleep(0.01)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Start a system in a run folder of its own, or use the one that is named."""
    named = os.environ.get("SYSTEM_JSON")
    if named:
        yield System(json.loads(Path(named).read_text(encoding="utf-8")), None)
        return
    run = LocalRun(tmp_path_factory.mktemp("e2e"))
    run.up()
    yield System(run.system, run)
    run.command("reset", CONFIRM="yes")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of a module's own, with a directory of migrations that may be changed."""
    migrations = tmp_path_factory.mktemp("migrations")
    shutil.copytree(REPOSITORY / "db" / "migrations", migrations, dirs_exist_ok=True)
    run = LocalRun(tmp_path_factory.mktemp("own"), {"MIGRATIONS_DIR": str(migrations)})
    run.up()
    yield System(run.system | {"migrations": str(migrations)}, run)
    run.command("reset", CONFIRM="yes")


@pytest.fixture
def anyone(system: System) -> Iterator[httpx.Client]:
    """A client without credentials."""
    with httpx.Client(base_url=system.base_url, timeout=30) as client:
        yield client


@pytest.fixture
def admin(system: System, anyone: httpx.Client) -> Iterator[httpx.Client]:
    """A client with the administrator's token."""
    answer = anyone.post("/api/auth/login", json=system.description["admin"])
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    with httpx.Client(base_url=system.base_url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The distribution's Chromium.

    Not for longer than a module: while it runs, its driver has the thread's event loop, and every
    asynchronous test after it in this process would fail.
    """
    with chromium() as started:
        yield started


@pytest.fixture
def operator(browser: Browser, system: System) -> Iterator[Visitor]:
    """The administrator's window; ends with nothing to complain about."""
    with uncomplaining(browser, system) as window:
        window.sign_in(**system.description["admin"])
        yield window


@contextlib.contextmanager
def uncomplaining(browser: Browser, system: System) -> Iterator[Visitor]:
    """Open a window, and make sure at the end that it had nothing to complain about."""
    window = visitor(browser, system.base_url)
    yield window
    assert not window.complaints, "\n".join(window.complaints)
    window.page.context.close()


def poll(client: httpx.Client, accepted: httpx.Response, *, seconds: float = 60) -> dict[str, Any]:
    """Poll an accepted job to its end and return it; its percent must never go back."""
    assert accepted.status_code == 202, accepted.text
    assert accepted.headers["location"] == accepted.json()["status_url"]
    deadline, seen = time.monotonic() + seconds, 0
    while True:
        answer = client.get(accepted.json()["status_url"])
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        assert job["percent"] >= seen
        seen = job["percent"]
        if job["finished_at"] is not None:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
