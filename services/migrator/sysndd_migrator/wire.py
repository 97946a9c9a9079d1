"""Several statements sent without waiting in between, and their answers read in order.

The server takes the next statement from its socket once it has answered the one before, so nothing
but the waiting is saved; but on a quick server the waiting is most of the time, and one read of the
socket brings several answers where the driver reads it twice for each packet. A statement that must
not run when the one before it failed is never sent along with it.

Source: MariaDB Knowledge Base, "Protocol: commands and responses" (text protocol, classic EOF).
"""

import asyncio
import contextlib
import itertools
import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiomysql
import pymysql.err

_QUERY = b"\x03"
_LONGEST = 0xFFFFFF
_CHUNK = 1 << 16
_OK, _LOCAL_FILE, _EOF, _ERROR = 0x00, 0xFB, 0xFE, 0xFF
_MORE_RESULTS = 0x0008
_SERVER_LOST = 2013
_QUICK_MS = 5
_LOOP_EVERY = 0.02  # seconds

Row = tuple[str | None, ...]


@dataclass(slots=True)
class Reply:
    """The answer to one statement.

    Attributes:
        affected: rows it changed; 0 when it answered rows.
        warnings: the server's count.
        rows: what it answered, as text; empty unless they were asked for.
        error: the server's refusal; the rest is empty then.
    """

    affected: int = 0
    warnings: int = 0
    rows: Sequence[Row] = ()
    error: pymysql.err.Error | None = None


class Wire:
    """The text protocol on a connection that the driver opened.

    Args:
        connection: in command phase; may be used through the driver in between.
    """

    def __init__(self, connection: aiomysql.Connection) -> None:
        self._connection = connection
        self._buffer = b""
        self._at = 0
        self._sequence = 1  # of the next packet
        self._descriptor = _descriptor(connection)
        self._readable = select.poll()
        if self._descriptor is not None:
            self._readable.register(self._descriptor, select.POLLIN)
        self._loop_ran = time.monotonic()
        self._meanwhile: list[Callable[[], None]] = []

    def meanwhile(self, work: Callable[[], None]) -> None:
        """Do something while the server is busy with what is sent next.

        Args:
            work: what needs no answer, such as to tell somebody; done at the latest by
                ``catch_up``. That nobody listens must not end a migration, so OSError is dropped.
        """
        self._meanwhile.append(work)

    def catch_up(self) -> None:
        """Do now what is left for ``meanwhile``."""
        waiting, self._meanwhile = self._meanwhile, []
        for work in waiting:
            with contextlib.suppress(OSError):
                work()

    async def exchange(self, texts: Sequence[str], *, keep_from: int = 0) -> list[Reply]:
        """Send statements and read the answer to each of them.

        Args:
            texts: the statements.
            keep_from: rows of the statements before this one are read past and dropped.

        Returns:
            As many replies; refusals are among them, not raised.

        Raises:
            pymysql.err.OperationalError: 2013, the connection is gone.
            pymysql.err.InterfaceError: it had been closed before.
        """
        connection = self._connection
        connection._ensure_alive()
        connection._result = None  # the driver's, from whatever it was asked last
        encoding = connection.encoding
        commands = [_packets(_QUERY + text.encode(encoding, "surrogateescape")) for text in texts]
        await self._let_loop_run()
        try:
            connection._writer.write(b"".join(itertools.chain.from_iterable(commands)))
            self.catch_up()
            return [
                await self._reply(len(command), keep=at >= keep_from)
                for at, command in enumerate(commands)
            ]
        except asyncio.CancelledError:
            connection.close()  # answers are on their way that nobody will read
            raise

    async def _reply(self, sent: int, *, keep: bool) -> Reply:
        """Read all that is answered to a command of so many packets."""
        self._sequence = sent % 256
        reply: Reply | None = None
        while True:
            found, status = await self._result(keep=keep)
            if reply is None or found.error is not None:
                reply = found
            reply.warnings = found.warnings
            # CALL answers several results, and the error may be in the last.
            if not status & _MORE_RESULTS:
                return reply

    async def _result(self, *, keep: bool) -> tuple[Reply, int]:
        packet = self._packet_here() or await self._packet()
        kind = packet[0]
        if kind == _OK:
            affected, at = _number(packet, 1)
            _, at = _number(packet, at)
            status = int.from_bytes(packet[at : at + 2], "little")
            self._connection.server_status = status
            return Reply(affected, int.from_bytes(packet[at + 2 : at + 4], "little")), status
        if kind == _ERROR:
            return Reply(error=_error(packet)), 0
        if kind == _LOCAL_FILE:
            self._connection.close()
            raise pymysql.err.OperationalError(_SERVER_LOST, "The server asked for a local file.")
        columns, _ = _number(packet, 0)
        for _ in range(columns + 1):  # the definitions and an EOF
            if self._packet_here() is None:
                await self._packet()
        rows: list[Row] = []
        while True:
            packet = self._packet_here() or await self._packet()
            if packet[0] == _EOF and len(packet) < 9:
                status = int.from_bytes(packet[3:5], "little")
                self._connection.server_status = status
                return Reply(0, int.from_bytes(packet[1:3], "little"), rows), status
            if packet[0] == _ERROR:
                return Reply(error=_error(packet)), 0
            if keep:
                rows.append(_row(packet, columns))

    def _packet_here(self) -> bytes | None:
        """Return the next packet when all of it has been read from the socket already."""
        buffer, at = self._buffer, self._at
        if len(buffer) < at + 4:
            return None
        size = buffer[at] | buffer[at + 1] << 8 | buffer[at + 2] << 16
        end = at + 4 + size
        if len(buffer) < end or size == _LONGEST or buffer[at + 3] != self._sequence:
            return None
        self._sequence = (self._sequence + 1) & 0xFF
        self._at = end
        return buffer[at + 4 : end]

    async def _packet(self) -> bytes:
        whole = b""
        while True:
            header = await self._take(4)
            size = int.from_bytes(header[:3], "little")
            payload = await self._take(size)
            if header[3] != self._sequence:
                # Nothing that was asked for: a server that ends says so to whoever is there.
                self._connection.close()
                raise _lost()
            self._sequence = (self._sequence + 1) % 256
            whole = whole + payload if whole else payload
            if size < _LONGEST:
                return whole

    async def _take(self, size: int) -> bytes:
        end = self._at + size
        if len(self._buffer) < end:
            await self._fill(size)
            end = size
        taken = self._buffer[self._at : end]
        self._at = end
        return taken

    async def _fill(self, size: int) -> None:
        parts = [self._buffer[self._at :]]
        missing = size - len(parts[0])
        while missing > 0:
            try:
                chunk = self._quick_answer() or await self._awaited_answer()
            except OSError as error:
                self._connection.close()
                raise _lost() from error
            if not chunk:
                self._connection.close()
                raise _lost()
            parts.append(chunk)
            missing -= len(chunk)
        self._buffer, self._at = b"".join(parts), 0

    def _quick_answer(self) -> bytes:
        """Read from the socket itself what comes within milliseconds; empty when nothing does.

        A turn of the event loop costs more than most statements take. What the loop has read
        already comes first; the end of the connection is left to it.
        """
        if self._descriptor is None or self._connection._reader._buffer:
            return b""
        if not self._readable.poll(_QUICK_MS):
            return b""
        try:
            return os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return b""

    async def _awaited_answer(self) -> bytes:
        answer: bytes = await self._connection._reader.read(_CHUNK)
        self._loop_ran = time.monotonic()
        return answer

    async def _let_loop_run(self) -> None:
        """Give signals and timers their turn, however quick the answers are."""
        if time.monotonic() - self._loop_ran > _LOOP_EVERY:
            await asyncio.sleep(0)
            self._loop_ran = time.monotonic()


