"""Renders queued emails, so that administrators see what will be sent, with masked tokens.

Each attempt stores a preview. This is for emails that wait for the circuit breaker or in a long
queue.
"""

import asyncio

from sysndd_core.errors import SysnddError
from sysndd_core.logging import get_logger
from sysndd_mailer.compose import MASK, Composer, MailRenderFailed
from sysndd_mailer.outbox_rows import OutboxRows

log = get_logger(__name__)

_INTERVAL = 5.0
_BATCH_SIZE = 50


class Previews:
    """Stores previews in the background.

    Args:
        rows: The outbox.
        composer: Renders the emails.
    """

    def __init__(self, rows: OutboxRows, composer: Composer) -> None:
        self._rows = rows
        self._composer = composer
        self._failed: set[str] = set()

    async def run(self) -> None:
        """Render previews until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL)
            try:
                await self.render_queued()
            except SysnddError as error:
                log.warning("preview_write_failed", code=error.code)

    async def render_queued(self) -> None:
        """Render the latest queued emails that have no preview."""
        for mail in await self._rows.without_preview(limit=_BATCH_SIZE + len(self._failed)):
            if mail.id in self._failed:
                continue
            try:
                context = self._composer.context(mail.template, mail.context)
                # A preview needs no valid token.
                preview = self._composer.render(mail.template, context, MASK).document()
            except MailRenderFailed:
                # The attempt reports the error; do not render the row again until then.
                self._failed.add(mail.id)
                continue
            await self._rows.store_preview(mail.id, preview)
