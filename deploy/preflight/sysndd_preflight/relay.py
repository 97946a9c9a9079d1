"""An interruptible connection to the database for the API that preflight starts itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sysndd_core.settings.database import DatabaseSettings


class Relay:
    """Forwards connections from a port of its own to the database server.

    Attributes:
        port: the port that it listens on.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._open: set[asyncio.StreamWriter] = set()
        self._cut = False
        self.port = 0

    def cut(self) -> None:
        """Close every connection and refuse new ones."""
        self._cut = True
        for writer in self._open:
            writer.transport.abort()

    def restore(self) -> None:
        """Accept connections again."""
        self._cut = False

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["Relay"]:
        """Listen on a free port of the loopback address."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        settings = self._settings
        try:
            if settings.socket is not None:
                server = await asyncio.open_unix_connection(str(settings.socket))
            else:
                server = await asyncio.open_connection(settings.host, settings.port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, server[1]}
        try:
            await asyncio.gather(_copy(reader, server[1]), _copy(server[0], writer))
        finally:
            self._open -= {writer, server[1]}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
