"""The one connection that changes schemas in a restore, and holds the schema lock while it does.

The lock lives on the connection that runs the DDL: a worker that is killed leaves its last
statement running at the server, and the lock is not released before that statement has ended. So
the next holder of the lock sees a schema in which nothing is still changing.
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
from sysndd_core.errors import DatabaseBusy, RestoreFailed, SchemaChanging
from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import quote_name

log = get_logger(__name__)

_LOCK_SECONDS = 2
_LOCK_TRIES = 15
_LOCK_WAIT_TIMEOUT = 1205


class SchemaSession:
    """A connection with a short lock wait; made by ``open_session``."""

    def __init__(self, connection: aiomysql.Connection) -> None:
        self._connection = connection

    async def fetch_all(self, sql: str, arguments: Any = None) -> list[Row]:
        """Run one query; return every row.

        Raises:
            DatabaseUnavailable, DatabaseBusy: as ``errors_mapped``.
        """
        with errors_mapped():
            async with self._connection.cursor(aiomysql.DictCursor) as cursor:
                await cursor.execute(sql, arguments)
                return list(await cursor.fetchall())

    async def use(self, schema: str) -> None:
        """Make a schema the one that unqualified names mean."""
        with errors_mapped():
            await self._connection.select_db(schema)

    async def run(self, statement: str | bytes) -> None:
        """Run a statement that needs exclusive access to tables for a moment.

        A short lock wait, many times: one long wait would queue every later reader behind us.

        Raises:
            RestoreFailed: the server refused; names who held the lock, when that was the reason.
            DatabaseUnavailable: the server is gone.
        """
        text = statement.decode(errors="replace") if isinstance(statement, bytes) else statement
        shown = " ".join(text.split())[:80]
        for attempt in range(1, _LOCK_TRIES + 1):
            try:
                with errors_mapped():
                    await self._send(statement)
                return
            except aiomysql.Error as error:
                raise RestoreFailed(f"The server refused {shown}: {error}") from error
            except SchemaChanging as error:
                raise RestoreFailed(f"The server refused {shown}: {error.__cause__}") from error
            except DatabaseBusy as error:
                if not _is_lock_wait(error):
                    raise
                blocker = await find_blocker(self)
                held_by = str(blocker or "no visible connection")
                log.warning("table_lock_awaited", statement=shown, held_by=held_by)
                if attempt == _LOCK_TRIES:
                    raise RestoreFailed(
                        f"The tables were not free within {_LOCK_SECONDS * _LOCK_TRIES} s."
                        f" Blocked by: {held_by}."
                    ) from error
            await asyncio.sleep(0.3)

    async def has_table(self, schema: str, table: str) -> bool:
        """Tell whether a table is there."""
        found = await self.fetch_all(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
            (schema, table),
        )
        return bool(found)

    async def create_schema(self, schema: str) -> None:
        """Make an empty schema, dropping what an earlier attempt left."""
        await self.drop_schema(schema)
        await self.run(f"CREATE DATABASE {quote_name(schema)} CHARACTER SET utf8mb4")

    async def drop_schema(self, schema: str) -> None:
        """Drop a schema that only a restore uses; harmless when it is gone."""
        await self.run(f"DROP DATABASE IF EXISTS {quote_name(schema)}")

    async def _send(self, statement: str | bytes) -> None:
        await self._connection.query(statement)


def _is_lock_wait(error: BaseException) -> bool:
    cause = error.__cause__
    return isinstance(cause, aiomysql.Error) and cause.args[:1] == (_LOCK_WAIT_TIMEOUT,)


@contextlib.asynccontextmanager
async def open_session(
    settings: DatabaseSettings, *, lock_timeout: float | None = None
) -> AsyncIterator[SchemaSession]:
    """Open a connection for schema changes.

    Args:
        settings: where the server is; ``settings.name`` is the live schema.
        lock_timeout: seconds to wait for the schema lock; None to work without it.

    Raises:
        SchemaLocked: another connection holds it; the detail names it.
        DatabaseUnavailable: no connection.
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
