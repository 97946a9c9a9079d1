"""The connection pool, transactions, and the mapping of driver errors.

aiomysql's pool loses wake-ups: if a query is cancelled, all waiters hang. A FIFO semaphore with the
size of the pool prevents this, because then no task waits inside aiomysql. Connections are in
autocommit mode; use ``transaction()`` for statements that must commit together.
"""

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiomysql
import pymysql.err

from sysndd_core.db.schema_damage import DamageLog, damaged_object, error_of
from sysndd_core.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    SchemaChanging,
    SchemaDamaged,
    SysnddError,
)
from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings

log = get_logger(__name__)

Row = dict[str, Any]
Arguments = Sequence[Any] | Mapping[str, Any] | None

# Shorter than any reasonable wait_timeout, so that the server does not close pooled connections.
RECYCLE_SECONDS = 240

# Limit for the questions that explain a failed statement.
_EXPLAIN_SECONDS = 2.0

# Grace period in which the server reports a statement timeout before the client gives up.
_ANSWER_SECONDS = 1.0

# Error numbers of the servers, by the error that the caller gets.
_NO_CONNECTION_LEFT = {1040, 1203, 1226}
_GONE = {1042, 1043, 1045, 1053, 1077, 1078, 1079, 1080, 2002, 2003, 2006, 2013, 2055}
_READ_ONLY = {1290, 1792, 1836}
_REDEFINED = 1412
# Rolled back, may be retried: deadlock; lock wait timeout, statement timeout (MariaDB, MySQL).
_DEADLOCK = 1213
_OVERLOADED = {1205, 1969, 3024}


def utc(value: datetime | None) -> datetime | None:
    """Add the time zone UTC to a value of a DATETIME column, which are all in UTC."""
    return value.replace(tzinfo=UTC) if value is not None else None


@dataclass(frozen=True)
class PoolState:
    """State of the pool: limit, connections in use, idle connections and waiting requests."""

    size: int
    in_use: int
    idle: int
    waiting: int


async def connect(
    settings: DatabaseSettings,
    *,
    schema: str | None = None,
    timeout: float = 10,
    init_command: str | None = None,
) -> aiomysql.Connection:
    """Open a connection outside the pool.

    Args:
        settings: Address and account.
        schema: Default schema, or None.
        timeout: Seconds for connecting and the handshake together; the driver's own limit covers
            only connecting.
        init_command: Statement to run after the handshake.

    Returns:
        A connection in autocommit mode, with utf8mb4 and time zone UTC.

    Raises:
        DatabaseUnavailable: The connection was rejected or not established in time.
        DatabaseBusy: The server has no connection left.
    """
    with errors_mapped():
        async with asyncio.timeout(timeout):
            return await aiomysql.connect(**_arguments(settings, schema, init_command))


def _arguments(
    settings: DatabaseSettings, schema: str | None, init_command: str | None
) -> dict[str, Any]:
    utc = "SET time_zone = '+00:00'"
    arguments: dict[str, Any] = {
        "user": settings.user,
        "password": settings.password.get_secret_value(),
        "db": schema,
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": 5,
        "init_command": f"{utc}, {init_command}" if init_command else utc,
        "cursorclass": aiomysql.DictCursor,
    }
    if settings.socket is not None:
        arguments["unix_socket"] = str(settings.socket)
    else:
        arguments |= {"host": settings.host, "port": settings.port}
    return arguments


@contextlib.contextmanager
def errors_mapped() -> Iterator[None]:
    """Map errors of the driver to errors of the platform.

    Errors that the caller caused, such as a duplicate key or a syntax error, pass unchanged.

    Raises:
        DatabaseUnavailable: The server cannot be reached, does not respond or is read-only.
        DatabaseBusy: The server is overloaded, or the transaction was rolled back.
        SchemaChanging: A table was redefined.
        SchemaDamaged: A table, view or schema is missing or unreadable. A ``Connection`` raises
            ``SchemaChanging`` instead while an operation replaces it.
    """
    try:
        yield
    except TimeoutError as error:
        raise DatabaseUnavailable("The database did not respond in time.") from error
    except pymysql.err.Error as error:
        mapped = _mapped(error)
        if mapped is None:
            raise
        raise mapped from error
    except (OSError, asyncio.IncompleteReadError) as error:
        raise DatabaseUnavailable() from error


def _mapped(error: pymysql.err.Error) -> SysnddError | None:
    code = error.args[0] if error.args else None
    if code in _NO_CONNECTION_LEFT:
        return DatabaseBusy("The database server has no connection left.")
    if code == _DEADLOCK:
        return DatabaseBusy("The transaction was rolled back because of a deadlock. Try again.")
    if code in _OVERLOADED:
        return DatabaseBusy("The statement exceeded its time limit and was rolled back. Try again.")
    if code in _GONE or code in _READ_ONLY or isinstance(error, pymysql.err.InterfaceError):
        return DatabaseUnavailable()
    return _schema_error(error)


