"""The connection that changes schemas in a restore and holds the schema lock.

A killed worker leaves its last statement running on the server. Because the lock belongs to the
connection that runs the DDL, the server releases it only when that statement has ended.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiomysql

from sysndd_core.db import schema_lock
from sysndd_core.db.blockers import find_blocker
from sysndd_core.db.database import Row, connect, errors_mapped
from sysndd_core.db.schema_version import migration_lock_name
from sysndd_core.errors import DatabaseBusy, RestoreFailed, SchemaChanging, SchemaDamaged
from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import quote_name

log = get_logger(__name__)

_LOCK_SECONDS = 2
_LOCK_ATTEMPTS = 15
_LOCK_WAIT_TIMEOUT = 1205


class SchemaSession:
    """A connection with a short lock wait timeout; created by ``open_session``."""

    def __init__(self, connection: aiomysql.Connection) -> None:
        self._connection = connection

    async def fetch_all(self, sql: str, arguments: Any = None) -> list[Row]:
        """Run a query; return all rows.

        Raises:
            RestoreFailed: The server rejected the query.
            DatabaseUnavailable, DatabaseBusy: See ``errors_mapped``.
        """
        try:
            with errors_mapped():
                async with self._connection.cursor(aiomysql.DictCursor) as cursor:
                    await cursor.execute(sql, arguments)
                    return list(await cursor.fetchall())
        except aiomysql.Error as error:
            raise RestoreFailed(f"The server rejected {_excerpt(sql)}: {error}.") from error
        except (SchemaChanging, SchemaDamaged) as error:
            text = f"The server rejected {_excerpt(sql)}: {error.__cause__}."
            raise RestoreFailed(text) from error

    async def use(self, schema: str) -> None:
        """Select the default schema."""
        with errors_mapped():
            await self._connection.select_db(schema)

    async def run(self, statement: str | bytes) -> None:
        """Run a statement, with retries if it waits for a table lock.

        Each wait is short, because all later readers of the table queue behind a waiting DDL
        statement.

        Raises:
            RestoreFailed: The server rejected the statement, or a table stayed locked; the detail
                names the connection that most likely holds the lock.
            DatabaseUnavailable: The connection to the server was lost.
        """
        text = statement.decode(errors="replace") if isinstance(statement, bytes) else statement
        excerpt = _excerpt(text)
        for attempt in range(1, _LOCK_ATTEMPTS + 1):
            try:
                with errors_mapped():
                    await self._send(statement)
                return
            except aiomysql.Error as error:
                raise RestoreFailed(f"The server rejected {excerpt}: {error}.") from error
            except (SchemaChanging, SchemaDamaged) as error:
                raise RestoreFailed(f"The server rejected {excerpt}: {error.__cause__}.") from error
            except DatabaseBusy as error:
                if not _is_lock_wait(error):
                    raise
                blocker = await find_blocker(self)
                held_by = str(blocker or "no visible connection")
                log.warning("table_lock_wait_timed_out", statement=excerpt, held_by=held_by)
                if attempt == _LOCK_ATTEMPTS:
                    raise RestoreFailed(
                        f"The tables stayed locked for {_LOCK_SECONDS * _LOCK_ATTEMPTS} s."
                        f" Blocked by: {held_by}."
                    ) from error
            await asyncio.sleep(0.3)

    async def has_table(self, schema: str, table: str) -> bool:
        """Return whether a table exists."""
        found = await self.fetch_all(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
            (schema, table),
        )
        return bool(found)

    async def ensure_schema(self, schema: str) -> None:
        """Create a schema if it does not exist."""
        # Even with IF NOT EXISTS, MySQL waits for all transactions that use the schema.
        if await self.fetch_all(
            "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (schema,)
        ):
            return
        await self.run(f"CREATE DATABASE IF NOT EXISTS {quote_name(schema)} CHARACTER SET utf8mb4")

    async def create_schema(self, schema: str) -> None:
        """Create an empty schema; drops it first if an earlier attempt left it."""
        await self.drop_schema(schema)
        await self.run(f"CREATE DATABASE {quote_name(schema)} CHARACTER SET utf8mb4")

    async def drop_schema(self, schema: str) -> None:
        """Drop a schema; does nothing if it does not exist."""
        await self.run(f"DROP DATABASE IF EXISTS {quote_name(schema)}")

    async def _send(self, statement: str | bytes) -> None:
        await self._connection.query(statement)


def _excerpt(sql: str) -> str:
    return " ".join(sql.split())[:80]


def _is_lock_wait(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, aiomysql.Error) and cause.args[:1] == (_LOCK_WAIT_TIMEOUT,)


@contextlib.asynccontextmanager
async def open_session(
    settings: DatabaseSettings, *, lock_timeout: float | None = None
) -> AsyncIterator[SchemaSession]:
    """Open a connection for schema changes.

    Args:
        settings: Address and account; ``settings.name`` is the application schema.
        lock_timeout: Seconds to wait for the schema lock; None to work without it.

    Raises:
        SchemaLocked: Another connection holds the schema lock; the detail names it.
        DatabaseUnavailable: The server does not respond.
    """
    connection = await connect(
        settings, init_command=f"lock_wait_timeout = {_LOCK_SECONDS}, sql_notes = 0"
    )
    try:
        session = SchemaSession(connection)
        if lock_timeout is not None:
            name = migration_lock_name(settings.name)
            await schema_lock.acquire(session, name, timeout=lock_timeout)
        yield session
    finally:
        connection.close()
