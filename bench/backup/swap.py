"""Measures the swap of a restore with a hundred tables, and the share of the server.

Most of the time is spent in one statement, the ``RENAME TABLE``. For each renamed table, MariaDB
flushes its DDL log three times and its redo log twice (traced with strace on 10.11), so it is slow
on a disk that flushes slowly. The swap is therefore also measured with the files of the server in
memory, and compared with a ``RENAME TABLE`` alone.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.server import running_server
from sysndd_backup.restore.journal import Purpose
from sysndd_backup.restore.recovery import Recovery
from sysndd_backup.restore.restore import swap_tables
from sysndd_backup.server.session import SchemaSession, open_session
from sysndd_core.db.database import Database
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import quote_name
from sysndd_local.mariadb import MariadbServer

TABLES = 100
_FLUSHES = 40


def measure(rounds: int, report: Callable[[str], None] = print) -> None:
    """Report the durations on disk and in memory.

    Args:
        rounds: Number of measurements; the medians are reported.
        report: Called with each line.
    """
    for where, folder in (("on disk", None), ("in memory", "/dev/shm")):  # noqa: S108 - not a file
        with tempfile.TemporaryDirectory(prefix="sysndd-bench-", dir=folder) as name:
            flush = _flush_seconds(Path(name))
            with running_server(Path(name) / "server") as server:
                results = [asyncio.run(_measure_once(server, n)) for n in range(rounds)]
        swap, rename, bare = (statistics.median(column) for column in zip(*results, strict=True))
        report(
            f"swap of {TABLES} tables, files {where} (a flush takes {flush * 1000:.2f} ms):"
            f" {swap:.2f} s with journal, marker and cleanup; tables are locked for"
            f" {rename:.2f} s (a RENAME TABLE alone: {bare:.2f} s)"
        )


def _flush_seconds(folder: Path) -> float:
    with (folder / "flushed").open("wb") as file:
        started = time.monotonic()
        for _ in range(_FLUSHES):
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
        return (time.monotonic() - started) / _FLUSHES


def _migrated(server: MariadbServer, name: str) -> DatabaseSettings:
    """Apply the migrations to new schemas; return their settings."""
    names = {"DB_USER": "root", "DB_NAME": name, "OPS_DB_NAME": f"{name}_ops"}
    connection = {"DB_SOCKET": str(server.socket), "DB_PASSWORD": server.root_password}
    subprocess.run(
        [sys.executable, "-m", "sysndd_migrator", "up"],
        env={**os.environ, **names, **connection},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return DatabaseSettings.model_validate(names | connection)


async def _measure_once(server: MariadbServer, number: int) -> tuple[float, float, float]:
    """Return the seconds of the swap, of its RENAME TABLE, and of a RENAME TABLE alone."""
    name = f"swap{number}"
    settings = await asyncio.to_thread(_migrated, server, name)
    shadow, before = f"{name}_shadow", f"{name}_before"
    async with Database(settings) as database:
        recovery = Recovery(database, 24)
        async with open_session(settings) as session:
            await _create_tables(session, f"{name}_bare", f"{name}_bare_shadow")
            bare = await _rename_alone(session, f"{name}_bare")
            await _create_tables(session, name, shadow, first_exists=True)
        entry = await recovery.journal.open(
            Purpose.RESTORE, job_id="0", backup="b", incoming=shadow, outgoing=before, row_counts={}
        )
        with _RenameTimer() as timer:
            started = time.monotonic()
            await swap_tables(recovery, entry, _ignore_progress, ())
            seconds = time.monotonic() - started
    return seconds, timer.seconds, bare


async def _create_tables(session: SchemaSession, *schemas: str, first_exists: bool = False) -> None:
    for schema in schemas:
        if not first_exists or schema != schemas[0]:
            await session.create_schema(schema)
        for number in range(TABLES):
            await session.run(
                f"CREATE TABLE {quote_name(schema)}.t{number} (id INT PRIMARY KEY, n INT, KEY (n))"
            )


async def _rename_alone(session: SchemaSession, live: str) -> float:
    await session.create_schema(f"{live}_before")
    moves = [
        f"`{old}`.t{number} TO `{new}`.t{number}"
        for old, new in ((live, f"{live}_before"), (f"{live}_shadow", live))
        for number in range(TABLES)
    ]
    started = time.monotonic()
    await session.run("RENAME TABLE " + ", ".join(moves))
    return time.monotonic() - started


class _RenameTimer:
    """Adds up the seconds of each RENAME TABLE while the block runs."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._original = SchemaSession.run

    def __enter__(self) -> "_RenameTimer":
        original = self._original

        async def timed(session: SchemaSession, statement: str | bytes) -> None:
            started = time.monotonic()
            await original(session, statement)
            if str(statement).startswith("RENAME"):
                self.seconds += time.monotonic() - started

        SchemaSession.run = timed  # type: ignore[method-assign, assignment]
        return self

    def __exit__(self, *_: Any) -> None:
        SchemaSession.run = self._original  # type: ignore[method-assign]


async def _ignore_progress(step: str, percent: int, message: str = "") -> None:
    """Ignore the progress."""


if __name__ == "__main__":
    measure(int(sys.argv[1]) if sys.argv[1:] else 3)
