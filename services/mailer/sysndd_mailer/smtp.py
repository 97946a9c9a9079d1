"""Sends messages over a few kept connections, and says in one place what a failure means.

The TLS mode is always explicit: aiosmtplib's default takes STARTTLS when it is offered, and an
offer can be stripped on the way.
"""

import asyncio
import re
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

import aiosmtplib

from sysndd_core.mail.smtp_probe import ehlo_name, tls_context
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from sysndd_mailer.session import MailRefused, Session, Stage
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


@dataclass(eq=False)
class _Waiting:
    """A mail that is ready to go; gets a connection, or None when it may look for one itself."""

    message: Message
    ready: "asyncio.Future[_Connection | None]"


@dataclass(eq=False)
class _Connection:
    session: Session
    mails: int = 0
    used_at: float = 0.0
    clean: bool = True
    """Whether its last transaction ended by itself; after a refused one RSET comes first."""
    following: _Waiting | None = None
    """The mail whose envelope went along with the last content."""


class Connections:
    """Connections to the mail server that are used again; never more than ``SMTP_CONNECTIONS``.

    Args:
        settings: transport.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._idle: list[_Connection] = []
        self._open = 0
        self._waiting: deque[_Waiting] = deque()
        # Twice as many, so that a mail is ready when a connection is.
        self._gate = asyncio.Semaphore(2 * settings.connections)
        self._tls: ssl.SSLContext | None = None

    def turn(self) -> asyncio.Semaphore:
        """Return what is held while a mail is made ready and sent."""
        return self._gate

    async def send(
        self, message: Message, before_content: Callable[[], Awaitable[None]]
    ) -> Outcome:
        """Deliver one message to its one recipient; the caller has its ``turn``.

        Args:
            message: what to send.
            before_content: awaited when the server waits for the content; what it raises goes to the
                caller, and nothing is sent.
        """
        while True:
            try:
                connection = await self._take(message)
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
            outcome = await _deliver(
                connection.session, message, before_content, lambda: self._next(connection)
            )
            connection.mails += 1
            connection.clean = outcome.fate is Fate.SENT
            kept = outcome.fate in (Fate.SENT, Fate.DEAD, Fate.NO_SUCH_RECIPIENT)
            return outcome
        finally:
            await self._release(connection, kept=kept and connection.session.is_usable)

    def _next(self, connection: _Connection) -> Message | None:
        """Choose the mail whose envelope goes along with a content."""
        if connection.session.pipelining and connection.mails + 1 < MAILS_PER_CONNECTION:
            connection.following = self._first_waiting()
        return connection.following.message if connection.following else None

    def _first_waiting(self) -> _Waiting | None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.ready.done():
                return waiting
        return None

    async def _release(self, connection: _Connection, *, kept: bool) -> None:
        following, connection.following = connection.following, None
        if following is not None:
            if kept and not following.ready.done():
                following.ready.set_result(connection)
                return
            # Its envelope is gone with the connection, or it is nobody's any more.
            self._waiting.appendleft(following)
            self._cut(connection)
        elif kept and connection.mails < MAILS_PER_CONNECTION:
            connection.used_at = time.monotonic()
            self._idle.append(connection)
            self._wake()
        elif kept:
            await self._quit(connection)
        else:
            self._cut(connection)

    def _cut(self, connection: _Connection) -> None:
        connection.session.cut()
        self._closed()

    async def _quit(self, connection: _Connection) -> None:
        try:
            await connection.session.quit()
        finally:
            self._closed()

    def _closed(self) -> None:
        self._open -= 1
        self._wake()

    def _wake(self) -> None:
        """Let a mail that waits look for a connection."""
        waiting = self._first_waiting()
        if waiting is not None:
            waiting.ready.set_result(None)

    async def close(self) -> None:
        """Take leave of the server."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(self._quit(connection) for connection in idle))

    async def _take(self, message: Message) -> _Connection:
        """Return a kept connection that has answered just now, or a new one; wait where none may be."""
        while True:
            connection = await self._kept()
            if connection is not None:
                return connection
            if self._open < self._settings.connections:
                self._open += 1
                try:
                    return _Connection(await self._connect())
                except BaseException:
                    self._closed()
                    raise
            connection = await self._handed(message)
            if connection is not None:
                return connection

    async def _handed(self, message: Message) -> _Connection | None:
        """Wait for a connection on which this mail's envelope is, or for None: one may be free."""
        waiting = _Waiting(message, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            return await waiting.ready
        except asyncio.CancelledError:
            if waiting.ready.done() and not waiting.ready.cancelled():
                connection = waiting.ready.result()
                if connection is None:
                    self._wake()
                else:
                    self._cut(connection)
            raise

    async def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            idle = time.monotonic() - connection.used_at
            if idle > _IDLE_SECONDS:
                await self._quit(connection)
                continue
            if connection.clean and idle < _FRESH_SECONDS:
                return connection
            try:
                await connection.session.reset(min(5.0, self._settings.timeout))
            except OSError:
                self._cut(connection)
                continue
            except BaseException:
                self._cut(connection)
                raise
            return connection
        return None

    async def _connect(self) -> Session:
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
            if client.is_ehlo_or_helo_needed:
                await _greet(client)
            return Session(client, timeout=settings.timeout)
        except BaseException:
            client.close()
            raise


async def _greet(client: aiosmtplib.SMTP) -> None:
    """Greet; a server of before 1995 knows no EHLO (RFC 5321, section 3.2)."""
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


async def _deliver(
    session: Session,
    message: Message,
    before_content: Callable[[], Awaitable[None]],
    following: Callable[[], Message | None],
) -> Outcome:
    under_way = False
    try:
        await session.begin(message)
        await before_content()
        under_way = True
        reply = await session.content(message, following())
    except MailRefused as refusal:
        return _refused(refusal)
    except OSError as error:
        return Outcome(Fate.DOUBT if under_way else Fate.RETRY, None, _kind(error))
    return Outcome(Fate.SENT, reply.code, _short(reply.text))


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


def _refused(refusal: MailRefused) -> Outcome:
    """Decide from the server's reply: 4xx passes, 5xx does not (RFC 5321, section 4.2.1)."""
    code = refusal.reply.code
    if code < 500:
        fate = Fate.RETRY
    elif code in (530, 535) or (refusal.stage is Stage.SENDER and code != 552):
        fate = Fate.TRANSPORT
    elif _no_such_recipient(refusal):
        fate = Fate.NO_SUCH_RECIPIENT
    else:
        fate = Fate.DEAD
    return Outcome(fate, code, _short(refusal.reply.text))


def _no_such_recipient(refusal: MailRefused) -> bool:
    """Whether it is the address that is wrong: 5.1.x (RFC 3463), or a bare 550, 551, 553."""
    code, text = refusal.reply.code, refusal.reply.text
    enhanced = _ENHANCED.match(text)
    if enhanced is not None:
        return enhanced[1] not in ("7", "8")  # these two are about the sender
    bare = re.match(r"\s*\d\.\d", text) is None
    return refusal.stage is Stage.RECIPIENT and bare and code in (550, 551, 553)


def _kind(error: Exception) -> str:
    return f"{type(error).__name__}: {_short(str(error))}"


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
