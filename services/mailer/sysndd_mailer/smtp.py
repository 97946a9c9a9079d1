"""Sends one message over SMTP, and says in one place whether a failure may pass.

The TLS mode is always explicit: aiosmtplib's default takes STARTTLS when it is offered, and an
offer can be stripped on the way.
"""

import ssl
from dataclasses import dataclass
from email.message import EmailMessage

import aiosmtplib

from sysndd_core.settings import SmtpSecurity, SmtpSettings


@dataclass(frozen=True)
class Sent:
    """The server took responsibility (RFC 5321, section 6.1); ``reply`` is what it said."""

    reply: str


@dataclass(frozen=True)
class Refused:
    """It was not sent.

    Attributes:
        transient: whether trying again can help.
        code: SMTP reply code, or None when there was no answer.
        reply: the server's words or the kind of failure, shortened; never a credential.
    """

    transient: bool
    code: int | None
    reply: str


async def send(message: EmailMessage, settings: SmtpSettings) -> Sent | Refused:
    """Deliver one message to its one recipient over a connection of its own.

    Args:
        message: with exactly one address in To.
        settings: transport.

    Returns:
        What became of it. A connection that breaks after DATA counts as transient: nobody can know
        whether the server took it, so it is sent again under the same Message-ID.
    """
    client = aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        timeout=settings.timeout,
        use_tls=settings.security is SmtpSecurity.TLS,
        start_tls=settings.security is SmtpSecurity.STARTTLS,
        tls_context=ssl.create_default_context(),
    )
    try:
        async with client:
            if settings.user and settings.password is not None:
                await client.login(settings.user, settings.password.get_secret_value())
            _, reply = await client.send_message(message)
            return Sent(reply)
    except (aiosmtplib.SMTPException, OSError) as error:
        return classify(error)


def classify(error: Exception) -> Refused:
    """Decide from an exception whether trying again can help.

    Reply codes of the 4xx class are transient, of the 5xx class permanent (RFC 5321, section
    4.2.1). Refused credentials and broken TLS are the transport's fault, not the mail's: they are
    transient, because an operator can mend them and the mail must not be lost.
    """
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return Refused(True, error.code, "The mail server refused our credentials.")
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused) and error.recipients:
        first = error.recipients[0]
        return Refused(first.code < 500, first.code, _short(first.message))
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return Refused(error.code < 500, error.code, _short(error.message))
    return Refused(True, None, f"{type(error).__name__}: {_short(str(error))}")


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
