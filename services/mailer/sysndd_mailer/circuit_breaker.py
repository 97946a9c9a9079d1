"""Stops sending while the transport itself is broken, and starts again by itself.

With wrong credentials or an expired certificate every mail fails alike. Trying each of them would
use up their attempts and may get the account locked at the server. One probe in their stead finds
out when it works again.
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

_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 60.0

Probe = Callable[[], Awaitable[str | None]]
"""Tries the transport without a mail; returns None when it works, else why not."""


def prober(settings: SmtpSettings) -> Probe:
    """Return a probe that talks to the mail server up to MAIL FROM."""

    async def reason() -> str | None:
        found = await probe(settings)
        return None if found.success else f"{found.stage}: {found.error}"

    return reason


class CircuitBreaker:
    """Closed while mails may be sent.

    Args:
        try_it: tries the transport.
        rows: where its state is shown.
        name: of this mailer.
        first_pause: seconds before the first probe; they double up to a minute.
    """

    def __init__(
        self, try_it: Probe, rows: TransportRows, *, name: str, first_pause: float = _FIRST_PAUSE
    ) -> None:
        self._probe = try_it
        self._rows = rows
        self._name = name
        self._first_pause = first_pause
        self._opened = asyncio.Event()
        self._reason: tuple[int | None, str] = (None, "")

    @property
    def is_open(self) -> bool:
        """Whether nothing is sent."""
        return self._opened.is_set()

    def open(self, code: int | None, reason: str) -> None:
        """Send nothing until the probe has passed; a second call changes nothing."""
        if not self.is_open:
            log.error("mail_transport_failed", smtp_code=code, reason=reason)
            self._reason = (code, reason)
            self._opened.set()

    async def run(self, closed: Callable[[], Awaitable[None]]) -> None:
        """Watch until cancelled.

        Args:
            closed: awaited after each time it has closed.
        """
        await self._show("closed", None, None)
        try:
            while True:
                await self._opened.wait()
                await self._show("open", *self._reason)
                await self._until_it_works()
                self._opened.clear()
                log.info("mail_transport_recovered")
                await self._show("closed", None, None)
                await closed()
        finally:
            await self._forget()

    async def _until_it_works(self) -> None:
        pause = self._first_pause
        while True:
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads load
            reason = await self._probe()
            if reason is None:
                return
            log.warning("mail_transport_probe_failed", reason=reason)
            await self._show("open", self._reason[0], reason)
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _show(self, state: str, code: int | None, reason: str | None) -> None:
        try:
            await self._rows.write(self._name, state, code, reason)
        except SysnddError as error:
            log.warning("breaker_state_write_failed", code=error.code)

    async def _forget(self) -> None:
        try:
            await self._rows.remove(self._name)
        except SysnddError as error:
            log.warning("breaker_state_write_failed", code=error.code)
