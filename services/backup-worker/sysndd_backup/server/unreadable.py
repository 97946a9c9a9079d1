"""Finds the tables and views of a schema that the server cannot read.

Reading a corrupt page can stop the server. Where something restarts it, such an object counts as
unreadable, like any other.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import pymysql.err

from sysndd_backup.server.server import count_table, take_inventory
from sysndd_backup.server.session import SchemaSession, open_session
from sysndd_core.backups.manifest import UnreadableObject
from sysndd_core.db.database import Database
from sysndd_core.errors import DatabaseBusy, DatabaseUnavailable, SysnddError
from sysndd_core.logging import get_logger
from sysndd_core.sql.identifiers import qualified_name

log = get_logger(__name__)

_RESTART_SECONDS = 120.0
_STOPS_SERVER = "reading it stops the server"


async def find_unreadable(database: Database, schema: str) -> tuple[UnreadableObject, ...]:
    """Return the tables and views that cannot be opened, sorted by kind and name.

    An object that is only locked counts as readable. Damage inside a table is found only when all
    of it is read.

    Args:
        database: The connection pool.
        schema: Name of the schema, not quoted.

    Raises:
        DatabaseUnavailable: The server does not respond.
    """
    names = (await take_inventory(database, schema)).named()
    waiting = deque(sorted(one for one in names if one[0] in ("table", "view")))
    found = []
    while waiting:
        # With its short lock wait timeout, a locked table does not delay a restore.
        async with open_session(database.settings) as session:
            while waiting:
                kind, name = waiting.popleft()
                ask = partial(_open, session, kind, qualified_name(schema, name))
                one = await _attempt(database, kind, name, ask)
                if one is not None:
                    found.append(one)
                    if one.stops_server:
                        break  # and the connection is lost
    return tuple(found)


async def count_readable_rows(
    database: Database, schema: str
) -> tuple[dict[str, int], tuple[UnreadableObject, ...]]:
    """Return the number of rows of each base table that can be read, and what cannot.

    Args:
        database: A connection pool with a long statement timeout.
        schema: Name of the schema, not quoted.
    """
    unreadable = {(one.kind, one.name): one for one in await find_unreadable(database, schema)}
    counts: dict[str, int] = {}
    for table in (await take_inventory(database, schema)).tables:
        if ("table", table) in unreadable:
            continue

        async def count(table: str = table) -> None:
            counts[table] = await count_table(database, schema, table)

        one = await _attempt(database, "table", table, count)
        if one is not None:
            unreadable["table", table] = one
    return counts, tuple(unreadable.values())


async def has_restarted(database: Database, since: float) -> bool:
    """Wait for the server, and return whether it has started after ``since`` (monotonic clock).

    Raises:
        DatabaseUnavailable: It does not respond within two minutes.
    """
    until = time.monotonic() + _RESTART_SECONDS
    while True:
        try:
            rows = await database.fetch_all("SHOW GLOBAL STATUS LIKE 'Uptime'")
            return int(rows[0]["Value"]) <= time.monotonic() - since
        except DatabaseUnavailable:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(1)


async def _open(session: SchemaSession, kind: str, quoted: str) -> None:
    """Ask what the dump client asks first."""
    await session.fetch_all(f"SHOW COLUMNS FROM {quoted}")
    await session.fetch_all(f"SHOW CREATE TABLE {quoted}")
    if kind == "table":
        await session.fetch_all(f"SELECT 1 FROM {quoted} LIMIT 1")


async def _attempt(
    database: Database, kind: str, name: str, read: Callable[[], Awaitable[None]]
) -> UnreadableObject | None:
    """Read an object; return it with the reason if that fails."""
    started = time.monotonic()
    try:
        await read()
    except DatabaseBusy:
        return None
    except DatabaseUnavailable:
        if not await has_restarted(database, started):
            raise
        log.warning("server_stopped_by_read", kind=kind, name=name)
        return UnreadableObject(kind=kind, name=name, reason=_STOPS_SERVER, stops_server=True)
    except (pymysql.err.Error, SysnddError) as error:
        return UnreadableObject(kind=kind, name=name, reason=_server_message(error))
    return None


def _server_message(error: BaseException) -> str:
    """Return the message of the server behind an error, with its number."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, pymysql.err.Error) and len(cause.args) > 1:
            return f"{cause.args[0]}: {cause.args[1]}"
        cause = cause.__cause__
    return str(error)
