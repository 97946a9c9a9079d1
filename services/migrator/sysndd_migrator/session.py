"""The one connection that holds the lock and runs every statement.

Never a pool and never a reconnect: a named lock lives as long as its connection, and the server
goes on with an ALTER after its client died. Lock and ALTER on one connection end together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiomysql
import pymysql.err
from pymysql.constants import COMMAND

from sysndd_core.db.database import Row, connect, is_mariadb
from sysndd_core.errors import SysnddError
from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings
from sysndd_migrator.errors import NotPermitted, ServerUnavailable
from sysndd_migrator.wire import Reply, Wire

log = get_logger(__name__)

LOCK_WAIT_SECONDS = 5
"""How long a statement may wait for a lock; readers queue behind a waiting ALTER just as long."""

_LEXING_MODES = frozenset({"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"})
_OPTION_MULTI_STATEMENTS_OFF = b"\x01\x00"

# Session variables a migration may change for itself; each file starts from the same values.
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

_ACCESS_DENIED = frozenset({1044, 1045, 1142, 1143, 1227, 1370, 1419, 1698})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement did: rows it changed, the server's count of warnings, and changed objects."""

    rows: int
    warnings: int
    objects: str = ""

    @property
    def changed(self) -> bool:
        """Tell whether anything is different from before."""
        return self.rows > 0 or bool(self.objects)


class Session:
    """A dedicated connection with known session state.

    Args:
        connection: from ``sysndd_core.db.database.connect``, without a default schema.
        settings: where it leads, for a second connection to the same server.
    """

    def __init__(self, connection: aiomysql.Connection, settings: DatabaseSettings) -> None:
        self.connection = connection
        self.settings = settings
        self.thread_id = int(connection.thread_id())
        self.is_mariadb = is_mariadb(connection.get_server_info())
        self.wire = Wire(connection)
        self._baseline: dict[str, Any] = {}
        self._schema: str | None = None

    @classmethod
    async def open(cls, settings: DatabaseSettings, *, timeout: float = 10) -> "Session":
        """Connect and bring the session into its known state.

        Args:
            settings: address and account.
            timeout: seconds for connect and handshake.

        Raises:
            ServerUnavailable: no connection; carries the server's own words.
        """
        try:
            connection = await connect(settings, schema=None, timeout=timeout)
        except SysnddError as error:
            raise ServerUnavailable(_why_unreachable(settings, error)) from error
        session = cls(connection, settings)
        await session._prepare()
        return session

    async def _prepare(self) -> None:
        # The driver switches on several statements in one packet and offers no way not to: what
        # one statement is would be decided by the server instead of the splitter.
        await self.connection._execute_command(COMMAND.COM_SET_OPTION, _OPTION_MULTI_STATEMENTS_OFF)
        await self.connection._read_packet()
        if self.is_mariadb:
            # A limit meant for requests would end a long ALTER. (MySQL's is for SELECT only.)
            await self.execute("SET SESSION max_statement_time = 0")
        modes = str((await self._one("SELECT @@SESSION.sql_mode AS v"))["v"]).split(",")
        kept = [mode for mode in modes if mode not in {"ANSI", *_LEXING_MODES}]
        if kept != modes:
            log.warning("sql_mode_adjusted", removed=sorted(set(modes) - set(kept)))
        await self.execute(
            "SET SESSION sql_mode = %s, lock_wait_timeout = %s, innodb_lock_wait_timeout = %s",
            (",".join(kept), LOCK_WAIT_SECONDS, 2 * LOCK_WAIT_SECONDS),
        )
        known = await self.fetch_all(
            f"SHOW SESSION VARIABLES WHERE Variable_name IN ({', '.join(['%s'] * len(_TRACKED))})",
            _TRACKED,
        )
        self._tracked = tuple(str(row["Variable_name"]) for row in known)
        self._baseline = await self._state()
        names = ", ".join(f"@@SESSION.{name}" for name in self._tracked)
        self._state_as_text = f"CONCAT_WS('|', {names})"
        self._baseline_text = (await self._one(f"SELECT {self._state_as_text} AS v"))["v"]

    async def _state(self) -> dict[str, Any]:
        names = ", ".join(f"@@SESSION.{name} AS `{name}`" for name in self._tracked)
        return await self._one(f"SELECT {names}")

    def unchanged_query(self, lock: str) -> str:
        """Return a query for ``is_unchanged``: two columns, to be sent along with other statements.

        Args:
            lock: name of a lock that this session should hold.
        """
        return self.bound(
            f"SELECT IS_USED_LOCK(%s) = CONNECTION_ID(), {self._state_as_text}", (lock,)
        )

    def is_unchanged(self, answer: Reply) -> bool:
        """Tell whether all session variables are as they were, from ``unchanged_query``'s answer."""
        return bool(answer.rows) and answer.rows[0][1:] == (self._baseline_text,)

    async def use(self, schema: str) -> None:
        """Make a schema the default; costs nothing when it is already."""
        if self._schema != schema:
            self._schema = None
            await self.connection.select_db(schema)
            self._schema = schema

    async def reset(self, schema: str, *, transactions: bool = True) -> dict[str, Any]:
        """Undo what a file left behind in the session, and make ``schema`` the default.

        Args:
            schema: name of the schema the next file runs in.
            transactions: False when the file can't have left a transaction or a table lock open,
                nor another default schema.

        Returns:
            The session variables that had been changed, with the values they were left at.
        """
        if transactions:
            await self.execute("ROLLBACK")
            await self.execute("UNLOCK TABLES")
            self._schema = None  # there may have been a USE
        state = await self._state()
        leaked = {name: value for name, value in state.items() if value != self._baseline[name]}
        if leaked:
            assignments = ", ".join(f"SESSION {name} = %s" for name in leaked)
            await self.execute(f"SET {assignments}", [self._baseline[name] for name in leaked])
        await self.use(schema)
        return leaked

    async def lexing_modes(self) -> list[str]:
        """Return the active sql_modes that change what quotes and backslashes mean."""
        modes = str((await self._one("SELECT @@SESSION.sql_mode AS v"))["v"]).split(",")
        return sorted(_LEXING_MODES.intersection(modes))

    async def run(self, text: str) -> Outcome:
        """Send one statement as it is, and read everything it answers.

        Raises:
            pymysql.err.Error: the server's refusal, unmapped.
        """
        return (await self.run_then(text, ()))[0]

    async def run_then(self, text: str, then: Sequence[str]) -> tuple[Outcome, list[Reply]]:
        """Send one statement as it is, and questions of our own behind it without waiting.

        Args:
            text: the statement. Rows of it are read past, neither kept nor decoded: a file may have
                changed the character set, and a SELECT may answer more than fits into memory.
            then: statements that do no harm when the first one failed.

        Returns:
            What the statement did, and the answers to the others, refusals among them.

        Raises:
            pymysql.err.Error: the server's refusal of the statement, unmapped.
        """
        first, *others = await self.wire.exchange([text, *then], keep_from=1)
        if first.error is not None:
            raise first.error
        return Outcome(first.affected, first.warnings), others

    async def ask(self, *statements: str) -> list[Reply]:
        """Send statements of our own in one go; each runs whatever becomes of those before it."""
        return await self.wire.exchange(statements)

    async def execute(self, sql: str, arguments: Sequence[Any] | None = None) -> int:
        """Run a statement of our own; return the number of rows it changed."""
        return (await self.execute_all([(sql, arguments)]))[-1]

    async def execute_all(
        self, statements: Sequence[tuple[str, Sequence[Any] | None]]
    ) -> list[int]:
        """Run statements of our own in one go; return the number of rows each changed.

        Raises:
            pymysql.err.Error: the first refusal; those behind it have run all the same.
        """
        replies = await self.ask(*(self.bound(sql, arguments) for sql, arguments in statements))
        for reply in replies:
            if reply.error is not None:
                raise reply.error
        return [reply.affected for reply in replies]

    async def fetch_all(self, sql: str, arguments: Any = None) -> list[Row]:
        """Run a query of our own; return every row."""
        await self.connection.query(self.bound(sql, arguments))
        result = self.connection._result
        names = [field.name for field in result.fields]
        return [dict(zip(names, row, strict=True)) for row in result.rows]

    def bound(self, sql: str, arguments: Sequence[Any] | None) -> str:
        """Return a statement of our own with its arguments put in."""
        if arguments is None:
            return sql
        return sql % tuple(self.connection.escape(argument) for argument in arguments)

    async def _one(self, sql: str, arguments: Any = None) -> Row:
        return (await self.fetch_all(sql, arguments))[0]

    def close(self) -> None:
        """Drop the connection, and with it the lock."""
        self.connection.close()