def _descriptor(connection: aiomysql.Connection) -> int | None:
    """Return the socket to read from; None where what it carries is encrypted."""
    transport = connection._writer.transport
    if transport.get_extra_info("ssl_object") is not None:
        return None
    descriptor: int = transport.get_extra_info("socket").fileno()
    return descriptor


def _packets(payload: bytes) -> list[bytes]:
    parts = [payload[at : at + _LONGEST] for at in range(0, len(payload) + 1, _LONGEST)]
    return [
        len(part).to_bytes(3, "little") + bytes([number % 256]) + part
        for number, part in enumerate(parts)
    ]


def _number(packet: bytes, at: int) -> tuple[int, int]:
    """Read a length-encoded integer; return it and where the next field begins."""
    first = packet[at]
    if first < _LOCAL_FILE:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(packet[at + 1 : at + 1 + size], "little"), at + 1 + size


def _row(packet: bytes, columns: int) -> Row:
    at = 0
    values: list[str | None] = []
    for _ in range(columns):
        if packet[at] == _LOCAL_FILE:  # here it means NULL
            values.append(None)
            at += 1
            continue
        size, at = _number(packet, at)
        values.append(packet[at : at + size].decode("utf-8", "surrogateescape"))
        at += size
    return tuple(values)


def _error(packet: bytes) -> pymysql.err.Error:
    try:
        pymysql.err.raise_mysql_exception(packet)
    except pymysql.err.Error as error:
        return error
    raise AssertionError(packet)


def _lost() -> pymysql.err.OperationalError:
    return pymysql.err.OperationalError(
        _SERVER_LOST, "Lost connection to MySQL server during query"
    )
