"""What repeats with every mail (RFC 5321), over a connection that aiosmtplib has opened.

aiosmtplib connects, protects and signs in, and then hands over: it sends one command at a time. A server
that offers PIPELINING (RFC 2920) gets a mail's envelope and DATA in one packet here, and that packet right
behind the content of the mail before it: one round trip for four; and where one is 20 ms, the round trips
are all of the time.
"""

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

import aiosmtplib

from sysndd_mailer.wire import Message

_LONGEST_REPLY = 16_384
_QUIT_SECONDS = 2.0
_LINE = re.compile(rb"(\d{3})(?:([ -])(.*))?\r?", re.DOTALL)


class Stage(StrEnum):
    """Where a mail was refused."""

    SENDER = "MAIL"
    RECIPIENT = "RCPT"
    DATA = "DATA"
    CONTENT = "CONTENT"


@dataclass(frozen=True)
class Reply:
    """A server's answer to one command."""

    code: int
    text: str


class MailRefused(Exception):
    """The server answered with another code than the one that lets the mail go on."""

    def __init__(self, stage: Stage, reply: Reply) -> None:
        super().__init__(f"{reply.code} {reply.text}")
        self.stage = stage
        self.reply = reply


class ConnectionGone(ConnectionError):
    """The server hung up, or said what is no SMTP."""


@dataclass
class _Expected:
    """Replies that are on their way to one group of commands."""

    wanted: int
    answered: asyncio.Future[None]
    replies: list[Reply] = field(default_factory=list)


_Command = tuple[Stage, bytes, tuple[int, ...]]


def _envelope(message: Message) -> Sequence[_Command]:
    """Return what comes before a content, each with the replies that let the mail go on."""
    return (
        (Stage.SENDER, b"MAIL FROM:<%s>\r\n" % message.sender.encode("ascii"), (250,)),
        (Stage.RECIPIENT, b"RCPT TO:<%s>\r\n" % message.recipient.encode("ascii"), (250, 251)),
        (Stage.DATA, b"DATA\r\n", (354,)),
    )


