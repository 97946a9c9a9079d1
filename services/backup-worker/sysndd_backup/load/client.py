"""Feeds SQL to the vendor's own command-line client."""

import asyncio
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import IO

from sysndd_backup.load.confined_account import WithoutDefiners
from sysndd_backup.server.clients import ClientRun, Clients, Ended, Process
from sysndd_core.errors import RestoreFailed
from sysndd_core.settings.database import DatabaseSettings

_CHUNK = 1 << 20

_OPTIONS = [
    "--default-character-set=utf8mb4",
    # In this mode the client takes no command but DELIMITER from its input, so that a line such
    # as `\! rm` in a backup is a syntax error and not a shell command.
    "--binary-mode",
    # Without it MariaDB's client cuts the comments out of the triggers and routines it loads.
    "--comments",
    # LOAD DATA LOCAL in a backup would read files of the worker's machine.
    "--loose-local-infile=0",
]


class Load:
    """One load of one stream of SQL into one schema.

    Args:
        settings: the account that loads.
        clients: the server's own client programs.
        schema: where unqualified names go; plain name.
        rewrite: takes DEFINER clauses out, for an account that may not speak for others.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        clients: Clients,
        schema: str,
        *,
        rewrite: WithoutDefiners | None = None,
    ) -> None:
        self.bytes_sent = 0
        self._rewrite = rewrite
        self._client = ClientRun(settings, clients.load, [*_OPTIONS, schema], stdin=subprocess.PIPE)

    async def run(self, source: Callable[[], AbstractContextManager[IO[bytes]]]) -> None:
        """Load everything that ``source`` opens; killed with the task.

        Raises:
            RestoreFailed: the client stopped at an error; the detail is its message.
        """
        work = asyncio.create_task(asyncio.to_thread(self._run, source))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._client.stop()
            await asyncio.gather(work, return_exceptions=True)
            raise

    def _run(self, source: Callable[[], AbstractContextManager[IO[bytes]]]) -> None:
        ended: Ended
        _, ended = self._client.run(lambda process: self._pump(process, source))
        if ended.exit_code != 0:
            raise RestoreFailed(
                f"The database client ended with {ended.exit_code}: {ended.complaint}"
            )

    def _pump(
        self, process: Process, source: Callable[[], AbstractContextManager[IO[bytes]]]
    ) -> None:
        assert process.stdin is not None
        try:
            with source() as reader:
                while chunk := reader.read(_CHUNK):
                    process.stdin.write(self._rewrite.feed(chunk) if self._rewrite else chunk)
                    self.bytes_sent += len(chunk)
            if self._rewrite:
                process.stdin.write(self._rewrite.finish())
            process.stdin.close()
        except BrokenPipeError:
            # The client ended first; its exit code and message tell why.
            return
