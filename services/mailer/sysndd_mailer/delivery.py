"""One claimed outbox row: compose, send, record what became of it."""

import asyncio
import json
import random
from datetime import UTC
from typing import Any

from sysndd_core.errors import LeaseLost
from sysndd_core.leases import Claim
from sysndd_core.logging import get_logger
from sysndd_core.outbox import MailRows, OnDoubt
from sysndd_mailer.breaker import Breaker
from sysndd_mailer.compose import Composer, Context, LinkMail, MailNotComposable
from sysndd_mailer.links import KeyNotSet, LinkNotWanted, Links
from sysndd_mailer.smtp import Connections, Fate, Outcome

log = get_logger(__name__)

_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 1800.0
_KEY_PAUSE = 60.0


class Delivery:
    """Performs the mail queue's rows.

    Args:
        rows: the outbox.
        composer: renders them.
        links: makes the links in them.
        connections: transport.
        breaker: opened when the transport is broken.
    """

    def __init__(
        self,
        rows: MailRows,
        composer: Composer,
        links: Links,
        connections: Connections,
        breaker: Breaker,
    ) -> None:
        self._rows = rows
        self._composer = composer
        self._links = links
        self._connections = connections
        self._breaker = breaker

    async def perform(self, claim: Claim) -> None:
        """Send one mail. The row is closed only after the server's final answer."""
        try:
            await self._perform(claim)
        except LeaseLost:
            log.warning("mail_lease_lost", mail_id=claim.id)
        except MailNotComposable as error:
            log.error("mail_dead", mail_id=claim.id, reason=error.detail)
            await self._rows.dead(claim, None, error.detail)
        except LinkNotWanted as error:
            log.info("mail_cancelled", mail_id=claim.id, reason=error.detail)
            await self._rows.cancelled(claim, error.detail)
        except KeyNotSet as error:
            log.error("mail_waits", mail_id=claim.id, reason=error.detail)
            await self._rows.retry(
                claim, after_seconds=_KEY_PAUSE, code=None, reply=error.detail, spent=False
            )
        except asyncio.CancelledError:
            # Broken off before an answer: whoever claims the row next sends it again under the
            # same Message-ID. Written by the lease running out, so nothing is done here.
            log.warning("mail_broken_off", mail_id=claim.id, reason=claim.ending)

    async def _perform(self, claim: Claim) -> None:
        row = claim.row
        context = self._composer.context(row["template"], json.loads(row["context"]))
        token = await self._token(context)
        rendered = self._composer.render(row["template"], context, token)
        message = self._composer.message(
            rendered,
            recipient=row["recipient"],
            message_id=row["message_id"],
            date=row["created_at"].replace(tzinfo=UTC),
        )

        async def before_content() -> None:
            await self._rows.sending(claim, rendered.masked(token).document())

        outcome = await self._connections.send(message, before_content)
        await self._record(claim, outcome)

    async def _token(self, context: Context) -> str | None:
        if isinstance(context, LinkMail):
            return await self._links.token(context.token_purpose, context.token_id)
        return None

    async def _record(self, claim: Claim, outcome: Outcome) -> None:
        row, rows = claim.row, self._rows
        facts: dict[str, Any] = {
            "mail_id": claim.id, "purpose": row["purpose"], "smtp_code": outcome.code,
        }  # fmt: skip
        if outcome.fate is Fate.SENT:
            log.info("mail_sent", **facts)
            await rows.sent(claim, outcome.reply)
            return
        log.warning("mail_not_sent", fate=outcome.fate.value, reply=outcome.reply, **facts)
        if outcome.fate is Fate.TRANSPORT:
            self._breaker.open(outcome.code, outcome.reply)
            await rows.retry(
                claim, after_seconds=0, code=outcome.code, reply=outcome.reply, spent=False
            )
        elif outcome.fate is Fate.DOUBT and row["on_doubt"] == OnDoubt.HOLD:
            await rows.hold(claim, f"It may have arrived. {outcome.reply}")
        elif outcome.fate in (Fate.RETRY, Fate.DOUBT) and claim.attempt < row["max_attempts"]:
            await rows.retry(
                claim, after_seconds=pause(claim.attempt), code=outcome.code, reply=outcome.reply
            )
        else:
            if outcome.fate is Fate.NO_SUCH_RECIPIENT:
                await rows.mark_undeliverable(row["recipient"], outcome.code, outcome.reply)
            await rows.dead(claim, outcome.code, outcome.reply)


def pause(attempt: int) -> float:
    """Return the seconds before the next try: doubling, capped, with full jitter above a half.

    Without jitter all mails that one outage held up come back in the same second.
    """
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt - 1, 20))
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
