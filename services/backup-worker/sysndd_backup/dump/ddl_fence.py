"""The DDL fence: on MySQL, blocks schema changes by any connection during a dump.

The schema lock stops only our own migrator and restores. MySQL's backup lock stops every
connection: an ALTER TABLE waits without locks until the dump ends. Writes continue.

MariaDB's ``BACKUP STAGE BLOCK_DDL`` is not used. An ALTER TABLE that waits for it can hold its
exclusive lock on the table (observed on 10.11 in five of eight attempts), which blocks readers and
the dump itself. On MariaDB, a dump that an ALTER TABLE interrupts (error 1412) is retried instead.

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
_CLOSE_SECONDS = 10.0


@contextlib.asynccontextmanager
async def ddl_fence(settings: DatabaseSettings, server: Server) -> AsyncIterator[bool]:
    """Hold the fence on a separate connection; yield whether the server provides one.

    Args:
        settings: An account, which needs the privilege BACKUP_ADMIN on MySQL.
        server: Vendor and version of the server.

    Raises:
        DumpFailed: A schema change has been running for more than a minute.
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
        # The server releases the fence when the connection ends; COM_QUIT ends it immediately.
        with contextlib.suppress(aiomysql.Error, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
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
                f"The dump could not start, because a schema change has been running for more than"
                f" {_WAIT_SECONDS} s. Create the backup again when it has ended."
            ) from error
        raise DumpFailed(
            f"The dump could not start, because the server rejected LOCK INSTANCE FOR BACKUP:"
            f" {error}"
        ) from error
    return True
