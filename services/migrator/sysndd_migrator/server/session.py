"""The connection that holds the lock and runs every statement.

It is neither pooled nor reconnected. A named lock lives as long as its connection, and the server
completes an ALTER after its client died; on one connection, lock and ALTER end together.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import aiomysql
import pymysql.err
from pymysql.constants import COMMAND

from sysndd_core.db.database import Row, connect, is_mariadb
from sysndd_core.errors import SysnddError
from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import quote_name
from sysndd_migrator.errors import NotPermitted, ServerUnavailable
from sysndd_migrator.files.lexing import LEXING_MODES

log = get_logger(__name__)

LOCK_WAIT_SECONDS = 5
"""Seconds a statement may wait for a lock; readers queue behind a waiting ALTER as long."""

LOCK_TIMEOUTS = frozenset({1205, 1213})
"""Errors of a statement that got no lock and was rolled back."""

_NO_SUCH_TABLE = frozenset({1049, 1146})
"""Unknown database, unknown table."""

_OPTION_MULTI_STATEMENTS_OFF = b"\x01\x00"

# Session variables that a migration may change; each file starts with the same values.
_TRACKED = (
    "sql_mode",
    "foreign_key_checks",
    "unique_checks",
    "time_zone",
    "autocommit",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "collation_connection",
    "lock_wait_timeout",
    "innodb_lock_wait_timeout",
    "sql_safe_updates",
    "sql_notes",
    "sql_select_limit",
    "sql_log_bin",
    "sql_big_selects",
    "default_storage_engine",
    "explicit_defaults_for_timestamp",
    "group_concat_max_len",
    "max_sp_recursion_depth",
    "default_week_format",
    "lc_time_names",
    "auto_increment_increment",
    "auto_increment_offset",
)

Write = tuple[str, tuple[Any, ...] | None]
"""A statement of the migrator, and its arguments."""

_ACCESS_DENIED = frozenset({1044, 1045, 1142, 1143, 1227, 1370, 1419, 1698})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The effect of a statement: changed rows, the server's count of warnings, changed objects."""

    rows: int
    warnings: int
    objects: str = ""

    @property
    def changed(self) -> bool:
        """Whether the statement changed rows or definitions."""
        return self.rows > 0 or bool(self.objects)


class Rows(Enum):
    """How to treat the rows that a statement returns."""

    DECODED = auto()
    RAW = auto()
    """Bytes, because a file may have changed the character set of results."""
    DISCARDED = auto()
    """Skipped, because a SELECT may return more than fits into memory."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the server returned for one statement.

    Attributes:
        changed: Number of rows that the statement changed; 0 if it returned rows.
        columns: Names of the columns.
        rows: The rows, unless they were discarded.
    """

    changed: int
    columns: tuple[str, ...] = ()
    rows: Sequence[tuple[Any, ...]] = ()


