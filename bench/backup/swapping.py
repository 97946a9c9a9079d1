"""How long the exchange of a restore takes at a hundred tables, and what of it is the server's own.

Most of it is ONE statement, the ``RENAME TABLE``: MariaDB flushes its DDL log three times and its
redo log twice for each renamed table (seen with strace on 10.11), so a disk that flushes slowly makes
it slow. So the same is done with the server's files in memory as well, and beside a bare
``RENAME TABLE`` of as many tables.
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

from pydantic import SecretStr

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
    """Print the times on disk and in memory."""
    for where, folder in (("disk", None), ("memory", "/dev/shm")):  # noqa: S108 - not a file
        with tempfile.TemporaryDirectory(prefix="sysndd-bench-", dir=folder) as name:
            flush = _flush_seconds(Path(name))
            with running_server(Path(name) / "server") as server:
                found = [asyncio.run(_once(server, number)) for number in range(rounds)]
        ours, rename, bare = (statistics.median(column) for column in zip(*found, strict=True))
        report(
            f"swap of {TABLES} tables, files on {where} (a flush takes {flush * 1000:.2f} ms):"
            f" {ours:.2f} s with journal, marker and cleaning up; tables are locked for"
            f" {rename:.2f} s (a bare RENAME TABLE of as many: {bare:.2f} s)"
        )


def _flush_seconds(folder: Path) -> float:
    with (folder / "flushed").open("wb") as file:
        begun = time.monotonic()
        for _ in range(_FLUSHES):
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
        return (time.monotonic() - begun) / _FLUSHES


async def _once(server: MariadbServer, number: int) -> tuple[float, float, float]:
    """Return seconds: of the exchange, of the RENAME TABLE in it, and of a bare one."""
    name = f"swap{number}"
    environ = {
        **os.environ,
        "DB_SOCKET": str(server.socket),
        "DB_USER": "root",
        "DB_NAME": name,
        "DB_PASSWORD": server.root_password,
        "OPS_DB_NAME": f"{name}_ops",
    }
    subprocess.run(  # noqa: ASYNC221
        [sys.executable, "-m", "sysndd_migrator", "up"],
        env=environ,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    settings = DatabaseSettings.model_validate(
        {
            "DB_SOCKET": server.socket,
            "DB_USER": "root",
            "DB_NAME": name,
            "OPS_DB_NAME": f"{name}_ops",
            "DB_PASSWORD": SecretStr(server.root_password),
        }
    )
    shadow, before = f"{name}_shadow", f"{name}_before"
    async with Database(settings) as database:
        recovery = Recovery(database, 24)
        async with open_session(settings) as session:
            await _make(session, f"{name}_bare", f"{name}_bare_shadow")
            bare = await _bare(session, f"{name}_bare")
            await _make(session, name, shadow, only_tables=True)
        entry = await recovery.journal.open(
            Purpose.RESTORE, job_id="0", backup="b", incoming=shadow, outgoing=before, row_counts={}
        )
        with _Stopwatch() as watch:
            begun = time.monotonic()
            await swap_tables(recovery, entry, _report)
            ours = time.monotonic() - begun
    return ours, watch.seconds, bare


async def _make(session: SchemaSession, *schemas: str, only_tables: bool = False) -> None:
    for schema in schemas:
        if not only_tables or schema != schemas[0]:
            await session.create_schema(schema)
        for number in range(TABLES):
            await session.run(
                f"CREATE TABLE {quote_name(schema)}.t{number} (id INT PRIMARY KEY, n INT, KEY (n))"
            )


async def _bare(session: SchemaSession, live: str) -> float:
    await session.create_schema(f"{live}_before")
    moves = [
        f"`{old}`.t{number} TO `{new}`.t{number}"
        for old, new in ((live, f"{live}_before"), (f"{live}_shadow", live))
        for number in range(TABLES)
    ]
    begun = time.monotonic()
    await session.run("RENAME TABLE " + ", ".join(moves))
    return time.monotonic() - begun


class _Stopwatch:
    """Adds up what RENAME TABLE takes."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._original = SchemaSession.run

    def __enter__(self) -> "_Stopwatch":
        original = self._original

        async def timed(session: SchemaSession, statement: str | bytes) -> None:
            begun = time.monotonic()
            await original(session, statement)
            if str(statement).startswith("RENAME"):
                self.seconds += time.monotonic() - begun

        SchemaSession.run = timed  # type: ignore[method-assign, assignment]
        return self

    def __exit__(self, *_: Any) -> None:
        SchemaSession.run = self._original  # type: ignore[method-assign]


async def _report(step: str, percent: int, message: str = "") -> None:
    """Nobody looks."""


if __name__ == "__main__":
    measure(int(sys.argv[1]) if sys.argv[1:] else 3)