class Session(asyncio.Protocol):
    """A signed-in connection, one mail at a time.

    Args:
        client: connected, greeted and signed in; not to be used any more.
        timeout: seconds to wait for a reply.
    """

    def __init__(self, client: aiosmtplib.SMTP, *, timeout: float) -> None:
        assert client.transport is not None
        self._client = client  # its end would be the connection's
        self._timeout = timeout
        # Asked for once: each time costs a system call (getpid).
        self._loop = asyncio.get_running_loop()
        self.pipelining = client.supports_extension("pipelining")
        self._buffer = b""
        self._lines: list[bytes] = []
        self._expected: deque[_Expected] = deque()
        self._ahead: _Expected | None = None
        self._gone: Exception | None = None
        self._in_content = False
        self._transport = cast("asyncio.Transport", client.transport)
        self._transport.set_protocol(self)

    @property
    def is_usable(self) -> bool:
        """Whether another mail may follow."""
        return self._gone is None and not self._in_content and not self._transport.is_closing()

    async def begin(self, message: Message) -> None:
        """Name sender and recipient, and announce the content.

        Raises:
            MailRefused: the server does not want it; ``is_usable`` tells whether another may follow.
            ConnectionGone, TimeoutError.
        """
        commands = _envelope(message)
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            self._judge(commands, await self._replies(ahead))
            return
        for group in (commands,) if self.pipelining else ((one,) for one in commands):
            self._judge(group, await self._ask(*(line for _, line, _ in group)))

    def _judge(self, commands: Sequence[_Command], replies: Sequence[Reply]) -> None:
        # Now it waits for a content, also where it has refused the recipient before.
        self._in_content = replies[-1].code == 354
        for (stage, _, wanted), reply in zip(commands, replies, strict=True):
            if reply.code not in wanted:
                raise MailRefused(stage, reply)

    async def content(self, message: Message, following: Message | None = None) -> Reply:
        """Send the content; return the server's acceptance.

        Args:
            message: whose content.
            following: the mail that this connection is certain to take next, or be cut: its envelope
                goes along (RFC 2920, section 3.1, allows it there), and ``begin`` reads the answers.
                Only where the server offers ``pipelining``.

        Raises:
            MailRefused: it was sent and refused.
            ConnectionGone, TimeoutError: it was sent, and nobody knows what became of it.
        """
        lines = [message.content.replace(b"\r\n.", b"\r\n.."), b".\r\n"]
        accepted = self._expect(1)
        if following is not None:
            commands = _envelope(following)
            lines += [line for _, line, _ in commands]
            self._ahead = self._expect(len(commands))
        self._transport.write(b"".join(lines))
        (reply,) = await self._replies(accepted)
        self._in_content = False
        if reply.code != 250:
            raise MailRefused(Stage.CONTENT, reply)
        return reply

    async def reset(self, timeout: float) -> None:
        """Make sure that the server is there and has nothing half done.

        Raises:
            ConnectionGone, TimeoutError.
        """
        async with asyncio.timeout(timeout):
            (reply,) = await self._ask(b"RSET\r\n")
        if reply.code != 250:
            raise ConnectionGone(f"{reply.code} to RSET")

    async def quit(self) -> None:
        """Take leave."""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_QUIT_SECONDS):
                await self._ask(b"QUIT\r\n")
        self._transport.close()

    def cut(self) -> None:
        """Hang up at once: the server drops what it has no end of."""
        self._transport.abort()

    async def _ask(self, *lines: bytes) -> list[Reply]:
        expected = self._expect(len(lines))
        self._transport.write(b"".join(lines))
        return await self._replies(expected)

    def _expect(self, replies: int) -> _Expected:
        if self._gone is not None:
            raise self._gone
        expected = _Expected(replies, self._loop.create_future())
        self._expected.append(expected)
        return expected

    async def _replies(self, expected: _Expected) -> list[Reply]:
        # Those to an envelope that went ahead are there, as a rule.
        if not expected.answered.done():
            # A timer of our own: asyncio.timeout costs as much as the rest of a command.
            timer = self._loop.call_later(self._timeout, _too_late, expected.answered)
            try:
                await expected.answered
            finally:
                timer.cancel()
        expected.answered.result()
        return expected.replies

    def data_received(self, data: bytes) -> None:
        """Take what the server says; a reply that nobody waits for ends the connection."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for text in lines:
            line = _LINE.fullmatch(text)
            if line is None:
                self._lose(ConnectionGone("The answer is not SMTP."))
                return
            self._lines.append(line[3] or b"")
            if line[2] != b"-":
                said = b"\n".join(self._lines).decode("utf-8", "replace")
                self._lines = []
                self._take(Reply(int(line[1]), said))
        if len(self._buffer) + sum(map(len, self._lines)) > _LONGEST_REPLY:
            self._lose(ConnectionGone("The answer is longer than SMTP allows."))

    def _take(self, reply: Reply) -> None:
        if not self._expected or self._expected[0].answered.cancelled():
            self._lose(ConnectionGone(f"{reply.code} without a question: {reply.text}"))
            return
        expected = self._expected[0]
        expected.replies.append(reply)
        if len(expected.replies) == expected.wanted:
            self._expected.popleft()
            if not expected.answered.done():
                expected.answered.set_result(None)

    def eof_received(self) -> None:
        """The server hung up."""
        self._lose(ConnectionGone("The server closed the connection."))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lose(ConnectionGone(str(exc) if exc else "The connection was lost."))

    def _lose(self, error: ConnectionGone) -> None:
        if self._gone is None:
            self._gone = error
        for expected in self._expected:
            if not expected.answered.done():
                expected.answered.set_exception(self._gone)
                expected.answered.exception()  # nobody may come any more for those of an envelope
        self._transport.abort()


def _too_late(answered: asyncio.Future[None]) -> None:
    if not answered.done():
        answered.set_exception(TimeoutError())
