"""A mail server on a real socket with configurable faults: it rejects, stalls or disconnects.

The mail catcher accepts every email, so tests of faults need this server.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

DROP = "<drop>"
STALL = "<stall>"

DEFAULTS = {
    "BANNER": "220 faulty.example ESMTP",
    "EHLO": "250-faulty.example\r\n250-SIZE 1000000\r\n250 AUTH PLAIN LOGIN",
    "STARTTLS": "220 go ahead",
    "AUTH": "235 welcome",
    "MAIL": "250 ok",
    "RCPT": "250 ok",
    "DATA": "354 go ahead",
    "CONTENT": "250 queued",
    "RSET": "250 ok",
    "NOOP": "250 ok",
    "QUIT": "221 bye",
}


@dataclass
class FaultySmtp:
    """The replies of the server, and what it received.

    Attributes:
        port: TCP port.
        answers: Reply by command; may change at any time. ``DROP`` closes the connection, ``STALL``
            never replies.
        once: Replies by command that are used before ``answers``, in order.
        accepted: Messages whose content was received completely and not rejected; also when the
            connection was closed instead of a reply.
        commands: Each command line, including credentials.
        connections: Number of opened connections.
        tls: TLS context for STARTTLS.
        before: Called once before the reply to a command; ``SENT`` is after the reply to a content.
            A coroutine function is awaited: what waits for a lock that a transaction of the mailer
            may hold must not block the event loop.
        unanswered: Message-IDs whose content was received and got no reply.
    """

    port: int = 0
    answers: dict[str, str] = field(default_factory=lambda: dict(DEFAULTS))
    once: dict[str, list[str]] = field(default_factory=dict)
    accepted: list[EmailMessage] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    tls: ssl.SSLContext | None = None
    before: dict[str, Callable[[], Awaitable[None] | None]] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)

    async def answer(self, command: str) -> str:
        """Return the reply to a command."""
        await self.reached(command)
        replies = self.once.get(command)
        if replies:
            return replies.pop(0)
        return self.answers.get(command, "502 what?")

    async def reached(self, step: str) -> None:
        """Call the function that is registered for a step."""
        if step in self.before:
            waiting = self.before.pop(step)()
            if waiting is not None:
                await waiting


class _Ended(Exception):
    pass


@contextlib.asynccontextmanager
async def faulty_smtp(
    answers: dict[str, str] | None = None,
    *,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
) -> AsyncIterator[FaultySmtp]:
    """Run the server while the block runs.

    Args:
        answers: Replies that replace the defaults, by command in capitals.
        tls: TLS context for STARTTLS, or for each connection with ``implicit``.
        implicit: Whether a connection starts with TLS.

    Yields:
        The server.
    """
    faulty = FaultySmtp(tls=tls)
    faulty.answers.update(answers or {})
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        faulty.connections += 1
        try:
            await _converse(faulty, reader, writer)
        except (_Ended, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls if implicit else None)
    faulty.port = server.sockets[0].getsockname()[1]
    try:
        yield faulty
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _converse(
    faulty: FaultySmtp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await _reply(faulty, writer, "BANNER")
    while True:
        line = (await reader.readuntil(b"\n")).decode().rstrip("\r\n")
        faulty.commands.append(line)
        command = line.split(" ")[0].upper()
        reply = await _reply(faulty, writer, command)
        if command == "STARTTLS" and reply.startswith("220"):
            assert faulty.tls is not None
            await writer.start_tls(faulty.tls)
        elif command == "AUTH" and reply.startswith("334"):
            faulty.commands.append((await reader.readuntil(b"\n")).decode().rstrip("\r\n"))
            await _reply(faulty, writer, "AUTH")
        elif command == "DATA" and reply.startswith("354"):
            content = await reader.readuntil(b"\r\n.\r\n")
            message = message_from_bytes(content[:-5], policy=policy.default)
            assert isinstance(message, EmailMessage)
            faulty.accepted.append(message)
            faulty.unanswered.add(message["Message-ID"])
            if not (await _reply(faulty, writer, "CONTENT")).startswith("2"):
                faulty.accepted.remove(message)
            faulty.unanswered.discard(message["Message-ID"])
            await faulty.reached("SENT")
        elif command == "QUIT":
            raise _Ended


async def _reply(faulty: FaultySmtp, writer: asyncio.StreamWriter, command: str) -> str:
    text = await faulty.answer(command)
    if text == DROP:
        raise _Ended
    if text == STALL:
        await asyncio.sleep(3600)
    writer.write(text.encode() + b"\r\n")
    await writer.drain()
    return text
