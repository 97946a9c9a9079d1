"""Loads SQL with the command-line client of the database vendor."""

import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import IO

from sysndd_backup.load.definers import DefinerStripper
from sysndd_backup.progress import run_in_thread
from sysndd_backup.server.clients import ClientRun, Clients, Process
from sysndd_core.db.database import is_mariadb
from sysndd_core.errors import RestoreFailed
from sysndd_core.settings.database import DatabaseSettings

Source = Callable[[], AbstractContextManager[IO[bytes]]]
"""Opens the decompressed dump as a stream."""

_CHUNK = 1 << 20

_OPTIONS = [
    "--default-character-set=utf8mb4",
    # The maximum of the protocol; the server's own limit still applies.
    "--max-allowed-packet=1073741824",
    # The client then accepts only the command DELIMITER, so a line such as `\! rm` in a backup is
    # a syntax error and not a shell command.
    "--binary-mode",
    # Without this option, MariaDB's client removes comments from triggers and routines.
    "--comments",
    # LOAD DATA LOCAL in a backup could read files of the worker.
    "--loose-local-infile=0",
]
_MARIADB_OPTIONS = ["--init-command=SET check_constraint_checks = 0"]
"""Rows may violate a CHECK that was added without checking them. MySQL always checks."""


class ClientLoad:
    """One load of a stream of SQL into a schema.

    Args:
        settings: Account that loads.
        clients: Client programs of the server's vendor.
        schema: Name of the default schema, not quoted.
        rewrite: Strips DEFINER clauses, for an account that cannot set another definer; None to
            load the dump unchanged.

    Attributes:
        bytes_sent: Number of bytes sent to the client so far.
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
        options = [*_OPTIONS, *(_MARIADB_OPTIONS if is_mariadb(clients.version) else [])]
        self._client = ClientRun(settings, clients.load, [*options, schema], stdin=subprocess.PIPE)

    async def run(self, source: Source) -> None:
        """Load the dump; cancelling the task kills the client.

        Raises:
            RestoreFailed: The client stopped at an error; the detail contains its message.
        """
        _, ended = await run_in_thread(
            lambda: self._client.run(lambda process: self._pump(process, source)),
            self._client.stop,
        )
        if ended.code != 0:
            raise RestoreFailed(
                f"The database client failed with exit code {ended.code}: {ended.stderr}."
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
            # The client ended early; its exit code and message contain the reason.
            return
