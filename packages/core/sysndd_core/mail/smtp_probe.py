"""The SMTP test: a session with the mail server that sends no email and reports each step.

resolve → connect → banner → EHLO → TLS → AUTH → MAIL FROM → RSET → QUIT (RFC 5321, 3207, 4954). An
administrator sees each step; the mailer's circuit breaker closes when the test passes. Host and
credentials come only from the settings. The result never contains the password or the AUTH
exchange, even if a server repeats them.
"""

import asyncio
import base64
import contextlib
import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import aiosmtplib

from sysndd_core.mail.smtp_session import SmtpSession, StepResult
from sysndd_core.mail.tls_facts import tls_facts, unchecked_context
from sysndd_core.settings.smtp import SmtpSettings

PROBE_SECONDS = 9.0
"""Time limit for all steps together, so that the API can respond within ten seconds."""

_CERTIFICATE_SECONDS = 3.0
_LONGEST_DETAIL = 120

HINTS = {
    "unresolvable": "SMTP_HOST cannot be resolved. Check the name and the DNS settings.",
    "refused": "No service listens on SMTP_HOST:SMTP_PORT, or a firewall rejects the connection.",
    "unreachable": "No route to SMTP_HOST. Check routing and firewall rules.",
    "timeout": "The server is too slow, a firewall drops packets, or SMTP_SECURITY does not match"
    " the port (465: tls, 587: starttls).",
    "not_smtp": "The service at SMTP_HOST:SMTP_PORT is not an SMTP server. Check both settings.",
    "rejected": "The mail server rejected the connection. Ask its administrator for the reason.",
    "disconnected": "The server closed the connection early. Check the log of the mail server.",
    "starttls_missing": "The server does not offer STARTTLS. Try SMTP_SECURITY=tls with port 465.",
    "certificate_expired": "The certificate of the mail server has expired and must be renewed.",
    "certificate_wrong_host": "The certificate is for another host. Set SMTP_HOST to one of"
    " its names.",
    "certificate_untrusted": "The certificate is not trusted. For a private CA, set SMTP_CA_FILE"
    " to its certificate.",
    "tls_failed": "There is no common TLS version (1.2 or later) or cipher, or the port does not"
    " use TLS.",
    "auth_missing": "SMTP_USER is set, but the server offers no supported AUTH method.",
    "auth_refused": "SMTP_USER or SMTP_PASSWORD is incorrect, or the account may not send.",
    "sender_refused": "The account is not allowed to send as MAIL_FROM. Check both settings.",
}
"""What an operator can do, by error code."""


@dataclass(frozen=True)
class Step:
    """One step of the test: whether it succeeded, its duration in milliseconds, and a detail."""

    stage: str
    ok: bool
    ms: float
    detail: str


@dataclass
class Diagnosis:
    """The result of a test.

    Attributes:
        stage, code, error, hint: Describe the step that failed; None if all steps succeeded.
        smtp_code: Reply code of the server to the failed step, if there was one.
        tls: ``version``, certificate ``names`` and ``days_left``, also for a rejected certificate.
        ehlo: Extensions that the server offers.
        auth: AUTH method that was used; None without SMTP_USER.
    """

    host: str
    port: int
    success: bool = False
    error: str | None = None
    stage: str | None = None
    code: str | None = None
    smtp_code: int | None = None
    hint: str | None = None
    steps: list[Step] = field(default_factory=list)
    tls: dict[str, Any] | None = None
    ehlo: list[str] = field(default_factory=list)
    auth: str | None = None
    total_ms: float = 0.0


async def probe(settings: SmtpSettings, *, seconds: float = PROBE_SECONDS) -> Diagnosis:
    """Run the test: the same commands as a delivery, up to MAIL FROM. Never raises.

    Args:
        settings: Mail server and sender.
        seconds: Time limit for all steps together.
    """
    report, begun = _Report(settings), time.perf_counter()
    found = report.found
    session = SmtpSession(settings, step=report.step)
    try:
        async with asyncio.timeout(seconds):
            await session.open()
            await _try_sender(session, settings.sender_address, report)
        found.success = True
    except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
        found.stage = report.stage
        found.code, found.smtp_code, found.error = report.diagnose(error)
        found.hint = HINTS.get(found.code)
        if isinstance(_cause(error), ssl.SSLCertVerificationError):
            left = seconds - (time.perf_counter() - begun)
            found.tls = await _refused_certificate(settings, min(_CERTIFICATE_SECONDS, left))
    finally:
        _abort(session)
    found.total_ms = _ms(begun)
    return found


async def _try_sender(session: SmtpSession, sender: str, report: "_Report") -> None:
    with report.step("mail_from") as result:
        result.append(await session.mail(sender))
    with report.step("rset") as result:
        result.append(await session.rset())
    with report.step("quit") as result:
        result.append(await session.quit())


async def _refused_certificate(settings: SmtpSettings, seconds: float) -> dict[str, Any] | None:
    """Read a rejected certificate, to report its names and its validity.

    A failed handshake does not expose the certificate, so this connects again without verification
    and disconnects after the handshake. No credentials are sent.
    """
    session = SmtpSession(settings, tls=unchecked_context())
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        try:
            async with asyncio.timeout(seconds):
                await session.open(sign_in=False)
        finally:
            _abort(session)
    return tls_facts(session.tls_object) if session.tls_object is not None else None


