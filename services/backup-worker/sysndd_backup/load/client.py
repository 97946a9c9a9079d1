"""Feeds SQL to the vendor's own command-line client."""

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import IO

from sysndd_backup.load.definers import DefinerStripper
from sysndd_backup.progress import run_in_thread
from sysndd_backup.server.clients import ClientRun, Clients, Process
from sysndd_core.errors import RestoreFailed
from sysndd_core.settings.database import DatabaseSettings

Source = Callable[[], AbstractContextManager[IO[bytes]]]
"""Opens the decompressed dump."""

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


class ClientLoad:
    """One load of one stream of SQL into one schema.

    Args:
        settings: the account that loads.
        clients: the server's own client programs.
        schema: where unqualified names go; plain name.
        rewrite: strips DEFINER clauses, for an account that may not define objects for others.

    Attributes:
        bytes_sent: so far.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        clients: Clients,
        schema: str,
        *,
        rewrite: DefinerStripper | None = None,
    ) -> None:
        self.bytes_sent = 0
        self._rewrite = rewrite
        self._client = ClientRun(settings, clients.load, [*_OPTIONS, schema], stdin=subprocess.PIPE)

    async def run(self, source: Source) -> None:
        """Load everything that ``source`` opens; the client is killed with the task.

        Raises:
            RestoreFailed: the client stopped at an error; the detail is its message.
        """
        _, ended = await run_in_thread(
            lambda: self._client.run(lambda process: self._pump(process, source)),
            self._client.stop,
        )
        if ended.exit_code != 0:
            raise RestoreFailed(
                f"The database client ended with {ended.exit_code}: {ended.complaint}"
            )

    def _pump(self, process: Process, source: Source) -> None:
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