class Session:
    """A dedicated connection with a known session state.

    Args:
        connection: From ``sysndd_core.db.database.connect``, without a default schema.
        settings: Its server, for a second connection.
    """

    def __init__(self, connection: aiomysql.Connection, settings: DatabaseSettings) -> None:
        self.connection = connection
        self.settings = settings
        self.thread_id = int(connection.thread_id())
        self.is_mariadb = is_mariadb(connection.get_server_info())
        self._baseline: dict[str, Any] = {}
        self._schema: str | None = None

    @classmethod
    async def open(cls, settings: DatabaseSettings, *, timeout: float = 10) -> "Session":
        """Connect, and set the session variables to their known values.

        Args:
            settings: Address and account.
            timeout: Seconds for connect and handshake.

        Raises:
            ServerUnavailable: No connection; contains the server's message.
        """
        try:
            connection = await connect(settings, schema=None, timeout=timeout)
        except SysnddError as error:
            raise ServerUnavailable(_why_unreachable(settings, error)) from error
        session = cls(connection, settings)
        await session._prepare()
        return session

    async def _prepare(self) -> None:
        # The driver always enables several statements in one packet. Then the server, not the
        # splitter, would decide where a statement ends.
        await self.connection._execute_command(COMMAND.COM_SET_OPTION, _OPTION_MULTI_STATEMENTS_OFF)
        await self.connection._read_packet()
        names = ", ".join(["%s"] * len(_TRACKED))
        found = {
            str(row["Variable_name"]): str(row["Value"])
            for row in await self.fetch_all(
                f"SHOW SESSION VARIABLES WHERE Variable_name IN ({names})", _TRACKED
            )
        }
        self._tracked = tuple(found)
        modes = found["sql_mode"].split(",")
        allowed = [mode for mode in modes if mode not in LEXING_MODES]
        if allowed != modes:
            log.warning("sql_mode_adjusted", removed=sorted(set(modes) - set(allowed)))
        # A limit meant for requests would end a long ALTER. (MySQL's applies to SELECT only.)
        no_limit = ", max_statement_time = 0" if self.is_mariadb else ""
        await self.execute(
            "SET SESSION sql_mode = %s, lock_wait_timeout = %s, innodb_lock_wait_timeout = %s"
            + no_limit,
            (",".join(allowed), LOCK_WAIT_SECONDS, 2 * LOCK_WAIT_SECONDS),
        )
        self._state_as_text = (
            "CONCAT_WS('|', " + ", ".join(f"@@SESSION.{name}" for name in self._tracked) + ")"
        )
        self._baseline = await self._state()
        self._baseline_text = str(self._baseline.pop("as_text")).encode()

    async def _state(self) -> dict[str, Any]:
        names = ", ".join(f"@@SESSION.{name} AS `{name}`" for name in self._tracked)
        return await self._one(f"SELECT {names}, {self._state_as_text} AS as_text")

    async def is_unchanged(self) -> bool:
        """Return whether all session variables have their initial values."""
        result = await self.send(f"SELECT {self._state_as_text}", rows=Rows.RAW)
        return bytes(result.rows[0][0]) == self._baseline_text

    async def use(self, schema: str) -> None:
        """Make a schema the default; sends nothing if it is already."""
        if self._schema != schema:
            self._schema = None
            await self.send(f"USE {quote_name(schema)}")
            self._schema = schema

    async def reset(self, schema: str, *, transactions: bool = True) -> dict[str, Any]:
        """Restore the session variables after a file, and make ``schema`` the default.

        Args:
            schema: Name of the next file's schema.
            transactions: False if the file cannot have left a transaction, a table lock or another
                default schema.

        Returns:
            The session variables that the file left changed, with their values.
        """
        if transactions:
            await self.execute("ROLLBACK")
            await self.execute("UNLOCK TABLES")
            self._schema = None  # the file may contain USE
        state = await self._state()
        leaked = {n: state[n] for n, value in self._baseline.items() if state[n] != value}
        if leaked:
            assignments = ", ".join(f"SESSION {name} = %s" for name in leaked)
            await self.execute(f"SET {assignments}", [self._baseline[name] for name in leaked])
        await self.use(schema)
        return leaked

    async def lexing_modes(self) -> list[str]:
        """Return the active sql_modes that change what quotes and backslashes mean."""
        modes = str((await self._one("SELECT @@SESSION.sql_mode AS v"))["v"]).split(",")
        return sorted(LEXING_MODES.intersection(modes))

    async def send(
        self, sql: str, arguments: Sequence[Any] | None = None, *, rows: Rows = Rows.DECODED
    ) -> Result:
        """Send one statement and read its complete result. All statements go through this method.

        Args:
            sql: The statement.
            arguments: Values of its placeholders.
            rows: How to treat the rows that it returns.

        Raises:
            pymysql.err.Error: The server's error, also one in a later result of a CALL.
        """
        cursor_class = aiomysql.SSCursor if rows is Rows.DISCARDED else aiomysql.Cursor
        self.connection.use_unicode = rows is Rows.DECODED
        try:
            with warnings.catch_warnings():
                # The driver turns each warning of the server into a Python warning.
                warnings.simplefilter("ignore", aiomysql.Warning)
                async with self.connection.cursor(cursor_class) as cursor:
                    await cursor.execute(sql, None if arguments is None else tuple(arguments))
                    if cursor.description is None:
                        return Result(max(int(cursor.rowcount), 0))
                    names = tuple(str(column[0]) for column in cursor.description)
                    fetched = () if rows is Rows.DISCARDED else tuple(await cursor.fetchall())
                    return Result(0, names, fetched)
        except UnicodeDecodeError as error:
            self.connection.close()  # the rest would be read as the next result
            raise pymysql.err.InterfaceError(
                "the server's result is not UTF-8, because character_set_results was changed"
            ) from error

    async def run(self, text: str) -> int:
        """Send a statement of a file as it is; return the number of changed rows.

        Raises:
            pymysql.err.Error: The server's error.
        """
        return (await self.send(text, rows=Rows.DISCARDED)).changed

    async def execute(self, sql: str, arguments: Sequence[Any] | None = None) -> int:
        """Run a statement of the migrator; return the number of changed rows."""
        return (await self.send(sql, arguments)).changed

    async def execute_all(self, writes: Iterable[Write]) -> None:
        """Run statements of the migrator in order."""
        for sql, arguments in writes:
            await self.send(sql, arguments)

    async def commit_all(self, writes: Sequence[Write]) -> None:
        """Run statements of the migrator in one transaction, and commit it."""
        # One statement is a transaction by itself, unless the file turned autocommit off.
        alone = len(writes) == 1
        if not alone:
            await self.send("BEGIN")
        await self.execute_all(writes)
        if not (alone and self.connection.get_autocommit()):
            await self.send("COMMIT")

    async def fetch_all(self, sql: str, arguments: Any = None) -> list[Row]:
        """Run a query of the migrator; return all rows."""
        result = await self.send(sql, arguments)
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows]

    async def _one(self, sql: str, arguments: Any = None) -> Row:
        return (await self.fetch_all(sql, arguments))[0]

    def close(self) -> None:
        """Close the connection, which releases the lock."""
        self.connection.close()