def _abort(session: SmtpSession) -> None:
    transport: Any = session.transport
    if transport is not None:
        # Not close() alone, which waits for the server's close_notify under TLS.
        transport.abort()
    session.close()


_KINDS: tuple[tuple[type[BaseException], str, str], ...] = (
    (TimeoutError, "timeout", "The server did not respond in time."),
    (socket.gaierror, "unresolvable", "The host name cannot be resolved."),
    (ConnectionRefusedError, "refused", "The connection was refused."),
    (ConnectionError, "disconnected", "The server closed the connection."),
    (OSError, "unreachable", "The server cannot be reached."),
    (UnicodeError, "sender_refused", "The sender's address is not ASCII."),
)
# X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_HOSTNAME_MISMATCH (x509_vfy.h)
_CERTIFICATE_CODES = {10: "certificate_expired", 62: "certificate_wrong_host"}
_REFUSED = {"tls": "starttls_missing", "auth": "auth_refused", "mail_from": "sender_refused"}
_NOT_OFFERED = {
    "tls": ("starttls_missing", "The server does not offer STARTTLS."),
    "auth": ("auth_missing", "The server offers no supported AUTH method."),
}


def _cause(error: BaseException) -> BaseException:
    """Return the error of the network or of TLS behind an error of the library."""
    if isinstance(error, aiosmtplib.SMTPConnectError) and error.__cause__ is not None:
        return error.__cause__
    return error


class _Report:
    """Records the steps of a session as they happen."""

    def __init__(self, settings: SmtpSettings) -> None:
        self.found = Diagnosis(settings.host, settings.port)
        self.stage = "resolve"
        self._secrets = _secrets_of(settings)

    @contextlib.contextmanager
    def step(self, stage: str) -> Iterator[list[StepResult]]:
        """Measure one step and record its result."""
        self.stage, begun = stage, time.perf_counter()
        result: list[StepResult] = []
        try:
            yield result
        except (aiosmtplib.SMTPException, OSError, UnicodeError) as error:
            text = self.diagnose(error)[2]
            self.found.steps.append(Step(stage, False, _ms(begun), text))
            raise
        except asyncio.CancelledError:
            # Only the deadline of the whole test cancels this task.
            text = "The server did not respond in time."
            self.found.steps.append(Step(stage, False, _ms(begun), text))
            raise
        detail = self._detail(stage, result[-1]) if result else ""
        self.found.steps.append(Step(stage, True, _ms(begun), detail))

    def diagnose(self, error: BaseException) -> tuple[str, int | None, str]:
        """Return the code of a failure, the server's reply code if any, and a text."""
        error = _cause(error)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return self._refused(error)
        if isinstance(error, ssl.SSLCertVerificationError):
            code = _CERTIFICATE_CODES.get(error.verify_code, "certificate_untrusted")
            return code, None, _short(error.verify_message)
        if isinstance(error, ssl.SSLError):
            return "tls_failed", None, _short(error.reason or "The TLS handshake failed.")
        if self.stage == "tls" and isinstance(error.__cause__ or error, ConnectionResetError):
            # Some servers close the connection instead of sending an alert.
            text = "The server closed the connection during the TLS handshake."
            return "tls_failed", None, text
        for kind, code, text in _KINDS:
            if isinstance(error, kind):
                return code, None, text
        code, text = _NOT_OFFERED.get(self.stage, ("rejected", _short(str(error))))
        return code, None, text

    def _refused(self, error: aiosmtplib.SMTPResponseException) -> tuple[str, int | None, str]:
        if not 200 <= error.code <= 599:
            return "not_smtp", None, "The reply is not valid SMTP."
        code = _REFUSED.get(self.stage, "rejected")
        if self.stage == "auth":
            # The text of the reply is left out, because some servers repeat the credentials.
            return code, error.code, f"The server replied {error.code} to AUTH."
        return code, error.code, self._reply(error.code, error.message)

    def _detail(self, stage: str, result: StepResult) -> str:
        if isinstance(result, ssl.SSLObject):
            self.found.tls = facts = tls_facts(result)
            return f"{facts['version']}, {facts['days_left']} days left" if facts else ""
        if isinstance(result, aiosmtplib.SMTPResponse):
            if stage == "ehlo":
                lines = result.message.splitlines()
                self.found.ehlo = [self._clean(line).upper() for line in lines[1:21]]
            return self._reply(result.code, result.message)
        if stage == "auth":
            self.found.auth = result
        return result

    def _reply(self, code: int, message: str) -> str:
        return self._clean(f"{code} {message.partition(chr(10))[0]}")

    def _clean(self, text: str) -> str:
        """Shorten a reply and mask our credentials in it."""
        for secret in self._secrets:
            text = re.sub(re.escape(secret), "•••", text, flags=re.IGNORECASE)
        return _short(text)


def _secrets_of(settings: SmtpSettings) -> list[str]:
    """Return all forms in which AUTH sends the password, longest first."""
    if settings.password is None or not settings.password.get_secret_value():
        return []
    password = settings.password.get_secret_value()
    return [_b64(f"\0{settings.user}\0{password}"), _b64(password), password]


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _short(text: str) -> str:
    """Reduce untrusted text to one short line of printable characters."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(clean.split())[:_LONGEST_DETAIL]


def _ms(begun: float) -> float:
    return round((time.perf_counter() - begun) * 1000, 1)
