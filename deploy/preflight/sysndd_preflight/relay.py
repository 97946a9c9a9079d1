"""A way to the database that can be cut: an API of our own goes through it, the deployment does not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sysndd_core.settings.database import DatabaseSettings


class Relay:
    """Passes bytes between a port of our own and the database server.

    Attributes:
        port: where it listens.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._open: set[asyncio.StreamWriter] = set()
        self._cut = False
        self.port = 0

    def cut(self) -> None:
        """End every connection and let no other through."""
        self._cut = True
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
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
                theirs = await asyncio.open_unix_connection(str(settings.socket))
            else:
                theirs = await asyncio.open_connection(settings.host, settings.port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, theirs[1]}
        try:
            await asyncio.gather(_pump(reader, theirs[1]), _pump(theirs[0], writer))
        finally:
            self._open -= {writer, theirs[1]}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
