"""Recognizes that an object of a schema is missing or unreadable, and whether that will pass.

The same error number has two causes. A restore or a migration replaces a table for a moment, and
the request may be repeated. Or the table is lost, and only a backup brings it back. The difference
is whether an operation is in progress, which is asked only after a statement has failed.

Error numbers: MySQL's "Server Error Message Reference", MariaDB's "Error Codes", and the handler
errors that ``perror`` lists, which MyISAM and Aria report without translation.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pymysql.err

from sysndd_core.db.schema_objects import RUNNING, TABLE
from sysndd_core.db.schema_version import QueryRunner, migration_lock_name
from sysndd_core.errors import SchemaChanging, SchemaDamaged, SysnddError
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import qualified_name, quote_name

NEXT_STEP = (
    "Restore a backup from before the loss: open /admin, or run sysndd-admin list and sysndd-admin"
    " restore NAME."
)
"""What an operator does about a damaged application schema; the latest backup may lack a table."""

_NO_SCHEMA = 1049
_NO_TABLE = 1146
_INVALID_VIEW = 1356
# Errors of storage engines: file not found; index, record or file corrupt; format unknown; record
# file crashed; last repair failed; marked as crashed; not in the engine; file too short; wrong
# checksum; index corrupt; tablespace missing.
_ENGINE = {29, 126, 127, 130, 134, 144, 145, 155, 175, 176, 180, 194}
_FROM_ENGINE = 1030  # "Got error 176 ... from storage engine": the number is in the text
_UNREADABLE = _ENGINE | {
    1016,  # ER_CANT_OPEN_FILE
    1017,  # ER_FILE_NOT_FOUND
    1033,  # ER_NOT_FORM_FILE
    1034,  # ER_NOT_KEYFILE
    1035,  # ER_OLD_KEYFILE
    1194,  # ER_CRASHED_ON_USAGE
    1195,  # ER_CRASHED_ON_REPAIR
    _INVALID_VIEW,
    1712,  # ER_INDEX_CORRUPT
    1812,  # ER_TABLESPACE_MISSING
    1814,  # ER_TABLESPACE_DISCARDED
    1877,  # ER_TABLE_CORRUPT
    1932,  # ER_NO_SUCH_TABLE_IN_ENGINE (MariaDB)
}

_QUOTED = re.compile(r"`([^`]+)`\.`([^`]+)`|'([^']+)'|`([^`]+)`|\b[Tt]able ([\w$]+\.[\w$]+) is ")
_ENGINE_NUMBER = re.compile(r"Got error '?(\d+)")
_FILE_SUFFIX = re.compile(r"\.(?:MYI|MYD|MAI|MAD|ibd|frm)$")
# A swap, or the release of the lock after a migration, may end between the error and the question.
_JUST_FINISHED_SECONDS = 5


@dataclass(frozen=True, slots=True)
class DamagedObject:
    """An object that a statement needs and that is missing or unreadable.

    Attributes:
        schema: Name of its schema, if the server's message has it.
        name: Name of the table or view; None for the schema itself, or if it is not known.
        missing: Whether it does not exist; otherwise it cannot be read.
        number: Error number of the server.
        message: Message of the server.
    """

    schema: str | None
    name: str | None
    missing: bool
    number: int
    message: str

    @property
    def kind(self) -> str:
        """``view`` or ``table``."""
        return "view" if self.number == _INVALID_VIEW else "table"

    @property
    def reason(self) -> str:
        """Why the object cannot be read, in the server's words."""
        return f"{self.message} (error {self.number})"


def damaged_object(error: pymysql.err.Error) -> DamagedObject | None:
    """Return the missing or unreadable object that an error is about; None for other errors."""
    number = error.args[0] if error.args else None
    message = str(error.args[-1])
    if number in {_NO_SCHEMA, _NO_TABLE}:
        schema, name = _names(message)
        if number == _NO_SCHEMA:
            schema, name = name, None
        return DamagedObject(schema, name, True, number, message)
    if number == _FROM_ENGINE:
        found = _ENGINE_NUMBER.search(message)
        if found is None or int(found[1]) not in _ENGINE:
            return None
        # The text in quotes describes the error. Only some versions add the table.
        return DamagedObject(None, None, False, number, message)
    if number in _UNREADABLE:
        schema, name = _names(message)
        return DamagedObject(schema, name, False, number, message)
    return None


def describe(found: DamagedObject, *, kind_of_schema: str = "") -> str:
    """Return a sentence about a damaged object.

    Args:
        found: The object.
        kind_of_schema: ``application`` or ``platform``, if known.
    """
    schema = " ".join(word for word in (kind_of_schema, "schema", found.schema) if word)
    if found.name is None:
        if found.missing:
            return f"The {schema} does not exist."
        return f"A table cannot be read: {found.reason}."
    where = f" of the {schema}" if found.schema else ""
    what = f"The {found.kind} {found.name}{where}"
    return f"{what} does not exist." if found.missing else f"{what} cannot be read: {found.reason}."


def error_of(found: DamagedObject, detail: str | None = None) -> SchemaDamaged:
    """Return the error for a damaged object."""
    return SchemaDamaged(
        detail or describe(found),
        schema=found.schema,
        **({"object": found.name} if found.name is not None else {}),
    )