async def has_table(session: Session, quoted: str) -> bool:
    """Tell whether a table exists, given its quoted name with the schema."""
    try:
        await session.fetch_all(f"SELECT 1 FROM {quoted} LIMIT 0")
    except pymysql.err.Error as error:
        if server_error(error)[0] in {1049, 1146}:
            return False
        raise
    return True


def server_error(error: BaseException | None) -> tuple[int, str]:
    """Return the server's error number and words from a driver error or what wraps it.

    Returns:
        ``(0, text)`` when there is no number.
    """
    shown = str(error)
    while error is not None:
        if isinstance(error, pymysql.err.Error) and error.args and isinstance(error.args[0], int):
            return error.args[0], str(error.args[1]) if len(error.args) > 1 else ""
        error = error.__cause__
    return 0, shown


def not_permitted(error: pymysql.err.Error, what: str) -> NotPermitted | None:
    """Turn a missing privilege into a sentence; None when it is something else."""
    number, words = server_error(error)
    if number not in _ACCESS_DENIED:
        return None
    return NotPermitted(f"The account may not {what}: {words} (error {number}).")


def _why_unreachable(settings: DatabaseSettings, error: SysnddError) -> str:
    where = str(settings.socket) if settings.socket else f"{settings.host}:{settings.port}"
    number, words = server_error(error)
    reason = f"{words} (error {number})" if number else words
    return f"No connection to the database at {where} as {settings.user!r}: {reason}"
