"""Renders mails that wait, so that an administrator sees what would be sent; links masked.

What was tried has its preview already; this is for mails behind an open breaker or a long queue.
"""

import asyncio

from sysndd_core.errors import SysnddError
from sysndd_core.logging import get_logger
from sysndd_mailer.compose import MASK, Composer, MailRenderFailed
from sysndd_mailer.outbox_rows import OutboxRows

log = get_logger(__name__)

_PAUSE = 5.0
_AT_ONCE = 50


class Previews:
    """Writes previews in the background.

    Args:
        rows: the outbox.
        composer: renders.
    """

    def __init__(self, rows: OutboxRows, composer: Composer) -> None:
        self._rows = rows
        self._composer = composer
        self._impossible: set[str] = set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await asyncio.sleep(_PAUSE)
            try:
                await self.render_waiting()
            except SysnddError as error:
                log.warning("preview_write_failed", code=error.code)

    async def render_waiting(self) -> None:
        """Render the newest mails that wait without a preview."""
        for row in await self._rows.without_preview(limit=_AT_ONCE + len(self._impossible)):
            if row["id"] in self._impossible:
                continue
            try:
                context = self._composer.context(row["template"], row["context"])
                # The mask in the token's place: no token is made for a look.
                preview = self._composer.render(row["template"], context, MASK).document()
            except MailRenderFailed:
                # Its attempt will say so; until then it is not asked for again.
                self._impossible.add(row["id"])
                continue
            await self._rows.show(row["id"], preview)
