"""A running system behind its proxy, as the end-to-end tests use it."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pymysql
from playwright.sync_api import Browser
from pymysql.cursors import Cursor

from tests.support.browser import Visitor, visitor
from tests.support.local_run import LocalRun


@dataclass(frozen=True)
class System:
    """A system behind its proxy.

    Attributes:
        description: content of its ``system.json``.
        run: its run folder and commands; None if ``SYSTEM_JSON`` names the system.
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
        """Freeze a program while a block runs; ``system.json`` may name its processes."""
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
        """Return the current process ID of a program of the local run."""
        assert self.run is not None
        return self.run.pid(program)


def _wait_until_frozen(pid: int) -> None:
    """Each thread stops when it leaves the kernel, not when the signal is sent."""
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


@contextlib.contextmanager
def window_without_complaints(browser: Browser, system: System) -> Iterator[Visitor]:
    """Open a window; assert at the end that it had no complaints."""
    window = visitor(browser, system.base_url)
    yield window
    assert not window.complaints, "\n".join(window.complaints)
    window.page.context.close()


def poll(client: httpx.Client, accepted: httpx.Response, *, seconds: float = 60) -> dict[str, Any]:
    """Poll an accepted job to its end and return it; its percentage must never decrease."""
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
