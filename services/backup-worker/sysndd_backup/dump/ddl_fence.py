"""Blocks schema changes by any connection while a dump runs, where the server can; writes continue.

The lock of ``sysndd_core.db.schema_lock`` keeps our own migrator and restores out. MySQL's backup lock
does so for everyone: an ALTER from anywhere waits, holding nothing, until the dump is done.

MariaDB's ``BACKUP STAGE BLOCK_DDL`` is not used: an ALTER that meets it keeps its exclusive lock on
the table (seen on 10.11, in five of eight tries), so that no one could read that table for the
length of the dump, and the dump itself would wait for ever. There, a dump that an ALTER broke off
(error 1412) is taken again.

Source: MySQL Reference Manual, "LOCK INSTANCE FOR BACKUP".
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiomysql

from sysndd_backup.server.server import Server
from sysndd_core.db.database import connect
from sysndd_core.errors import DumpFailed
from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings

log = get_logger(__name__)

_WAIT_SECONDS = 60
_ACCESS_DENIED = 1227
_LOCK_WAIT_TIMEOUT = 1205
_ANSWER_SECONDS = 10.0


@contextlib.asynccontextmanager
async def ddl_fence(settings: DatabaseSettings, server: Server) -> AsyncIterator[bool]:
    """Hold the fence on a connection of its own; yield whether there is one.

    Args:
        settings: the account needs BACKUP_ADMIN on MySQL.
        server: decides whether there is one.

    Raises:
        DumpFailed: a schema change has been running for a minute and continues.
    """
    if server.vendor != "MySQL":
        yield False
        return
    connection = await connect(
        settings, init_command=f"lock_wait_timeout = {_WAIT_SECONDS}, wait_timeout = 2147483"
    )
    try:
        yield await _set_fence(connection)
    finally:
        # The server lifts it when the connection ends; asking for the end makes that now.
        with contextlib.suppress(aiomysql.Error, OSError, TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                await connection.ensure_closed()
        connection.close()


async def _set_fence(connection: aiomysql.Connection) -> bool:
    try:
        async with connection.cursor() as cursor:
            await cursor.execute("LOCK INSTANCE FOR BACKUP")
    except aiomysql.Error as error:
        number = error.args[0] if error.args else 0
        if number == _ACCESS_DENIED:
            log.warning("ddl_fence_unavailable", reason=str(error))
            return False
        if number == _LOCK_WAIT_TIMEOUT:
            raise DumpFailed(
                f"A schema change has been running for more than {_WAIT_SECONDS} s; take the"
                " backup when it is done."
            ) from error
        raise DumpFailed(f"The server refused to keep schema changes out: {error}") from error
    return True