def _schema_error(error: pymysql.err.Error) -> SysnddError | None:
    if error.args[:1] == (_REDEFINED,):
        return SchemaChanging()
    damaged = damaged_object(error)
    return error_of(damaged) if damaged is not None else None


class Connection:
    """A pooled connection in autocommit mode: each statement is a separate transaction.

    Statements name the schema of each table, with ``Database.ops`` or ``Database.app``.
    """

    def __init__(
        self, raw: aiomysql.Connection, statement_seconds: float, damage: DamageLog
    ) -> None:
        self._raw = raw
        self._statement_seconds = statement_seconds
        self._damage = damage

    async def execute(self, sql: str, arguments: Arguments = None) -> int:
        """Run one statement; return the number of rows it changed."""
        async with self._cursor(sql, arguments) as cursor:
            return int(cursor.rowcount)

    async def insert(self, sql: str, arguments: Arguments = None) -> int:
        """Run one INSERT; return the generated AUTO_INCREMENT value."""
        async with self._cursor(sql, arguments) as cursor:
            return int(cursor.lastrowid)

    async def fetch_all(self, sql: str, arguments: Arguments = None) -> list[Row]:
        """Run one query; return every row as a dict."""
        async with self._cursor(sql, arguments) as cursor:
            return list(await cursor.fetchall())

    async def fetch_one(self, sql: str, arguments: Arguments = None) -> Row | None:
        """Run one query; return its first row, or None."""
        async with self._cursor(sql, arguments) as cursor:
            row: Row | None = await cursor.fetchone()
            return row

    @contextlib.asynccontextmanager
    async def _cursor(self, sql: str, arguments: Arguments) -> AsyncIterator[aiomysql.Cursor]:
        try:
            async with self._bounded(), self._raw.cursor() as cursor:
                await cursor.execute(sql, arguments)
                yield cursor
        except SchemaDamaged as error:
            raise await self._explained(error, sql) from error.__cause__

    async def _explained(self, error: SchemaDamaged, sql: str) -> SysnddError:
        """Find out whether an operation is replacing the object that the statement needs."""
        assert isinstance(error.__cause__, pymysql.err.Error)
        try:
            async with asyncio.timeout(_EXPLAIN_SECONDS):
                return await self._damage.explain(_Unmapped(self._raw), error.__cause__, sql)
        except (pymysql.err.Error, OSError, asyncio.IncompleteReadError):
            return error
        except TimeoutError:
            # The reply may still arrive, so the connection must not be used again.
            self._raw.close()
            return error

    @contextlib.asynccontextmanager
    async def _bounded(self) -> AsyncIterator[None]:
        """Limit the wait for a reply, because a server that hangs cannot end the statement."""
        with errors_mapped():
            try:
                async with asyncio.timeout(self._statement_seconds + _ANSWER_SECONDS):
                    yield
            except TimeoutError:
                # The reply may still arrive, so the connection must not be used again.
                self._raw.close()
                raise


class _Unmapped:
    """Runs queries on a connection without mapping their errors."""

    def __init__(self, raw: aiomysql.Connection) -> None:
        self._raw = raw

    async def fetch_all(self, sql: str, arguments: Arguments = None) -> list[Row]:
        async with self._raw.cursor() as cursor:
            await cursor.execute(sql, arguments)
            return list(await cursor.fetchall())


class Transaction(Connection):
    """A connection inside one InnoDB transaction, which may include both schemas."""

    def __init__(
        self, raw: aiomysql.Connection, statement_seconds: float, damage: DamageLog
    ) -> None:
        super().__init__(raw, statement_seconds, damage)
        self._after_commit: list[Callable[[], Awaitable[None]]] = []

    def after_commit(self, announce: Callable[[], Awaitable[None]]) -> None:
        """Call ``announce`` after the commit, not after a rollback. It must not raise."""
        self._after_commit.append(announce)

    async def begin(self) -> None:
        """Start the transaction."""
        async with self._bounded():
            await self._raw.begin()

    async def commit(self) -> None:
        """Commit the transaction."""
        async with self._bounded():
            await self._raw.commit()

    async def roll_back(self) -> None:
        """Roll back the transaction; a lost connection was rolled back by the server."""
        with contextlib.suppress(SysnddError, pymysql.err.Error):
            async with self._bounded():
                await self._raw.rollback()

    async def announce(self) -> None:
        """Call the functions registered with ``after_commit``, in that order."""
        for announce in self._after_commit:
            await announce()


