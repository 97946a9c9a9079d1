"""Sends messages over a few kept connections, and says in one place what a failure means.

The TLS mode is always explicit: aiosmtplib's default takes STARTTLS when it is offered, and an
offer can be stripped on the way.
"""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import aiosmtplib

from sysndd_core.settings import SmtpSecurity, SmtpSettings
from sysndd_core.smtp_probe import ehlo_name, tls_context
from sysndd_mailer.wire import Message

MAILS_PER_CONNECTION = 100
"""Servers count the mails of a connection and hang up; we are the first to."""

_IDLE_SECONDS = 20.0
_FRESH_SECONDS = 1.0
"""A connection that accepted a mail so short a time ago is used again without asking it first."""
_ENHANCED = re.compile(r"\s*5\.1\.(\d+)\b")


class Fate(StrEnum):
    """What becomes of a mail after one attempt."""

    SENT = "sent"
    RETRY = "retry"
    DEAD = "dead"
    NO_SUCH_RECIPIENT = "no_such_recipient"
    TRANSPORT = "transport"
    """Not the mail's fault: credentials, TLS or sender are refused, and every mail's would be."""
    DOUBT = "doubt"
    """The content was sent and no answer came: it may have arrived."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        code: SMTP reply code, or None when there was no answer.
        reply: the server's words or the kind of failure, shortened; never a credential.
    """

    fate: Fate
    code: int | None
    reply: str


@dataclass
class _Connection:
    client: aiosmtplib.SMTP
    mails: int = 0
    used_at: float = 0.0
    clean: bool = True
    """Whether its last transaction ended by itself; after a refused one RSET comes first."""


class Connections:
    """Connections to the mail server that are used again; never more than ``SMTP_CONNECTIONS``.

    Args:
        settings: transport.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._idle: list[_Connection] = []
        self._gate = asyncio.Semaphore(settings.connections)
        self._tls: ssl.SSLContext | None = None

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until one of the connections may be used."""
        async with self._gate:
            yield

    async def send(
        self, message: Message, before_content: Callable[[], Awaitable[None]]
    ) -> Outcome:
        """Deliver one message to its one recipient; the caller has its ``turn``.

        Args:
            message: what to send.
            before_content: awaited when the recipient was accepted and before DATA; what it raises
                goes to the caller and nothing is sent.
        """
        while True:
            try:
                connection = await self._take()
            except (aiosmtplib.SMTPException, OSError) as error:
                return _not_connected(error)
            used = connection.mails > 0
            outcome = await self._send_over(connection, message, before_content)
            if used and outcome.fate is Fate.RETRY and outcome.code is None:
                # The server had hung up on a kept connection before any content: no fault of the
                # mail's, and no reason to wait.
                continue
            return outcome

    async def _send_over(
        self,
        connection: _Connection,
        message: Message,
        before_content: Callable[[], Awaitable[None]],
    ) -> Outcome:
        kept = False
        try:
            outcome = await _deliver(connection.client, message, before_content)
            connection.mails += 1
            connection.clean = outcome.fate is Fate.SENT
            kept = outcome.fate in (Fate.SENT, Fate.DEAD, Fate.NO_SUCH_RECIPIENT)
            return outcome
        finally:
            if kept and connection.mails < MAILS_PER_CONNECTION:
                connection.used_at = time.monotonic()
                self._idle.append(connection)
            elif kept:
                await _quit(connection.client)
            else:
                connection.client.close()

    async def close(self) -> None:
        """Take leave of the server."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_quit(connection.client) for connection in idle))

    async def _take(self) -> _Connection:
        """Return a kept connection that has answered just now, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            idle = time.monotonic() - connection.used_at
            if idle > _IDLE_SECONDS:
                await _quit(connection.client)
                continue
            if connection.clean and idle < _FRESH_SECONDS:
                return connection
            try:
                await connection.client.rset(timeout=min(5.0, self._settings.timeout))
            except (aiosmtplib.SMTPException, OSError):
                connection.client.close()
                continue
            return connection
        return _Connection(await self._connect())

    async def _connect(self) -> aiosmtplib.SMTP:
        settings = self._settings
        if self._tls is None and settings.security is not SmtpSecurity.NONE:
            # Reads every authority of the system: 20 ms in which nothing else would be sent.
            self._tls = await asyncio.to_thread(tls_context, settings)
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            timeout=settings.timeout,
            local_hostname=ehlo_name(),
            use_tls=settings.security is SmtpSecurity.TLS,
            start_tls=settings.security is SmtpSecurity.STARTTLS,
            tls_context=self._tls,
        )
        try:
            await client.connect()
            if settings.user and settings.password is not None:
                await client.login(settings.user, settings.password.get_secret_value())
        except BaseException:
            client.close()
            raise
        return client


