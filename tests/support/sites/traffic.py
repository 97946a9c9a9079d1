"""Reads and writes one site as its own account, until a number of writes or a time is reached.

    SITE_DATABASE=<JSON> python -m tests.support.sites.traffic LOG --seconds 10 --writes 200

Each write has a number, and each is followed by a read that compares several tables (workloads.py).
Every write and read becomes one line of LOG (report.py), as soon as it ended. An error is recorded,
and the next write uses a new connection, as the next request to a site would. One process writes to
a site at a time.
"""

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import pymysql
from pymysql.cursors import Cursor

from tests.support.processes import RealProcess
from tests.support.sites.models import SiteDatabase
from tests.support.sites.report import Event, Outcome, TrafficReport
from tests.support.sites.workloads import WORKLOADS, Workload

_VARIABLE = "SITE_DATABASE"
# Shorter than the time that a stopped process has to end.
_STATEMENT_SECONDS = 20
_RETRY_SECONDS = 0.05


@contextmanager
def running_traffic(
    database: SiteDatabase, directory: Path, *, seconds: float = 300, writes: int = 100_000
) -> Iterator["RunningTraffic"]:
    """Run traffic in a separate process; it has written to the site when this returns.

    Args:
        database: the site.
        directory: where to create the log.
        seconds: time after which it ends by itself.
        writes: number of writes after which it ends by itself.
    """
    log = directory / f"{database.schema}.{time.time_ns()}.jsonl"
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = RealProcess(
        f"traffic-{database.schema}",
        [
            *(sys.executable, "-m", "tests.support.sites.traffic", str(log)),
            *("--seconds", str(seconds), "--writes", str(writes)),
        ],
        directory,
        lambda: bool(TrafficReport.from_file(log).events),
        {**os.environ, "PYTHONPATH": path, _VARIABLE: database.to_json()},
    )
    process.start()
    try:
        yield RunningTraffic(process, log)
    finally:
        process.stop()


class RunningTraffic:
    """Traffic on one site.

    Args:
        process: the process.
        log: where it records its events.
    """

    def __init__(self, process: RealProcess, log: Path) -> None:
        self._process = process
        self._log = log

    def report(self) -> TrafficReport:
        """Return what was recorded so far."""
        return TrafficReport.from_file(self._log)

    def stop(self) -> TrafficReport:
        """Complete the current write and read, end, and return what was recorded."""
        self._process.stop()
        return self.report()

    def wait(self, timeout: float = 120) -> TrafficReport:
        """Wait until it ends by itself, and return what was recorded."""
        deadline = time.monotonic() + timeout
        while self._process.is_running():
            assert time.monotonic() < deadline, f"the traffic did not end within {timeout:g} s"
            time.sleep(0.02)
        return self.report()

    def wait_for_writes(self, count: int, timeout: float = 60) -> TrafficReport:
        """Wait until so many more writes are acknowledged; return what was recorded so far."""
        deadline = time.monotonic() + timeout
        target = len(self.report().acknowledged) + count
        while len((report := self.report()).acknowledged) < target:
            assert time.monotonic() < deadline, report.errors[-3:]
            time.sleep(0.02)
        return report


def stored_numbers(database: SiteDatabase) -> frozenset[int]:
    """Return the numbers of the records that the site has now."""
    rows = database.execute(WORKLOADS[database.kind](database).numbers())
    return frozenset(int(number) for (number,) in rows)


def main(arguments: list[str]) -> int:
    """Run the program; return 0, also if there were errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path, help="file to write")
    parser.add_argument("--seconds", type=float, default=60, help="time limit")
    parser.add_argument("--writes", type=int, default=1000, help="number of writes")
    parser.add_argument("--pause", type=float, default=0.01, help="seconds between two writes")
    options = parser.parse_args(arguments)
    database = SiteDatabase.from_json(os.environ[_VARIABLE])
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with options.log.open("a", encoding="utf-8") as log:
        traffic = _Traffic(WORKLOADS[database.kind](database), log)
        deadline = time.monotonic() + options.seconds
        with closing(traffic):
            while not stopped.is_set() and traffic.writes < options.writes:
                if time.monotonic() > deadline:
                    break
                succeeded = traffic.write_and_read()
                stopped.wait(options.pause if succeeded else _RETRY_SECONDS)
    return 0


class _Traffic:
    """One client of a site."""

    def __init__(self, workload: Workload, log: IO[str]) -> None:
        self.writes = 0
        self._workload = workload
        self._log = log
        self._connection: pymysql.Connection[Cursor] | None = None
        self._number: int | None = None

    def write_and_read(self) -> bool:
        """Write one record and compare the tables; return whether there was no error."""
        return self._write() and self._read()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None and self._connection.open:
            self._connection.close()
        self._connection = None

    def _write(self) -> bool:
        started, outcome, number = time.time(), Outcome.FAILED, None
        try:
            connection = self._connect()
            # A number is never used again, whatever became of its write.
            self._number = number = self._next_number(connection)
            self.writes += 1
            connection.begin()
            with connection.cursor() as cursor:
                self._workload.write(cursor, number)
            outcome = Outcome.UNKNOWN
            connection.commit()
        except pymysql.err.MySQLError as error:
            return self._failed(outcome, number, started, error)
        self._record(Event(Outcome.ACKNOWLEDGED, number, started, time.time()))
        return True

    def _read(self) -> bool:
        started = time.time()
        try:
            connection = self._connect()
            with connection.cursor() as cursor:
                # One snapshot: the isolation level is REPEATABLE READ.
                cursor.execute("START TRANSACTION READ ONLY")
                sums = {name: _sum(cursor, sql) for name, sql in self._workload.sums().items()}
                connection.rollback()
        except pymysql.err.MySQLError as error:
            return self._failed(Outcome.FAILED, None, started, error)
        if len(set(sums.values())) == 1:
            self._record(Event(Outcome.CONSISTENT, None, started, time.time()))
        else:
            self._record(Event(Outcome.BROKEN, None, started, time.time(), detail=str(sums)))
        return True

    def _connect(self) -> "pymysql.Connection[Cursor]":
        if self._connection is None:
            self._connection = self._workload.site.connect(read_timeout=_STATEMENT_SECONDS)
        return self._connection

    def _next_number(self, connection: "pymysql.Connection[Cursor]") -> int:
        if self._number is not None:
            return self._number + 1
        with connection.cursor() as cursor:
            cursor.execute(self._workload.numbers())
            return max((int(number) for (number,) in cursor.fetchall()), default=0) + 1

    def _failed(
        self, outcome: Outcome, number: int | None, started: float, error: pymysql.err.MySQLError
    ) -> bool:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else None
        self._record(Event(outcome, number, started, time.time(), code, repr(error)))
        self.close()
        return False

    def _record(self, event: Event) -> None:
        self._log.write(event.to_json() + "\n")
        self._log.flush()


def _sum(cursor: Cursor, sql: str) -> int:
    cursor.execute(sql)
    row = cursor.fetchone()
    return int(row[0]) if row is not None and row[0] is not None else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
