"""SIGTERM and SIGINT: end our own statement at the server, then leave with a clean exit code.

Without KILL QUERY a statement that waits for a metadata lock stays queued on MySQL after its
client is gone, and every reader of the table queues up behind it.
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
    """Remembers that we were asked to stop, and stops the statement that is running.

    Args:
        settings: where to send KILL QUERY, on a second connection.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._thread_id: int | None = None
        self._task: asyncio.Task[None] | None = None
        self.requested = False

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Listen for SIGTERM and SIGINT while the block runs. A second one ends the process."""
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
        """While the block runs, a request to stop kills that connection's statement."""
        self._thread_id = thread_id
        try:
            yield
        finally:
            self._thread_id = None

    def request(self) -> None:
        """Ask to stop: after this ``check`` raises, and the running statement is killed."""
        loop = asyncio.get_running_loop()
        self._forget(loop)
        self.requested = True
        log.warning("stop_requested")
        if self._thread_id is not None:
            self._task = loop.create_task(self._kill(self._thread_id))

    def check(self) -> None:
        """Raise once a stop was requested.

        Raises:
            Interrupted: it was.
        """
        if self.requested:
            raise Interrupted("Stopped on request. Run `sysndd-migrator up` again to go on.")

    async def _kill(self, thread_id: int) -> None:
        try:
            connection = await connect(self._settings, timeout=5)
        except SysnddError as error:
            log.error("kill_query_failed", reason=str(error))
            return
        try:
            async with connection.cursor() as cursor:
                if self._thread_id == thread_id:  # it may have ended while we connected
                    await cursor.execute(f"KILL QUERY {thread_id:d}")
        except pymysql.err.Error as error:
            log.error("kill_query_failed", reason=str(error))
        finally:
            connection.close()
