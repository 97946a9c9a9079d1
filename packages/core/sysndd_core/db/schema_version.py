"""Which migrations exist and which were applied: what migrator, API and backup worker share."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pymysql.err

from sysndd_core.sql.identifiers import qualified_name

REQUIRED_PLATFORM_VERSION = "001_platform.sql"
"""The newest platform file: services refuse a platform schema that is older."""

LEDGER = "schema_version"
"""Name of the ledger table, in the application schema and in the platform schema."""

_NAME = re.compile(r"(\d{1,9})_[A-Za-z0-9][A-Za-z0-9_.-]*\.sql", re.ASCII)
_BOM = b"\xef\xbb\xbf"
_LONGEST_LOCK_NAME = 64
_NO_SUCH_TABLE = frozenset({1049, 1146})  # unknown database, unknown table


class QueryRunner(Protocol):
    """Anything that answers a query with rows as dicts: ``Database``, ``Transaction``."""

    async def fetch_all(
        self, sql: str, arguments: Sequence[Any] | Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Run one query; return every row."""
        ...


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """One ``NNN_name.sql``; ``number`` is what orders it."""

    number: int
    filename: str
    path: Path


@dataclass(frozen=True, slots=True)
class MigrationDirectory:
    """What a directory holds.

    Attributes:
        files: the migrations in numeric order.
        duplicates: number → file names, for each number that occurs more than once.
        ignored: names that end in ``.sql`` and are not of the form ``NNN_name.sql``.
    """

    files: tuple[MigrationFile, ...]
    duplicates: Mapping[int, tuple[str, ...]]
    ignored: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SchemaState:
    """How far the two schemas are behind what the services were built for.

    Attributes:
        pending: application files without a successful row in the ledger, in numeric order.
        failed: those of them whose row says that they failed or were never finished.
        current: newest application file that was applied, or None.
        platform: newest platform file that was applied, or None.
        platform_behind: whether that is older than ``REQUIRED_PLATFORM_VERSION``.
    """

    pending: tuple[str, ...]
    failed: tuple[str, ...]
    current: str | None
    platform: str | None
    platform_behind: bool

    @property
    def is_current(self) -> bool:
        """Tell whether nothing is left to apply."""
        return not self.pending and not self.platform_behind


def migration_number(filename: str) -> int | None:
    """Return NNN of ``NNN_name.sql``, or None for any other name."""
    match = _NAME.fullmatch(filename)
    return int(match[1]) if match else None


def list_migrations(directory: Path) -> MigrationDirectory:
    """List a directory's migrations in numeric order.

    Args:
        directory: where the files are; its subdirectories are not looked into.

    Raises:
        OSError: the directory can't be read.
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
    """Hash a file's text as ``sha256:<hex>``.

    A byte order mark and the kind of line ending don't count: git and editors change both.
    """
    text = data.removeprefix(_BOM).replace(b"\r\n", b"\n")
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def migration_lock_name(schema: str) -> str:
    """Name the advisory lock that guards every change of one application's schemas.

    Lock names are server wide, at most 64 characters on MySQL, and compared with case on MariaDB
    only; so the name carries the schema, in one case, hashed when it does not fit.

    Args:
        schema: the application schema.
    """
    normalised = schema.casefold()
    name = f"sysndd-migrator:{normalised}"
    if len(name) <= _LONGEST_LOCK_NAME and name.isascii():
        return name
    return f"sysndd-migrator:{hashlib.sha256(normalised.encode()).hexdigest()[:40]}"


async def pending(
    runner: QueryRunner, directory: Path, *, application: str, platform: str
) -> SchemaState:
    """Compare the directory and the required platform version with what was applied.

    One query for each schema. A schema or a ledger that does not exist means that everything is
    pending.

    Args:
        runner: where to ask.
        directory: the application's migrations.
        application: name of the application schema.
        platform: name of the platform schema.

    Raises:
        OSError: the directory can't be read.
        SysnddError: the database can't be asked.
    """
    files = list_migrations(directory).files
    applied = await _ledger(runner, application)
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
    )


async def current_version(runner: QueryRunner, *, application: str) -> str | None:
    """Return the newest application file that was applied successfully, or None.

    Args:
        runner: where to ask.
        application: name of the application schema.
    """
    return _newest(await _ledger(runner, application))


async def _ledger(runner: QueryRunner, schema: str) -> dict[str, bool]:
    """Read filename → success; empty when there is no such schema or table."""
    ledger = qualified_name(schema, LEDGER)
    try:
        rows = await runner.fetch_all(f"SELECT filename, success FROM {ledger}")
    except Exception as error:
        if _says_no_such_table(error):
            return {}
        raise
    return {_text(row["filename"]): bool(row["success"]) for row in rows}


def _says_no_such_table(error: BaseException | None) -> bool:
    # Database and Transaction map driver errors and keep the original as the cause.
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
