"""Sends messages over pooled connections and maps each reply or error to a delivery status.

The TLS mode is always explicit. By default, aiosmtplib uses STARTTLS only if the server offers it,
and an attacker can remove the offer.
"""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import aiosmtplib

from sysndd_core.mail.smtp_probe import ehlo_name, tls_context
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from sysndd_mailer.compose import Message

MAILS_PER_CONNECTION = 100
"""Maximum number of emails per connection; servers close connections that send more."""

_IDLE_SECONDS = 20.0
_REUSE_SECONDS = 1.0
"""A connection that accepted an email within this time is reused without sending RSET first."""
_RESET_SECONDS = 5.0
_QUIT_SECONDS = 2.0
_ENHANCED = re.compile(r"\s*5\.1\.(\d+)\b")


class DeliveryStatus(StrEnum):
    """The result of one attempt."""

    SENT = "sent"
    RETRY = "retry"
    FAILED = "failed"
    NO_SUCH_RECIPIENT = "no_such_recipient"
    TRANSPORT_BROKEN = "transport_broken"
    """The server rejects the credentials, TLS or the sender, so every email would fail."""
    DELIVERY_UNKNOWN = "delivery_unknown"
    """The content may have been sent, but the server did not reply: it may have arrived."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one attempt.

    Attributes:
        status: The result.
        code: SMTP reply code, or None if the server did not reply.
        reply: Reply of the server or kind of the error, shortened; never a credential.
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
    """Whether its last transaction was completed. After a rejected one, RSET is sent first."""


class ConnectionPool:
    """Reused connections to the mail server, at most ``SMTP_CONNECTIONS``.

    Args:
        settings: Address, credentials and limits of the mail server.
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
        """Send one message to its one recipient.

        Args:
            message: The message.
            before_content: Awaited when the server has accepted sender and recipient. If it raises,
                the content is not sent and the caller gets the error.

        Returns:
            The outcome; errors of the network and the server do not raise.
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
                    # The server had closed a reused connection before any content was sent, so
                    # try again immediately.
                    continue
                return outcome

    async def close(self) -> None:
        """Close the idle connections with QUIT."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(_quit(connection.client) for connection in idle))

    async def _send_over(
        self,
        connection: _Connection,
        message: Message,
        before_content: Callable[[], Awaitable[None]],
    ) -> Outcome:
        client, reusable = connection.client, False
        try:
            outcome = await _transaction(client, message, before_content)
            connection.mails += 1
            connection.used_at = time.monotonic()
            connection.clean = outcome.status is DeliveryStatus.SENT
            reusable = connection.clean or outcome.status in (
                DeliveryStatus.FAILED,
                DeliveryStatus.NO_SUCH_RECIPIENT,
            )
            return outcome
        finally:
            if not reusable:
                client.close()
            elif connection.mails < MAILS_PER_CONNECTION:
                self._idle.append(connection)
            else:
                await _quit(client)

    async def _acquire(self) -> _Connection:
        """Return an idle connection that works, or a new one."""
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
        if connection.clean and idle < _REUSE_SECONDS:
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
            # Reading all certificate authorities of the system takes 20 ms.
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
            if client.is_ehlo_or_helo_needed:
                await _greet(client)
            return client
        except BaseException:
            client.close()
            raise


async def _greet(client: aiosmtplib.SMTP) -> None:
    """Send EHLO, or HELO if the server does not know EHLO (RFC 5321, section 3.2)."""
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


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
        return _rejected(error)
    except OSError as error:
        return Outcome(DeliveryStatus.RETRY, None, _describe(error))
    await before_content()
    try:
        reply = await client.data(message.content)
    except aiosmtplib.SMTPDataError as error:
        return _rejected(error)
    except (aiosmtplib.SMTPException, OSError) as error:
        # `data` sends DATA and the content, and does not report how far it got.
        return Outcome(DeliveryStatus.DELIVERY_UNKNOWN, None, _describe(error))
    return Outcome(DeliveryStatus.SENT, reply.code, _short(reply.message))


def _not_connected(error: Exception) -> Outcome:
    """Return the outcome of a failed connection.

    Rejected credentials and TLS errors concern every email. The operator must fix them, and no
    email may fail because of them. An unreachable server is retried.
    """
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        status = DeliveryStatus.RETRY if error.code < 500 else DeliveryStatus.TRANSPORT_BROKEN
        return Outcome(
            status,
            error.code,
            "The mail server rejected the credentials. Check SMTP_USER and SMTP_PASSWORD.",
        )
    if isinstance(error, aiosmtplib.SMTPResponseException):
        status = DeliveryStatus.RETRY if error.code < 500 else DeliveryStatus.TRANSPORT_BROKEN
        return Outcome(status, error.code, _short(error.message))
    tls = next((one for one in (error, error.__cause__) if isinstance(one, ssl.SSLError)), None)
    if tls is not None:
        return Outcome(
            DeliveryStatus.TRANSPORT_BROKEN, None, f"TLS: {_short(tls.reason or str(tls))}"
        )
    network = isinstance(error, OSError)  # includes aiosmtplib's network errors
    return Outcome(
        DeliveryStatus.RETRY if network else DeliveryStatus.TRANSPORT_BROKEN,
        None,
        _describe(error),
    )


def _rejected(error: aiosmtplib.SMTPResponseException) -> Outcome:
    """Return the outcome of a reply: 4xx is temporary, 5xx permanent (RFC 5321, section 4.2.1)."""
    code, at_sender = error.code, isinstance(error, aiosmtplib.SMTPSenderRefused)
    if not 400 <= code <= 599:
        return _unexpected_reply(error)
    if code < 500:
        status = DeliveryStatus.RETRY
    elif code in (530, 535) or (at_sender and code != 552):
        status = DeliveryStatus.TRANSPORT_BROKEN
    elif _no_such_recipient(error):
        status = DeliveryStatus.NO_SUCH_RECIPIENT
    else:
        status = DeliveryStatus.FAILED
    return Outcome(status, code, _short(error.message))


def _unexpected_reply(error: aiosmtplib.SMTPResponseException) -> Outcome:
    """Return the outcome of a reply that is not valid SMTP or does not match the command."""
    after_data = isinstance(error, aiosmtplib.SMTPDataError)
    status = DeliveryStatus.DELIVERY_UNKNOWN if after_data else DeliveryStatus.RETRY
    return Outcome(status, None, f"Unexpected reply: {error.code} {_short(error.message)}")


def _no_such_recipient(error: aiosmtplib.SMTPResponseException) -> bool:
    """Return whether the address is invalid: 5.1.x (RFC 3463), or 550, 551, 553 without one."""
    enhanced = _ENHANCED.match(error.message)
    if enhanced is not None:
        return enhanced[1] not in ("7", "8")  # these two concern the sender
    basic = re.match(r"\s*\d\.\d", error.message) is None
    at_recipient = isinstance(error, aiosmtplib.SMTPRecipientRefused)
    return at_recipient and basic and error.code in (550, 551, 553)


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {_short(str(error))}"


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