async def has_table(session: Session, quoted: str) -> bool:
    """Return whether a table exists, given its quoted name with the schema."""
    try:
        await session.fetch_all(f"SELECT 1 FROM {quoted} LIMIT 0")
    except pymysql.err.Error as error:
        if is_missing(error):
            return False
        raise
    return True


async def create_table(session: Session, quoted: str, statement: str) -> None:
    """Create a table if it does not exist.

    Args:
        session: The connection that holds the lock.
        quoted: Quoted name of the table, with the schema.
        statement: The statement that creates it.

    Raises:
        NotPermitted: The account lacks the privilege.
    """
    if await has_table(session, quoted):
        return  # CREATE … IF NOT EXISTS would wait for readers of the table
    try:
        await session.execute(statement)
    except pymysql.err.Error as error:
        raise not_permitted(error, f"create the table {quoted}") or error from error


def is_missing(error: BaseException) -> bool:
    """Return whether a statement failed because its table, or the table's schema, is missing."""
    return server_error(error)[0] in _NO_SUCH_TABLE


def server_error(error: BaseException | None) -> tuple[int, str]:
    """Return number and message of the server's error, from a driver error or its wrapper.

    Returns:
        ``(0, text)`` if there is no number.
    """
    text = str(error)
    while error is not None:
        if isinstance(error, pymysql.err.Error) and error.args and isinstance(error.args[0], int):
            return error.args[0], str(error.args[1]) if len(error.args) > 1 else ""
        error = error.__cause__
    return 0, text


def not_permitted(error: pymysql.err.Error, what: str) -> NotPermitted | None:
    """Convert an access error to NotPermitted; return None for any other error."""
    number, reason = server_error(error)
    if number not in _ACCESS_DENIED:
        return None
    return NotPermitted(f"The account may not {what}: {reason} (error {number}).")


def _why_unreachable(settings: DatabaseSettings, error: SysnddError) -> str:
    where = str(settings.socket) if settings.socket else f"{settings.host}:{settings.port}"
    number, reason = server_error(error)
    reason = f"{reason} (error {number})" if number else reason
    return f"No connection to the database at {where} as {settings.user!r}: {reason}"
