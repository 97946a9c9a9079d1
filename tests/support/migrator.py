"""A directory of migrations, two schemas, and the real command line in separate processes."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sysndd_core.db.schema_version import migration_lock_name
from sysndd_migrator.cli.main import main
from tests.support.servers import DatabaseServer

Row = tuple[Any, ...]


@dataclass
class Workspace:
    """Migration files, a server, and ``sysndd-migrator``."""

    server: DatabaseServer
    directory: Path
    app: str
    ops: str
    environ: dict[str, str] = field(repr=False)

    def write(self, name: str, text: str) -> Path:
        """Write a migration."""
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, *arguments: str, **changes: str) -> "subprocess.Popen[str]":
        """Start the command line in a separate process."""
        return subprocess.Popen(
            [sys.executable, "-m", "sysndd_migrator", *arguments],
            env={**self.environ, **changes},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **changes: str) -> "Finished":
        """Run the command line in this process, which saves the start of an interpreter."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
            environ = {**self.environ, **changes}
            for name in set(os.environ) - set(environ):
                patch.delenv(name)
            for name, value in environ.items():
                patch.setenv(name, value)
            try:
                code = main(arguments)
            except SystemExit as error:  # argparse
                code = int(error.code or 0)
        return Finished(code, out.getvalue(), err.getvalue())

    def up(self) -> "Finished":
        """Run ``up`` and expect it to succeed."""
        finished = self.run("up")
        assert finished.code == 0, finished
        return finished

    def sql(self, statement: str, arguments: Any = None) -> tuple[Row, ...]:
        """Run one statement in the application schema."""
        return self.server.execute(statement, arguments, schema=self.app)

    def ledger(self) -> dict[str, tuple[int, str | None]]:
        """Return filename → (success, error) of the application's ledger."""
        rows = self.sql("SELECT filename, success, error FROM schema_version ORDER BY filename")
        return {name: (success, error) for name, success, error in rows}

    def journal(self, filename: str) -> list[tuple[int, bool]]:
        """Return (position, whether it is finished) of each recorded unit of a file."""
        rows = self.server.execute(
            f"SELECT position, finished_at IS NOT NULL FROM `{self.ops}`.migration_journal"
            " WHERE schema_name = %s AND filename = %s ORDER BY position",
            (self.app, filename),
        )
        return [(position, bool(finished)) for position, finished in rows]

    def state(self) -> tuple[object, ...]:
        """Return every definition, every row and the ledger."""
        tables = [
            (name, self.sql(f"SHOW CREATE TABLE `{name}`"), self.sql(f"SELECT * FROM `{name}`"))
            for name in sorted(self.tables())
        ]
        return tables, self.ledger()

    def drop(self) -> None:
        """Drop both schemas."""
        for schema in (self.app, self.ops):
            self.server.execute(f"DROP DATABASE IF EXISTS `{schema}`")

    def tables(self) -> set[str]:
        """Return the names of the application's tables without the ledger."""
        rows = self.sql(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
        )
        return {name for (name,) in rows} - {"schema_version"}

    def lock_holder(self) -> int | None:
        """Return the connection that holds the migration lock."""
        ((holder,),) = self.server.execute(
            "SELECT IS_USED_LOCK(%s)", (migration_lock_name(self.app),)
        )
        return None if holder is None else int(holder)


@dataclass(frozen=True)
class Finished:
    """The result of a process."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The output as JSON."""
        return json.loads(self.out)


def finish(process: "subprocess.Popen[str]", timeout: float = 60) -> Finished:
    """Wait for a process."""
    out, err = process.communicate(timeout=timeout)
    return Finished(process.returncode, out, err)


def eventually(condition: Callable[[], Any], timeout: float = 60) -> Any:
    """Wait until a condition holds and return its value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.02)
    return value


@pytest.fixture
def workspace(database_server: DatabaseServer, tmp_path: Path) -> Iterator[Workspace]:
    """An empty directory, and the names of two schemas that the migrator creates."""
    directory = tmp_path / "migrations"
    directory.mkdir()
    with database_server.temporary_schema("mig") as app:
        database_server.execute(f"DROP DATABASE `{app}`")
        ops = f"{app}_ops"
        environ = {
            **{n: v for n, v in os.environ.items() if not n.startswith(("DB_", "OPS_DB", "LOG_"))},
            **database_server.environ(name=app, ops_name=ops),
            "MIGRATIONS_DIR": str(directory),
            "LOG_FORMAT": "json",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        yield Workspace(database_server, directory, app, ops, environ)
