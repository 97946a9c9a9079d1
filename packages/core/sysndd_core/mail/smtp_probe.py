"""The SMTP test: a session with the mail server that sends no email and reports each step.

resolve → connect → banner → EHLO → TLS → AUTH → MAIL FROM → RSET → QUIT (RFC 5321, 3207, 4954). An
administrator sees each step; the mailer's circuit breaker closes when the test passes. Host and
credentials come only from the settings. The result never contains the password or the AUTH
exchange, even if a server repeats them.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any

from sysndd_core.mail.tls_facts import tls_facts, unchecked_context
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings

PROBE_SECONDS = 9.0
"""Time limit for all steps together, so that the API can respond within ten seconds."""

_CERTIFICATE_SECONDS = 3.0
_LONGEST_LINE = 4096
_LONGEST_DETAIL = 120
_REPLY = re.compile(r"(\d{3})([ -]?)(.*)")

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


class _Broken(Exception):
    """A step failed; ``code`` is a key of ``HINTS``."""

    def __init__(self, code: str, error: str, smtp_code: int | None = None) -> None:
        super().__init__(error)
        self.code = code
        self.smtp_code = smtp_code


def tls_context(settings: SmtpSettings) -> ssl.SSLContext:
    """Return a TLS context that requires TLS 1.2 and verifies host name and certificate chain."""
    return ssl.create_default_context(cafile=settings.ca_file)


def ehlo_name() -> str:
    """Return the local host name for EHLO, without a DNS query.

    Deliveries use the same name, so that a server which rejects it also fails the test.
    """
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9.-]{1,255}", name) else "localhost"


async def probe(settings: SmtpSettings, *, seconds: float = PROBE_SECONDS) -> Diagnosis:
    """Run the test: the same commands as a delivery, up to MAIL FROM. Never raises.

    Args:
        settings: Mail server and sender.
        seconds: Time limit for all steps together.
    """
    conversation = _Conversation(settings)
    found, begun = conversation.found, time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            await conversation.run()
        found.success = True
    except (TimeoutError, _Broken, OSError) as error:
        found.stage = conversation.stage
        found.code, found.smtp_code, found.error = _named(error)
        found.hint = HINTS.get(found.code)
        if isinstance(error, ssl.SSLCertVerificationError):
            left = seconds - (time.perf_counter() - begun)
            found.tls = await _refused_certificate(settings, min(_CERTIFICATE_SECONDS, left))
    finally:
        conversation.close()
    found.total_ms = _ms(begun)
    return found


async def _refused_certificate(settings: SmtpSettings, seconds: float) -> dict[str, Any] | None:
    """Read a rejected certificate, to report its names and its validity.

    A failed handshake does not expose the certificate, so this connects again without verification
    and disconnects after the handshake. No credentials are sent.
    """
    second = _Conversation(settings)
    with contextlib.suppress(TimeoutError, _Broken, OSError):
        try:
            async with asyncio.timeout(seconds):
                await second.secured(checked=False)
        finally:
            second.close()
    return second.found.tls


_KINDS: tuple[tuple[type[Exception], str, str], ...] = (
    (TimeoutError, "timeout", "The server did not respond in time."),
    (socket.gaierror, "unresolvable", "The host name cannot be resolved."),
    (ConnectionRefusedError, "refused", "The connection was refused."),
    (ConnectionError, "disconnected", "The server closed the connection."),
    (OSError, "unreachable", "The server cannot be reached."),
)
# X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_HOSTNAME_MISMATCH (x509_vfy.h)
_CERTIFICATE_CODES = {10: "certificate_expired", 62: "certificate_wrong_host"}


def _named(error: Exception) -> tuple[str, int | None, str]:
    if isinstance(error, _Broken):
        return error.code, error.smtp_code, str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        code = _CERTIFICATE_CODES.get(error.verify_code, "certificate_untrusted")
        return code, None, _short(error.verify_message)
    if isinstance(error, ssl.SSLError):
        return "tls_failed", None, _short(error.reason or "The TLS handshake failed.")
    return next((code, None, text) for kind, code, text in _KINDS if isinstance(error, kind))


class _Conversation:
    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self.found = Diagnosis(settings.host, settings.port)
        self.stage = "resolve"
        self._secrets = _secrets_of(settings)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        security = self._settings.security
        await self.secured()
        if security is SmtpSecurity.TLS:
            await self._greeted()
        elif security is SmtpSecurity.STARTTLS:
            # The extensions from before TLS are void (RFC 3207, section 4.2).
            await self._ehlo()
        if self._settings.user:
            await self._authenticate(self._settings.user)
        sender = parseaddr(self._settings.mail_from)[1]
        for stage, command, expected, code in (
            ("mail_from", f"MAIL FROM:<{sender}>", 250, "sender_refused"),
            ("rset", "RSET", 250, "rejected"),
            ("quit", "QUIT", 221, "rejected"),
        ):
            async with self._step(stage) as step:
                step.append(self._expect(await self._command(command), expected, code))

    async def secured(self, *, checked: bool = True) -> None:
        """Connect and start TLS, or send EHLO if the connection is not to be encrypted.

        Args:
            checked: Whether to verify the certificate of the server.
        """
        security = self._settings.security
        await self._connect()
        if security is SmtpSecurity.TLS:
            await self._start_tls(checked=checked)
            return
        await self._greeted()
        if security is SmtpSecurity.STARTTLS:
            if "STARTTLS" not in self.found.ehlo:
                async with self._step("tls"):
                    raise _Broken("starttls_missing", "The server does not offer STARTTLS.")
            await self._start_tls(ask=True, checked=checked)

    def close(self) -> None:
        if self._writer is not None:
            # Not close(), which waits for the server's close_notify under TLS.
            self._writer.transport.abort()

    @contextlib.asynccontextmanager
    async def _step(self, stage: str) -> AsyncIterator[list[str]]:
        """Measure one step; the last appended string becomes its detail."""
        self.stage, begun, detail = stage, time.perf_counter(), [""]
        try:
            yield detail
        except (_Broken, OSError) as error:
            text = _named(error)[2]
            self.found.steps.append(Step(stage, False, _ms(begun), text))
            raise
        except asyncio.CancelledError:
            # Only the deadline of the whole test cancels this task.
            text = "The server did not respond in time."
            self.found.steps.append(Step(stage, False, _ms(begun), text))
            raise
        self.found.steps.append(Step(stage, True, _ms(begun), detail[-1]))

    async def _connect(self) -> None:
        host, port = self._settings.host, self._settings.port
        async with self._step("resolve") as step:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            step.append(f"{len({one[4][0] for one in found})} address(es)")
        async with self._step("connect") as step:
            self._reader, self._writer = await asyncio.open_connection(
                host, port, limit=_LONGEST_LINE
            )
            step.append(f"port {port}")

    async def _start_tls(self, *, ask: bool = False, checked: bool = True) -> None:
        async with self._step("tls") as step:
            assert self._writer is not None
            if ask:
                self._expect(await self._command("STARTTLS"), 220, "starttls_missing")
            if checked:
                context = await asyncio.to_thread(tls_context, self._settings)
            else:
                context = unchecked_context()
            try:
                await self._writer.start_tls(context, server_hostname=self._settings.host)
            except ConnectionError as error:
                # Some servers close the connection instead of sending an alert.
                text = "The server closed the connection during the TLS handshake."
                raise _Broken("tls_failed", text) from error
            self.found.tls = tls_facts(self._writer.get_extra_info("ssl_object"))
            if self.found.tls is not None:
                step.append(f"{self.found.tls['version']}, {self.found.tls['days_left']} days left")

    async def _greeted(self) -> None:
        async with self._step("banner") as step:
            step.append(self._expect(await self._reply(), 220, "rejected"))
        await self._ehlo()

    async def _ehlo(self) -> None:
        async with self._step("ehlo") as step:
            code, lines = await self._command(f"EHLO {ehlo_name()}")
            step.append(self._expect((code, lines), 250, "rejected"))
            self.found.ehlo = [self._clean(line).upper() for line in lines[1:21]]

    async def _authenticate(self, user: str) -> None:
        async with self._step("auth") as step:
            offered = {
                word
                for line in self.found.ehlo
                if line.startswith("AUTH")
                for word in re.split(r"[ =]", line)[1:]
            }
            method = next((one for one in ("CRAM-MD5", "PLAIN", "LOGIN") if one in offered), None)
            if method is None:
                raise _Broken("auth_missing", "The server offers no supported AUTH method.")
            self.found.auth = method
            secret = self._settings.password
            password = secret.get_secret_value() if secret is not None else ""
            code, _ = await self._exchange(method, user, password)
            if code != 235:
                # The text of the reply is left out, because some servers repeat the credentials.
                raise _Broken("auth_refused", f"The server replied {code} to AUTH.", code)
            step.append(method)

    async def _exchange(self, method: str, user: str, password: str) -> tuple[int, list[str]]:
        if method == "PLAIN":
            return await self._command("AUTH PLAIN " + _b64(f"\0{user}\0{password}"))
        code, lines = await self._command(f"AUTH {method}")
        if code != 334:
            return code, lines
        if method == "LOGIN":
            code, lines = await self._command(_b64(user))
            return await self._command(_b64(password)) if code == 334 else (code, lines)
        try:
            challenge = base64.b64decode(lines[0], validate=True)
        except ValueError as error:
            raise _Broken(
                "auth_refused", "The AUTH challenge is not valid Base64.", code
            ) from error
        digest = hmac.new(password.encode(), challenge, hashlib.md5).hexdigest()
        return await self._command(_b64(f"{user} {digest}"))

    async def _command(self, line: str) -> tuple[int, list[str]]:
        assert self._writer is not None
        self._writer.write(line.encode() + b"\r\n")
        await self._writer.drain()
        return await self._reply()

    async def _reply(self) -> tuple[int, list[str]]:
        assert self._reader is not None
        lines: list[str] = []
        while True:
            try:
                raw = await self._reader.readline()
            except ValueError as error:
                raise _Broken(
                    "not_smtp", "A line of the reply is longer than SMTP allows."
                ) from error
            if not raw:
                raise _Broken("disconnected", "The server closed the connection.")
            found = _REPLY.fullmatch(raw.decode("utf-8", "replace").rstrip("\r\n"))
            if found is None or len(lines) > 100:
                raise _Broken("not_smtp", "The reply is not valid SMTP.")
            lines.append(found[3])
            if found[2] != "-":
                return int(found[1]), lines

    def _expect(self, reply: tuple[int, list[str]], expected: int, code: str) -> str:
        number, lines = reply
        if number != expected:
            raise _Broken(code, self._clean(f"{number} {lines[0]}"), number)
        return self._clean(f"{number} {lines[0]}")

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
