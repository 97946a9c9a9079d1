"""Sends messages over a few pooled connections, and says in one place what a failure means."""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import aiosmtplib

from sysndd_core.mail.smtp_session import SmtpSession, tls_context
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from sysndd_mailer.compose import Message

MAILS_PER_CONNECTION = 100
"""Servers count the mails of a connection and hang up; we are the first to."""

_IDLE_SECONDS = 20.0
_FRESH_SECONDS = 1.0
"""A connection that accepted a mail so short a time ago is reused without asking it first."""
_RESET_SECONDS = 5.0
_QUIT_SECONDS = 2.0
_ENHANCED = re.compile(r"\s*5\.1\.(\d+)\b")


class DeliveryStatus(StrEnum):
    """What becomes of a mail after one attempt."""

    SENT = "sent"
    RETRY = "retry"
    FAILED = "failed"
    NO_SUCH_RECIPIENT = "no_such_recipient"
    TRANSPORT_BROKEN = "transport_broken"
    """Not the mail's fault: credentials, TLS or sender are refused, and every mail's would be."""
    DELIVERY_UNKNOWN = "delivery_unknown"
    """The content may have been sent and no answer came: the mail may have arrived."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        code: SMTP reply code, or None when there was no answer.
        reply: the server's words or the kind of failure, shortened; never a credential.
    """

    status: DeliveryStatus
    code: int | None
    reply: str


@dataclass(eq=False)
class _Connection:
    client: aiosmtplib.SMTP
    mails: int = 0
    used_at: float = 0.0
    clean: bool = True
    """Whether its last transaction ended by itself; after a refused one RSET comes first."""


