"""Existing and applied migrations, for the migrator, the API and the backup worker."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pymysql.err

from sysndd_core.sql.identifiers import qualified_name

REQUIRED_PLATFORM_VERSION = "002_operators_and_site.sql"
"""The latest platform migration. Services do not start with an older platform schema."""

LEDGER = "schema_version"
"""Name of the ledger table in both schemas."""

_NAME = re.compile(r"(\d{1,9})_[A-Za-z0-9][A-Za-z0-9_.-]*\.sql", re.ASCII)
_BOM = b"\xef\xbb\xbf"
_LONGEST_LOCK_NAME = 64
_NO_SUCH_TABLE = frozenset({1049, 1146})  # unknown database, unknown table


class QueryRunner(Protocol):
    """Runs a query and returns rows as dicts, such as ``Database`` or ``Transaction``."""

    async def fetch_all(
        self, sql: str, arguments: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Run one query; return all rows."""
        ...


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """A file ``NNN_name.sql``; ``number`` defines the order."""

    number: int
    filename: str
    path: Path


@dataclass(frozen=True, slots=True)
class MigrationDirectory:
    """The contents of a migration directory.

    Attributes:
        files: Migrations in numeric order.
        duplicates: Number → file names, for each number that occurs more than once.
        ignored: File names that end in ``.sql`` but do not have the form ``NNN_name.sql``.
    """

    files: tuple[MigrationFile, ...]
    duplicates: Mapping[int, tuple[str, ...]]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The migration state of both schemas.

    Attributes:
        pending: Application files without a successful row in the ledger, in numeric order.
        failed: Pending files that failed or did not finish.
        current: Latest application file that was applied, or None.
        platform: Latest platform file that was applied, or None.
        platform_behind: Whether ``platform`` is older than ``REQUIRED_PLATFORM_VERSION``.
        managed: Whether the migrator applies files to the application schema.
    """

    pending: tuple[str, ...]
    failed: tuple[str, ...]
    current: str | None
    platform: str | None
    platform_behind: bool
    managed: bool = True

    @property
    def is_current(self) -> bool:
        """Whether all migrations are applied."""
        return not self.pending and not self.platform_behind


def migration_number(filename: str) -> int | None:
    """Return NNN of ``NNN_name.sql``, or None for any other name."""
    match = _NAME.fullmatch(filename)
    return int(match[1]) if match else None


def list_migrations(directory: Path) -> MigrationDirectory:
    """List a directory's migrations in numeric order.

    Args:
        directory: Directory of the files; subdirectories are ignored.

    Raises:
        OSError: The directory cannot be read.
    """
    names = sorted(path.name for path in directory.iterdir() if path.is_file())
    numbered = [(number, name) for name in names if (number := migration_number(name)) is not None]
    files = tuple(
        MigrationFile(number, name, directory / name) for number, name in sorted(numbered)
    )
    by_number: defaultdict[int, list[str]] = defaultdict(list)
    for file in files:
        by_number[file.number].append(file.filename)
    return MigrationDirectory(
        files=files,
        duplicates={number: tuple(found) for number, found in by_number.items() if len(found) > 1},
        ignored=tuple(
            name
            for name in names
            if name.lower().endswith(".sql")
            and not name.startswith(".")
            and migration_number(name) is None
        ),
    )


def checksum(data: bytes) -> str:
    """Return the checksum of a file as ``sha256:<hex>``.

    Ignores the byte order mark and the kind of line ending, which git and editors change.
    """
    text = data.removeprefix(_BOM).replace(b"\r\n", b"\n")
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def migration_lock_name(schema: str) -> str:
    """Return the name of the schema lock of an application schema.

    Lock names are global to the server, have at most 64 characters on MySQL, and are case-sensitive
    only on MariaDB. So the name contains the schema in lower case, hashed if it is too long.

    Args:
        schema: Name of the application schema.
    """
    normalised = schema.casefold()
    name = f"sysndd-migrator:{normalised}"
    if len(name) <= _LONGEST_LOCK_NAME and name.isascii():
        return name
    return f"sysndd-migrator:{hashlib.sha256(normalised.encode()).hexdigest()[:40]}"


async def pending(
    runner: QueryRunner,
    directory: Path,
    *,
    application: str,
    platform: str,
    managed: bool = True,
) -> SchemaState:
    """Compare the ledgers with the migration directory and the required platform version.

    Runs one query for each schema. Without a schema or a ledger, all migrations are pending.

    Args:
        runner: Runs the queries.
        directory: Directory of the application's migrations.
        application: Name of the application schema.
        platform: Name of the platform schema.
        managed: Whether the migrator applies files to the application schema; without it, none is
            pending and the directory is not read.

    Raises:
        OSError: The directory cannot be read.
        SysnddError: A query failed.
    """
    files = list_migrations(directory).files if managed else ()
    applied = await _ledger(runner, application) if managed else {}
    platform_applied = await _ledger(runner, platform)
    newest_platform = _newest(platform_applied)
    required = migration_number(REQUIRED_PLATFORM_VERSION) or 0
    reached = migration_number(newest_platform) if newest_platform else None
    return SchemaState(
        pending=tuple(file.filename for file in files if not applied.get(file.filename)),
        failed=tuple(file.filename for file in files if applied.get(file.filename) is False),
        current=_newest(applied),
        platform=newest_platform,
        platform_behind=reached is None or reached < required,
        managed=managed,
    )


async def current_version(runner: QueryRunner, *, application: str) -> str | None:
    """Return the latest application file that was applied, or None.

    Args:
        runner: Runs the query.
        application: Name of the application schema.
    """
    return _newest(await _ledger(runner, application))


async def _ledger(runner: QueryRunner, schema: str) -> dict[str, bool]:
    """Return file name → success; empty if the schema or the ledger does not exist."""
    ledger = qualified_name(schema, LEDGER)
    try:
        rows = await runner.fetch_all(f"SELECT filename, success FROM {ledger}")
    except Exception as error:
        if says_no_such_table(error):
            return {}
        raise
    return {_text(row["filename"]): bool(row["success"]) for row in rows}


def says_no_such_table(error: BaseException | None) -> bool:
    """Return whether an error, or its cause, says that a schema or table does not exist."""
    # Database and Transaction map errors of the driver, with the original as the cause.
    while error is not None:
        if isinstance(error, pymysql.err.Error) and error.args and error.args[0] in _NO_SUCH_TABLE:
            return True
        error = error.__cause__
    return False


def _newest(applied: Mapping[str, bool]) -> str | None:
    done = [name for name, success in applied.items() if success]
    return max(done, key=lambda name: (migration_number(name) or 0, name), default=None)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
