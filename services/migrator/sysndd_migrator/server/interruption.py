"""SIGTERM and SIGINT: stop the running statement at the server, then exit with a defined code.

Without KILL QUERY, a statement that waits for a metadata lock stays queued on MySQL after its
client has exited, and every reader of the table queues behind it.
"""

import asyncio
import contextlib
import signal
from collections.abc import Iterator

import pymysql.err

from sysndd_core.db.database import connect
from sysndd_core.errors import SysnddError
from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings
from sysndd_migrator.errors import Interrupted

log = get_logger(__name__)


class Interruption:
    """Records a request to stop, and stops the running statement.

    Args:
        settings: Server that receives KILL QUERY, on a second connection.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._thread_id: int | None = None
        self._task: asyncio.Task[None] | None = None
        self.requested = False

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT inside the block. A second signal ends the process."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.request)
        try:
            yield
        finally:
            self._forget(loop)

    def _forget(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    @contextlib.contextmanager
    def killing(self, thread_id: int) -> Iterator[None]:
        """Inside the block, a request to stop kills the statement of this connection."""
        self._thread_id = thread_id
        try:
            yield
        finally:
            self._thread_id = None

    def request(self) -> None:
        """Request a stop: from now on ``check`` raises, and the running statement is killed."""
        loop = asyncio.get_running_loop()
        self._forget(loop)
        self.requested = True
        log.warning("stop_requested")
        if self._thread_id is not None:
            self._task = loop.create_task(self._kill(self._thread_id))

    def check(self) -> None:
        """Raise if a stop was requested.

        Raises:
            Interrupted: A stop was requested.
        """
        if self.requested:
            raise Interrupted("Stopped on request. Run `sysndd-migrator up` again to resume.")

    async def _kill(self, thread_id: int) -> None:
        try:
            connection = await connect(self._settings, timeout=5)
        except SysnddError as error:
            log.error("kill_query_failed", reason=str(error))
            return
        try:
            async with connection.cursor() as cursor:
                if self._thread_id == thread_id:  # it may have ended during the connect
                    await cursor.execute(f"KILL QUERY {thread_id:d}")
        except pymysql.err.Error as error:
            log.error("kill_query_failed", reason=str(error))
        finally:
            connection.close()