class Database:
    """The connection pool of the process, an asynchronous context manager.

    Opening the pool does not connect, so a process can start while the database is unavailable.

    Args:
        settings: Address, account, pool size and timeouts.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self.settings = settings
        self.app = f"`{settings.name}`"
        self.ops = f"`{settings.ops_name}`"
        self.damage = DamageLog(settings)
        self._gate = asyncio.Semaphore(settings.pool_size)
        self._waiting = 0
        self._in_use = 0
        self._pool: aiomysql.Pool | None = None
        self._prepared: weakref.WeakSet[aiomysql.Connection] = weakref.WeakSet()

    async def __aenter__(self) -> "Database":
        self._pool = await aiomysql.create_pool(
            minsize=0,
            maxsize=self.settings.pool_size,
            pool_recycle=RECYCLE_SECONDS,
            # No default schema: one that is missing must not stop what does not need it.
            **_arguments(self.settings, None, None),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._pool is not None
        # Closes idle connections properly; connections in use are terminated below.
        with contextlib.suppress(pymysql.err.Error, OSError, TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._pool.clear()
        self._pool.terminate()
        await self._pool.wait_closed()

    @property
    def state(self) -> PoolState:
        """The current state of the pool."""
        idle = self._pool.freesize if self._pool is not None else 0
        return PoolState(self.settings.pool_size, self._in_use, idle, self._waiting)

    @contextlib.asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[Connection]:
        """Borrow a connection in autocommit mode.

        Args:
            timeout: Seconds to wait for a connection; ``DB_POOL_TIMEOUT`` by default.

        Raises:
            DatabaseBusy: No connection became free in time.
            DatabaseUnavailable: The server could not be reached.
        """
        async with self._gated(timeout) as raw:
            yield Connection(raw, self.settings.statement_timeout, self.damage)

    @contextlib.asynccontextmanager
    async def transaction(self, timeout: float | None = None) -> AsyncIterator[Transaction]:
        """Borrow a connection for one transaction: committed at the end, rolled back on error.

        Functions registered with ``after_commit`` run after the connection was returned to the
        pool, so a slow function does not hold a connection.

        Args:
            timeout: As for ``connection``.

        Raises:
            DatabaseBusy: As for ``connection``.
            DatabaseUnavailable: As for ``connection``.
        """
        async with self._gated(timeout) as raw:
            transaction = Transaction(raw, self.settings.statement_timeout, self.damage)
            await transaction.begin()
            try:
                yield transaction
                await transaction.commit()
            except Exception:
                await transaction.roll_back()
                raise
        await transaction.announce()

    async def execute(self, sql: str, arguments: Arguments = None) -> int:
        """Run one statement on a borrowed connection; return the number of rows it changed."""
        async with self.connection() as connection:
            return await connection.execute(sql, arguments)

    async def fetch_all(self, sql: str, arguments: Arguments = None) -> list[Row]:
        """Run one query on a borrowed connection; return every row as a dict."""
        async with self.connection() as connection:
            return await connection.fetch_all(sql, arguments)

    async def fetch_one(self, sql: str, arguments: Arguments = None) -> Row | None:
        """Run one query on a borrowed connection; return its first row, or None."""
        async with self.connection() as connection:
            return await connection.fetch_one(sql, arguments)

    @contextlib.asynccontextmanager
    async def _gated(self, timeout: float | None) -> AsyncIterator[aiomysql.Connection]:
        limit = self.settings.pool_timeout if timeout is None else timeout
        raw = await self._acquire(limit)
        self._in_use += 1
        try:
            yield raw
        except asyncio.CancelledError:
            # The reply to the cancelled statement has not been read, so the connection must not
            # be used again.
            raw.close()
            raise
        finally:
            self._in_use -= 1
            self._pool_of().release(raw)
            self._gate.release()

    async def _acquire(self, limit: float) -> aiomysql.Connection:
        self._waiting += 1
        gate_held = False
        try:
            # asyncio.timeout, because wait_for can lose the acquired resource on Python 3.11.
            with errors_mapped():
                async with asyncio.timeout(limit):
                    await self._gate.acquire()
                    gate_held = True
                    raw = await self._pool_of().acquire()
                    await self._prepare(raw)
                    return raw
        except BaseException as error:
            if gate_held:
                self._gate.release()
            elif isinstance(error, DatabaseUnavailable):
                raise DatabaseBusy(
                    f"No database connection became free within {limit:g} s."
                ) from error
            raise
        finally:
            self._waiting -= 1

    async def _prepare(self, raw: aiomysql.Connection) -> None:
        """Set up the session of a new connection; does nothing for a reused one."""
        if raw in self._prepared:
            return
        seconds = self.settings.statement_timeout
        # The server continues a cancelled query, so it needs a limit there too.
        if is_mariadb(raw.get_server_info()):
            bound = f"SET SESSION max_statement_time = {seconds:g}"
        else:
            bound = f"SET SESSION max_execution_time = {int(seconds * 1000)}"
        try:
            async with raw.cursor() as cursor:
                await cursor.execute(bound)
                # With REPEATABLE READ, a claim would lock the gap where new rows are inserted.
                await cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        except BaseException:
            raw.close()
            self._pool_of().release(raw)
            raise
        self._prepared.add(raw)

    def _pool_of(self) -> aiomysql.Pool:
        assert self._pool is not None, "the Database is not open"
        return self._pool


def is_mariadb(server_info: str) -> bool:
    """Return whether the version string from the handshake is MariaDB's."""
    return "mariadb" in server_info.lower()