async def _deliver(
    client: aiosmtplib.SMTP, message: Message, before_content: Callable[[], Awaitable[None]]
) -> Outcome:
    under_way = False
    try:
        await _envelope(client, message)
        await before_content()
        under_way = True
        response = await client.data(message.content)
    except aiosmtplib.SMTPResponseException as error:
        return _refused(error)
    except (aiosmtplib.SMTPException, OSError) as error:
        return Outcome(Fate.DOUBT if under_way else Fate.RETRY, None, _kind(error))
    return Outcome(Fate.SENT, response.code, _short(response.message))


async def _envelope(client: aiosmtplib.SMTP, message: Message) -> None:
    """Name sender and recipient, as aiosmtplib's ``mail`` and ``rcpt`` do.

    Those parse each address once more, which costs as much as the rest of a delivery; a ``Message``
    has addresses that were checked already. They greet first, so they are taken while that is due.
    """
    if client.is_ehlo_or_helo_needed:
        await client.mail(message.sender)
    else:
        said = await client.execute_command(b"MAIL", b"FROM:<%s>" % message.sender.encode("ascii"))
        if said.code != aiosmtplib.SMTPStatus.completed:
            raise aiosmtplib.SMTPSenderRefused(said.code, said.message, message.sender)
    said = await client.execute_command(b"RCPT", b"TO:<%s>" % message.recipient.encode("ascii"))
    if said.code not in (aiosmtplib.SMTPStatus.completed, aiosmtplib.SMTPStatus.will_forward):
        raise aiosmtplib.SMTPRecipientRefused(said.code, said.message, message.recipient)


async def _quit(client: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=2)
    client.close()


def _not_connected(error: Exception) -> Outcome:
    """Decide about a connection that did not come about.

    Refused credentials and broken TLS are the transport's fault, not the mail's: an operator can
    mend them and the mail must not be lost. A server that can't be reached comes back by itself.
    """
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        fate = Fate.RETRY if error.code < 500 else Fate.TRANSPORT
        return Outcome(fate, error.code, "The mail server refused our credentials.")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        fate = Fate.RETRY if error.code < 500 else Fate.TRANSPORT
        return Outcome(fate, error.code, _short(error.message))
    tls = next((one for one in (error, error.__cause__) if isinstance(one, ssl.SSLError)), None)
    if tls is not None:
        return Outcome(Fate.TRANSPORT, None, f"TLS: {_short(tls.reason or str(tls))}")
    lost = isinstance(error, OSError)  # all that concerns the network, in aiosmtplib too
    return Outcome(Fate.RETRY if lost else Fate.TRANSPORT, None, _kind(error))


def _refused(error: aiosmtplib.SMTPResponseException) -> Outcome:
    """Decide from the server's reply: 4xx passes, 5xx does not (RFC 5321, section 4.2.1)."""
    code, reply = error.code, _short(error.message)
    sender_refused = isinstance(error, aiosmtplib.SMTPSenderRefused) and code != 552
    if code < 500:
        fate = Fate.RETRY
    elif code in (530, 535) or sender_refused:
        fate = Fate.TRANSPORT
    elif _no_such_recipient(error):
        fate = Fate.NO_SUCH_RECIPIENT
    else:
        fate = Fate.DEAD
    return Outcome(fate, code, reply)


def _no_such_recipient(error: aiosmtplib.SMTPResponseException) -> bool:
    """Whether it is the address that is wrong: 5.1.x (RFC 3463), or a bare 550, 551, 553."""
    enhanced = _ENHANCED.match(error.message)
    if enhanced is not None:
        return enhanced[1] not in ("7", "8")  # these two are about the sender
    bare = re.match(r"\s*\d\.\d", error.message) is None
    at_recipient = isinstance(error, aiosmtplib.SMTPRecipientRefused)
    return at_recipient and bare and error.code in (550, 551, 553)


def _kind(error: Exception) -> str:
    return f"{type(error).__name__}: {_short(str(error))}"


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
