"""One claimed outbox row: compose, send, record what became of it."""

import asyncio
import json
import random
from datetime import UTC

from sysndd_core.errors import LeaseLost
from sysndd_core.leases import Claim
from sysndd_core.logging import get_logger
from sysndd_core.outbox import MailRows
from sysndd_core.settings import SmtpSettings
from sysndd_mailer.compose import Composer, MailNotComposable
from sysndd_mailer.smtp import Refused, Sent, send

log = get_logger(__name__)

_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 3600.0


class Delivery:
    """Performs the mail queue's rows.

    Args:
        rows: the outbox.
        composer: renders them.
        smtp: transport.
    """

    def __init__(self, rows: MailRows, composer: Composer, smtp: SmtpSettings) -> None:
        self._rows = rows
        self._composer = composer
        self._smtp = smtp

    async def perform(self, claim: Claim) -> None:
        """Send one mail. The row is closed only after the server's final answer."""
        try:
            await self._perform(claim)
        except LeaseLost:
            log.warning("mail_lease_lost", mail_id=claim.id)
        except asyncio.CancelledError:
            # Broken off before an answer: whoever claims the row next sends it again under the
            # same Message-ID. Written by the lease running out, so nothing is done here.
            log.warning("mail_broken_off", mail_id=claim.id, reason=claim.ending)

    async def _perform(self, claim: Claim) -> None:
        row = claim.row
        try:
            message = self._composer.compose(
                template=row["template"],
                context=json.loads(row["context"]),
                recipient=row["recipient"],
                message_id=row["message_id"],
                date=row["created_at"].replace(tzinfo=UTC),
            )
        except MailNotComposable as error:
            log.error("mail_dead", mail_id=claim.id, reason=error.detail)
            await self._rows.dead(claim, None, error.detail)
            return
        outcome = await send(message, self._smtp)
        if isinstance(outcome, Sent):
            log.info("mail_sent", mail_id=claim.id, purpose=row["purpose"])
            await self._rows.sent(claim, outcome.reply)
            return
        await self._refused(claim, outcome)

    async def _refused(self, claim: Claim, outcome: Refused) -> None:
        last = claim.attempt >= claim.row["max_attempts"]
        log.warning(
            "mail_refused",
            mail_id=claim.id,
            smtp_code=outcome.code,
            reply=outcome.reply,
            transient=outcome.transient,
        )
        if last or not outcome.transient:
            await self._rows.dead(claim, outcome.code, outcome.reply)
            return
        await self._rows.retry(
            claim, after_seconds=pause(claim.attempt), code=outcome.code, reply=outcome.reply
        )


def pause(attempt: int) -> float:
    """Return the seconds before the next try: doubling, capped, with full jitter above a half.

    Without jitter all mails that one outage held up come back in the same second.
    """
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (attempt - 1))
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
