"""A session with the mail server, opened step by step: one way for deliveries and the SMTP test.

resolve → connect → banner → EHLO → TLS → EHLO → AUTH (RFC 5321, 3207, 4954, 8314). The TLS mode is
always explicit: aiosmtplib's default uses STARTTLS if the server offers it, and an attacker on the
network can remove the offer.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import aiosmtplib

from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings

StepResult = aiosmtplib.SMTPResponse | ssl.SSLObject | str
Step = Callable[[str], AbstractContextManager[list[StepResult]]]
"""Surrounds each step; gets the name of the step, and yields a list for its result."""

_Address = tuple[int, int, int, str, tuple[Any, ...]]  # as getaddrinfo returns it

_SIGN_IN = {
    "cram-md5": aiosmtplib.SMTP.auth_crammd5,
    "plain": aiosmtplib.SMTP.auth_plain,
    "login": aiosmtplib.SMTP.auth_login,
}


def tls_context(settings: SmtpSettings) -> ssl.SSLContext:
    """Return a TLS context that requires TLS 1.2 and verifies host name and certificate chain."""
    return ssl.create_default_context(cafile=settings.ca_file)


def ehlo_name() -> str:
    """Return the local host name for EHLO, without a DNS query."""
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9.-]{1,255}", name) else "localhost"


@contextlib.contextmanager
def unobserved(_stage: str) -> Iterator[list[StepResult]]:
    """Surround a step that nobody watches."""
    yield []


class SmtpSession(aiosmtplib.SMTP):
    """An SMTP client that opens its connection as the settings describe it.

    Args:
        settings: Mail server and credentials.
        tls: TLS context; by default, one that verifies the certificate is created.
        timeout: Maximum duration of one step in seconds; None is no limit.
        step: Surrounds each step of ``open``.
    """

    def __init__(
        self,
        settings: SmtpSettings,
        *,
        tls: ssl.SSLContext | None = None,
        timeout: float | None = None,
        step: Step = unobserved,
    ) -> None:
        super().__init__(
            hostname=settings.host,
            timeout=timeout,
            local_hostname=ehlo_name(),
            use_tls=settings.security is SmtpSecurity.TLS,
            start_tls=False,  # `open` does it, as a step of its own
            tls_context=tls,
        )
        self._settings = settings
        self._step = step
        self._tls_object: ssl.SSLObject | None = None

    @property
    def tls_object(self) -> ssl.SSLObject | None:
        """The TLS object of the connection, also after it was closed; None without TLS."""
        if self.transport is not None:
            self._tls_object = self.transport.get_extra_info("ssl_object") or self._tls_object
        return self._tls_object

    def close(self) -> None:
        """Close the connection; keep what is known about its TLS."""
        _ = self.tls_object
        super().close()

    async def open(self, *, sign_in: bool = True) -> None:
        """Connect, start TLS if the settings require it, and sign in if they name an account.

        Args:
            sign_in: False stops before the credentials are sent.

        Raises:
            aiosmtplib.SMTPException: A step failed; the session is closed. The cause of an
                ``SMTPConnectError`` is the error of the network or of TLS.
            OSError: The TLS handshake after STARTTLS failed.
        """
        try:
            await self._connect()
            await self._greet()
            if self._settings.security is SmtpSecurity.STARTTLS:
                with self._step("tls") as result:
                    await self._prepare_tls()
                    await self.starttls()
                    if self.tls_object is not None:
                        result.append(self.tls_object)
                # What the server offered before TLS is void (RFC 3207, section 4.2).
                await self._greet()
            if sign_in and self._settings.user:
                with self._step("auth") as result:
                    result.append(await self._sign_in(self._settings.user))
        except BaseException:
            self.close()
            raise

    async def _connect(self) -> None:
        with self._step("resolve") as result:
            addresses = await self._resolve()
            number = len({one[4][0] for one in addresses})
            result.append("1 address" if number == 1 else f"{number} addresses")
        with self._step("connect") as result:
            connected = await self._first_that_answers(addresses)
            result.append(f"port {self._settings.port}")
        if not self.use_tls:
            with self._step("banner") as result:
                result.append(await self._read_banner(connected))
            return
        # The library's handshake and its wait for the banner are one call.
        failure: BaseException | None = None
        with self._step("tls") as result:
            await self._prepare_tls()
            try:
                banner = await self._read_banner(connected)
            except BaseException as error:
                if self.tls_object is None:
                    raise
                failure = error
            if self.tls_object is not None:
                result.append(self.tls_object)
        with self._step("banner") as result:
            if failure is not None:
                raise failure
            result.append(banner)

    async def _resolve(self) -> Sequence[_Address]:
        host, port = self._settings.host, self._settings.port
        loop = asyncio.get_running_loop()
        with self._network_errors():
            async with asyncio.timeout(self.timeout):
                return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    async def _first_that_answers(self, addresses: Sequence[_Address]) -> socket.socket:
        loop, refused = asyncio.get_running_loop(), None
        with self._network_errors():
            async with asyncio.timeout(self.timeout):
                for family, kind, protocol, _, address in addresses:
                    tried = socket.socket(family, kind, protocol)
                    try:
                        tried.setblocking(False)
                        await loop.sock_connect(tried, address)
                    except OSError as error:
                        tried.close()
                        refused = error
                    except BaseException:
                        tried.close()
                        raise
                    else:
                        return tried
            raise refused or OSError("The name has no address.")

    async def _read_banner(self, connected: socket.socket) -> aiosmtplib.SMTPResponse:
        with self._network_errors():
            return await self.connect(sock=connected)

    async def _greet(self) -> None:
        with self._step("ehlo") as result:
            try:
                result.append(await self.ehlo())
            except aiosmtplib.SMTPHeloError:
                if not self.is_connected:
                    raise
                # A server from before 1995 does not know EHLO (RFC 5321, section 3.2).
                result.append(await self.helo())

    async def _sign_in(self, user: str) -> str:
        """Authenticate; return the method. Some servers offer methods that they do not support."""
        secret = self._settings.password
        password = secret.get_secret_value() if secret is not None else ""
        refused: aiosmtplib.SMTPAuthenticationError | None = None
        for method in self.supported_auth_methods:
            try:
                await _SIGN_IN[method](self, user, password)
            except aiosmtplib.SMTPAuthenticationError as error:
                refused = error
            else:
                return method.upper()
        raise refused or aiosmtplib.SMTPNotSupported("The server offers no supported AUTH method.")

    async def _prepare_tls(self) -> None:
        if self.tls_context is None:
            # Reads every authority of the system, which takes 20 ms.
            self.tls_context = await asyncio.to_thread(tls_context, self._settings)

    @contextlib.contextmanager
    def _network_errors(self) -> Iterator[None]:
        """Name the mail server in an error of the network or of TLS, which is the cause."""
        try:
            yield
        except aiosmtplib.SMTPConnectResponseError:
            raise
        except OSError as error:
            cause = error.__cause__ if isinstance(error, aiosmtplib.SMTPConnectError) else error
            where = f"{self._settings.host} on port {self._settings.port}"
            if isinstance(error, TimeoutError):
                raise aiosmtplib.SMTPConnectTimeoutError(
                    f"Timed out connecting to {where}"
                ) from cause
            text = f"Error connecting to {where}: {cause}"
            raise aiosmtplib.SMTPConnectError(text) from cause
