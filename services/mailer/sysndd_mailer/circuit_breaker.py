"""Stops sending while the mail server rejects the connection or sender; resumes automatically.

With invalid credentials or an expired certificate, every email fails. Trying each one would use up
its attempts, and the server might lock the account. So a probe checks when sending works again.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable

from sysndd_core.errors import SysnddError
from sysndd_core.logging import get_logger
from sysndd_core.mail.smtp_probe import probe
from sysndd_core.mail.transport import TransportRows
from sysndd_core.settings.smtp import SmtpSettings

log = get_logger(__name__)

_FIRST_DELAY = 5.0
_LONGEST_DELAY = 60.0

Probe = Callable[[], Awaitable[str | None]]
"""Tests the mail server without sending an email; returns the error, or None on success."""


def prober(settings: SmtpSettings) -> Probe:
    """Return a probe that tests the mail server up to MAIL FROM.

    Args:
        settings: Address and credentials of the mail server.
    """

    async def run_probe() -> str | None:
        found = await probe(settings)
        return None if found.success else f"{found.stage}: {found.error}"

    return run_probe


class CircuitBreaker:
    """Closed while emails may be sent.

    Args:
        probe: Tests the mail server.
        rows: Table in which the state is stored, for the health check.
        name: Worker name of this mailer.
        first_delay: Seconds before the first probe; the delay doubles up to one minute.
    """

    def __init__(
        self, probe: Probe, rows: TransportRows, *, name: str, first_delay: float = _FIRST_DELAY
    ) -> None:
        self._probe = probe
        self._rows = rows
        self._name = name
        self._first_delay = first_delay
        self._opened = asyncio.Event()
        self._reason: tuple[int | None, str] = (None, "")

    @property
    def is_open(self) -> bool:
        """Whether sending is stopped."""
        return self._opened.is_set()

    def open(self, code: int | None, reason: str) -> None:
        """Stop sending until a probe succeeds; no effect if the breaker is open.

        Args:
            code: SMTP reply code, if there was one.
            reason: Reason for the operator.
        """
        if not self.is_open:
            log.error("mail_transport_failed", smtp_code=code, reason=reason)
            self._reason = (code, reason)
            self._opened.set()

    async def run(self, closed: Callable[[], Awaitable[None]]) -> None:
        """Probe the mail server while the breaker is open, and close it; until cancelled.

        Args:
            closed: Awaited each time the breaker closes.
        """
        await self._write_state("closed", None, None)
        try:
            while True:
                await self._opened.wait()
                await self._write_state("open", *self._reason)
                await self._until_probe_succeeds()
                self._opened.clear()
                log.info("mail_transport_recovered")
                await self._write_state("closed", None, None)
                await closed()
        finally:
            await self._remove_state()

    async def _until_probe_succeeds(self) -> None:
        delay = self._first_delay
        while True:
            await asyncio.sleep(random.uniform(delay / 2, delay))  # noqa: S311 - spreads load
            reason = await self._probe()
            if reason is None:
                return
            log.warning("mail_transport_probe_failed", reason=reason)
            await self._write_state("open", self._reason[0], reason)
            delay = min(_LONGEST_DELAY, delay * 2)

    async def _write_state(self, state: str, code: int | None, reason: str | None) -> None:
        try:
            await self._rows.write(self._name, state, code, reason)
        except SysnddError as error:
            log.warning("breaker_state_write_failed", code=error.code)

    async def _remove_state(self) -> None:
        try:
            await self._rows.remove(self._name)
        except SysnddError as error:
            log.warning("breaker_state_write_failed", code=error.code)