async def change_in_progress(runner: QueryRunner, application: str, platform: str) -> bool:
    """Return whether a restore, an undo or a migration is replacing objects of the schemas.

    A restore has an open entry in its journal. A migration holds the schema lock and has recorded
    that it runs: the lock alone may be that of a backup, and the record alone may be left by a
    migrator that was killed.

    Args:
        runner: Runs the queries.
        application: Name of the application schema.
        platform: Name of the platform schema.
    """
    swaps = (
        f"SELECT 1 AS found FROM {qualified_name(platform, 'restore_journal')} WHERE live = %s AND"
        " (finished_at IS NULL OR finished_at > UTC_TIMESTAMP(6) - INTERVAL %s SECOND) LIMIT 1"
    )
    if await _any(runner, swaps, (application, _JUST_FINISHED_SECONDS), missing=False):
        return True
    lock = "SELECT IS_USED_LOCK(%s) AS id"
    (row,) = await runner.fetch_all(lock, (migration_lock_name(application),))
    if row["id"] is None:
        return False
    runs = (
        f"SELECT 1 AS found FROM {qualified_name(platform, TABLE)}"
        " WHERE schema_name IN (%s, %s) AND name = %s LIMIT 1"
    )
    # A first migration holds the lock before there is a table to record anything in.
    return await _any(runner, runs, (application, platform, RUNNING), missing=True)


async def _any(runner: QueryRunner, sql: str, arguments: Sequence[Any], *, missing: bool) -> bool:
    try:
        return bool(await runner.fetch_all(sql, arguments))
    except (SysnddError, pymysql.err.Error) as error:
        cause = error if isinstance(error, pymysql.err.Error) else error.__cause__
        if isinstance(cause, pymysql.err.Error) and damaged_object(cause) is not None:
            return missing
        raise


class DamageLog:
    """Explains statements that failed because of a damaged object, and keeps the unreadable ones.

    No catalogue of the server lists unreadable tables: a discarded tablespace shows only when the
    table is read. So the failures of this process's own statements are kept until the health check
    has read the table successfully.

    Args:
        settings: Names of the two schemas.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._application = settings.name
        self._platform = settings.ops_name
        self._unreadable: dict[str, DamagedObject] = {}

    @property
    def unreadable(self) -> Mapping[str, DamagedObject]:
        """Tables and views of the application schema that could not be read, by name."""
        return dict(self._unreadable)

    def forget(self, name: str) -> None:
        """Remove an object that could be read, or that no longer exists."""
        self._unreadable.pop(name, None)

    async def explain(
        self, runner: QueryRunner, error: pymysql.err.Error, sql: str
    ) -> SchemaChanging | SchemaDamaged:
        """Return the error for a statement that failed because of a missing or unreadable object.

        Args:
            runner: The connection of the statement.
            error: The server's error; ``damaged_object`` recognizes it.
            sql: The statement, which names the table where the message does not.

        Returns:
            ``SchemaChanging`` while a restore or a migration is in progress, or if it has replaced
            the table in the meantime.
        """
        found = damaged_object(error)
        assert found is not None
        found = self._completed(found, sql)
        if await change_in_progress(runner, self._application, self._platform):
            return SchemaChanging()
        if found.missing and (schema := found.schema) is not None:
            if not await _exists(runner, schema):
                found = replace(found, name=None)
            elif found.name is None or await _exists(runner, schema, found.name):
                return SchemaChanging()
        if _same(found.schema, self._platform):
            text = describe(found, kind_of_schema="platform")
            return error_of(found, f"{text} Run: sysndd-migrator up")
        if not _same(found.schema, self._application):
            return error_of(found)
        if not found.missing and found.name is not None:
            self._unreadable[found.name] = found
        return error_of(found, f"{describe(found, kind_of_schema='application')} {NEXT_STEP}")

    def _completed(self, found: DamagedObject, sql: str) -> DamagedObject:
        """Add the schema, and the name, from the statement."""
        if found.missing or (found.schema is not None and found.name is not None):
            return found
        for schema in (self._application, self._platform):
            named = {a or b for a, b in re.findall(_tables_of(schema), sql)}
            if found.name in named:
                return replace(found, schema=schema)
            if found.name is None and len(named) == 1:
                return replace(found, schema=schema, name=named.pop())
        # The statement reads a view, and the message names its table; or it reads several tables,
        # and the message names none.
        if found.schema is None and f"{quote_name(self._application)}." in sql:
            return replace(found, schema=self._application)
        return found


def _tables_of(schema: str) -> str:
    """Return a pattern that finds the names of a schema's tables in our statements."""
    return rf"{re.escape(quote_name(schema))}\.(?:`([^`]+)`|(\w+))"


def _same(schema: str | None, configured: str) -> bool:
    # With lower_case_table_names=1, messages have the name in lower case.
    return schema is not None and schema.casefold() == configured.casefold()


async def _exists(runner: QueryRunner, schema: str, name: str | None = None) -> bool:
    if name is None:
        sql = "SELECT 1 AS found FROM information_schema.schemata WHERE schema_name = %s"
        return bool(await runner.fetch_all(sql, (schema,)))
    sql = (
        "SELECT 1 AS found FROM information_schema.tables"
        " WHERE table_schema = %s AND table_name = %s"
    )
    return bool(await runner.fetch_all(sql, (schema, name)))


def _names(message: str) -> tuple[str | None, str | None]:
    """Return the schema and the name from a message; it may show the path of a file instead."""
    found = _QUOTED.search(message)
    if found is None:
        return None, None
    if found[1] is not None:
        return found[1], found[2]
    text = found[3] or found[4] or found[5]
    text = _FILE_SUFFIX.sub("", text.removeprefix("./"))
    if "/" in text:
        schema, _, name = text.rpartition("/")
        return schema.rpartition("/")[2] or None, name
    schema, dot, name = text.partition(".")
    return (schema, name) if dot else (None, text)