class ConnectionPool:
    """Connections to the mail server, reused; never more than ``SMTP_CONNECTIONS``.

    Args:
        settings: transport.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self.size = settings.connections
        self._settings = settings
        self._free = asyncio.Semaphore(self.size)
        self._idle: list[_Connection] = []
        self._tls: ssl.SSLContext | None = None

    async def send(
        self, message: Message, before_content: Callable[[], Awaitable[None]]
    ) -> Outcome:
        """Deliver one message to its one recipient.

        Args:
            message: what to send.
            before_content: awaited when the server has accepted sender and recipient; what it raises
                goes to the caller, and nothing is sent.
        """
        async with self._free:
            while True:
                try:
                    connection = await self._acquire()
                except (aiosmtplib.SMTPException, OSError) as error:
                    return _not_connected(error)
                reused = connection.mails > 0
                outcome = await self._send_over(connection, message, before_content)
                if reused and outcome.status is DeliveryStatus.RETRY and outcome.code is None:
                    # The server had hung up on a kept connection before any content: no fault of
                    # the mail's, and no reason to wait.
                    continue
                return outcome

    async def close(self) -> None:
        """Take leave of the server."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_quit(connection.client) for connection in idle))

    async def _send_over(
        self,
        connection: _Connection,
        message: Message,
        before_content: Callable[[], Awaitable[None]],
    ) -> Outcome:
        client, kept = connection.client, False
        try:
            outcome = await _transaction(client, message, before_content)
            connection.mails += 1
            connection.used_at = time.monotonic()
            connection.clean = outcome.status is DeliveryStatus.SENT
            kept = connection.clean or outcome.status in (
                DeliveryStatus.FAILED,
                DeliveryStatus.NO_SUCH_RECIPIENT,
            )
            return outcome
        finally:
            if not kept:
                client.close()
            elif connection.mails < MAILS_PER_CONNECTION:
                self._idle.append(connection)
            else:
                await _quit(client)

    async def _acquire(self) -> _Connection:
        """Return a kept connection that is known to work, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if await self._is_usable(connection):
                return connection
        return _Connection(await self._connect())

    async def _is_usable(self, connection: _Connection) -> bool:
        client, idle = connection.client, time.monotonic() - connection.used_at
        if idle > _IDLE_SECONDS:
            await _quit(client)
            return False
        if connection.clean and idle < _FRESH_SECONDS:
            return client.is_connected
        try:
            await client.rset(timeout=min(_RESET_SECONDS, self._settings.timeout))
        except (aiosmtplib.SMTPException, OSError):
            client.close()
            return False
        except BaseException:
            client.close()
            raise
        return True

    async def _connect(self) -> aiosmtplib.SMTP:
        settings = self._settings
        if self._tls is None and settings.security is not SmtpSecurity.NONE:
            # Reads every authority of the system, which takes 20 ms.
            self._tls = await asyncio.to_thread(tls_context, settings)
        session = SmtpSession(settings, tls=self._tls, timeout=settings.timeout)
        await session.open()
        return session


async def _quit(client: aiosmtplib.SMTP) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await client.quit(timeout=_QUIT_SECONDS)
    client.close()


async def _transaction(
    client: aiosmtplib.SMTP, message: Message, before_content: Callable[[], Awaitable[None]]
) -> Outcome:
    try:
        await client.mail(message.sender)
        await client.rcpt(message.recipient)
    except aiosmtplib.SMTPResponseException as error:
        return _refused(error)
    except OSError as error:
        return Outcome(DeliveryStatus.RETRY, None, _kind(error))
    await before_content()
    try:
        reply = await client.data(message.content)
    except aiosmtplib.SMTPDataError as error:
        return _refused(error)
    except (aiosmtplib.SMTPException, OSError) as error:
        # `data` announces the content and sends it; how far it came is not told.
        return Outcome(DeliveryStatus.DELIVERY_UNKNOWN, None, _kind(error))
    return Outcome(DeliveryStatus.SENT, reply.code, _short(reply.message))


def _not_connected(error: Exception) -> Outcome:
    """Decide about a connection that did not come about.

    Refused credentials and broken TLS are the transport's fault, not the mail's: an operator can
    mend them and the mail must not be lost. A server that can't be reached comes back by itself.
    """
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        status = DeliveryStatus.RETRY if error.code < 500 else DeliveryStatus.TRANSPORT_BROKEN
        return Outcome(status, error.code, "The mail server refused our credentials.")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        status = DeliveryStatus.RETRY if error.code < 500 else DeliveryStatus.TRANSPORT_BROKEN
        return Outcome(status, error.code, _short(error.message))
    tls = next((one for one in (error, error.__cause__) if isinstance(one, ssl.SSLError)), None)
    if tls is not None:
        return Outcome(
            DeliveryStatus.TRANSPORT_BROKEN, None, f"TLS: {_short(tls.reason or str(tls))}"
        )
    lost = isinstance(error, OSError)  # all that concerns the network, in aiosmtplib too
    return Outcome(
        DeliveryStatus.RETRY if lost else DeliveryStatus.TRANSPORT_BROKEN, None, _kind(error)
    )


def _refused(refusal: aiosmtplib.SMTPResponseException) -> Outcome:
    """Decide from the server's reply: 4xx passes, 5xx does not (RFC 5321, section 4.2.1)."""
    code, sender_refused = refusal.code, isinstance(refusal, aiosmtplib.SMTPSenderRefused)
    if not 400 <= code <= 599:
        return _out_of_protocol(refusal)
    if code < 500:
        status = DeliveryStatus.RETRY
    elif code in (530, 535) or (sender_refused and code != 552):
        status = DeliveryStatus.TRANSPORT_BROKEN
    elif _no_such_recipient(refusal):
        status = DeliveryStatus.NO_SUCH_RECIPIENT
    else:
        status = DeliveryStatus.FAILED
    return Outcome(status, code, _short(refusal.message))


def _out_of_protocol(refusal: aiosmtplib.SMTPResponseException) -> Outcome:
    """Decide about an answer that is no SMTP, or none to what was asked."""
    after_data = isinstance(refusal, aiosmtplib.SMTPDataError)
    status = DeliveryStatus.DELIVERY_UNKNOWN if after_data else DeliveryStatus.RETRY
    return Outcome(status, None, f"Unexpected answer: {refusal.code} {_short(refusal.message)}")


def _no_such_recipient(refusal: aiosmtplib.SMTPResponseException) -> bool:
    """Whether it is the address that is wrong: 5.1.x (RFC 3463), or a bare 550, 551, 553."""
    enhanced = _ENHANCED.match(refusal.message)
    if enhanced is not None:
        return enhanced[1] not in ("7", "8")  # these two are about the sender
    bare = re.match(r"\s*\d\.\d", refusal.message) is None
    at_recipient = isinstance(refusal, aiosmtplib.SMTPRecipientRefused)
    return at_recipient and bare and refusal.code in (550, 551, 553)


def _kind(error: Exception) -> str:
    return f"{type(error).__name__}: {_short(str(error))}"


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
