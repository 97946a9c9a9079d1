"""One claimed outbox row: compose, send, record the outcome."""

import asyncio
import contextlib
import random
import time
from datetime import UTC
from typing import Any

from sysndd_core.errors import LeaseLost, SysnddError
from sysndd_core.jobs.leases import CancelReason, Claim, ClaimState
from sysndd_core.logging import get_logger
from sysndd_core.mail.outbox import OnUnknownOutcome
from sysndd_mailer.circuit_breaker import CircuitBreaker
from sysndd_mailer.compose import Composer, Context, LinkMail, MailRenderFailed
from sysndd_mailer.links import LinkObsolete, Links, TokenKeyMismatch
from sysndd_mailer.outbox_rows import OutboxRows, Preview
from sysndd_mailer.smtp import ConnectionPool, DeliveryStatus, Outcome

log = get_logger(__name__)

_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 1800.0
_KEY_PAUSE = 60.0
_COMMIT_PAUSE = 0.25
_COMMIT_SECONDS = 60.0
"""How long a database that is away is asked to close the row of a sent mail: far beyond the lease,
since until somebody claims the row again, closing it spares the recipient a second copy."""


class Delivery:
    """Performs the mail queue's rows.

    Args:
        rows: the outbox.
        composer: renders them.
        links: makes the links in them.
        pool: connections to the mail server.
        circuit_breaker: opened when the transport is broken.
    """

    def __init__(
        self,
        rows: OutboxRows,
        composer: Composer,
        links: Links,
        pool: ConnectionPool,
        circuit_breaker: CircuitBreaker,
    ) -> None:
        self._rows = rows
        self._composer = composer
        self._links = links
        self._pool = pool
        self._circuit_breaker = circuit_breaker
        # Two per connection: one is composed or recorded while the other is sent.
        self._slots = asyncio.Semaphore(2 * pool.size)

    async def perform(self, claim: Claim) -> None:
        """Send one mail. The row is closed only after the server's final answer."""
        try:
            async with self._slots:
                if self._circuit_breaker.is_open:
                    # It opened while this mail waited for its slot.
                    await self._rows.release(claim)
                else:
                    await self._deliver(claim)
        except LeaseLost:
            log.warning("mail_lease_lost", mail_id=claim.id)
        except MailRenderFailed as error:
            log.error("mail_failed", mail_id=claim.id, reason=error.detail)
            await self._rows.fail(claim, None, error.detail)
        except LinkObsolete as error:
            log.info("mail_cancelled", mail_id=claim.id, reason=error.detail)
            await self._rows.cancelled(claim, error.detail)
        except TokenKeyMismatch as error:
            log.error("mail_delivery_deferred", mail_id=claim.id, reason=error.detail)
            await self._rows.retry(
                claim, after_seconds=_KEY_PAUSE, code=None, reply=error.detail, spent=False
            )
        except asyncio.CancelledError:
            await self._cancelled(claim)

    async def _cancelled(self, claim: Claim) -> None:
        """Release a mail that was not begun.

        Any other may have arrived: whoever claims the row next, once its lease has run out, sends it
        again under the same Message-ID.
        """
        log.warning("mail_interrupted", mail_id=claim.id, reason=claim.cancel_reason)
        # A stopping worker cancels only what was not begun.
        if claim.cancel_reason is CancelReason.WORKER_STOPPING:
            with contextlib.suppress(LeaseLost):
                await self._rows.release(claim)

    async def _deliver(self, claim: Claim) -> None:
        row = claim.row
        context = self._composer.context(row["template"], row["context"])
        claim.state = ClaimState.SENDING
        token = await self._token(context)
        rendered = self._composer.render(row["template"], context, token)
        message = self._composer.message(
            rendered,
            recipient=row["recipient"],
            message_id=row["message_id"],
            date=row["created_at"].replace(tzinfo=UTC),
        )
        outcome = await self._pool.send(message, lambda: self._before_content(claim))
        preview = rendered.masked(token).document()
        if outcome.status is DeliveryStatus.SENT:
            await self._record_sent(claim, outcome, preview)
        else:
            await self._record_failure(claim, outcome, preview)

    async def _token(self, context: Context) -> str | None:
        if isinstance(context, LinkMail):
            return await self._links.token(context.token_purpose, context.token_id)
        return None

    async def _before_content(self, claim: Claim) -> None:
        """Make sure, right before the content is sent, that nobody else may send this mail.

        A mail that is sent again when its outcome is unknown needs nothing written: a successor would
        not act differently, and our own clock tells that there is none. From here on only the
        server's answer tells what became of the mail, so nothing cancels it any more.

        Raises:
            LeaseLost: another mailer may have claimed it; nothing was sent.
        """
        if claim.row["on_unknown_outcome"] == OnUnknownOutcome.HOLD:
            await self._rows.mark_content_started(claim)
        if not claim.lease_is_valid:
            raise LeaseLost(f"The lease of {claim.id} ran out before its content was sent.")
        claim.state = ClaimState.CLOSING

    async def _record_sent(self, claim: Claim, outcome: Outcome, preview: Preview) -> None:
        """Close the row, asking a database that is away until it answers.

        Raises:
            LeaseLost: another mailer has claimed the row since.
            SysnddError: the database did not answer for a minute.
        """
        log.info("mail_sent", purpose=claim.row["purpose"])
        give_up_at = time.monotonic() + _COMMIT_SECONDS
        while True:
            try:
                await self._rows.sent(claim, outcome.reply, preview)
                return
            except LeaseLost:
                raise
            except SysnddError as error:
                if time.monotonic() > give_up_at:
                    raise
                log.warning("sent_mail_commit_delayed", code=error.code)
                await asyncio.sleep(_COMMIT_PAUSE)

    async def _record_failure(self, claim: Claim, outcome: Outcome, preview: Preview) -> None:
        row, rows, status = claim.row, self._rows, outcome.status
        log.warning(
            "mail_delivery_failed",
            status=status.value,
            reply=outcome.reply,
            purpose=row["purpose"],
            smtp_code=outcome.code,
        )
        reply: dict[str, Any] = {"code": outcome.code, "reply": outcome.reply, "preview": preview}
        unknown = status is DeliveryStatus.DELIVERY_UNKNOWN
        if status is DeliveryStatus.TRANSPORT_BROKEN:
            self._circuit_breaker.open(outcome.code, outcome.reply)
            await rows.retry(claim, after_seconds=0, spent=False, **reply)
        elif unknown and row["on_unknown_outcome"] == OnUnknownOutcome.HOLD:
            await rows.hold(claim, f"It may have arrived. {outcome.reply}", preview)
        elif (unknown or status is DeliveryStatus.RETRY) and claim.attempt < row["max_attempts"]:
            await rows.retry(claim, after_seconds=retry_pause(claim.attempt), **reply)
        else:
            if status is DeliveryStatus.NO_SUCH_RECIPIENT:
                await rows.mark_undeliverable(row["recipient"], outcome.code, outcome.reply)
            await rows.fail(claim, **reply)


def retry_pause(attempt: int) -> float:
    """Return the seconds before the next attempt: doubling, capped, jittered above one half.

    Without jitter all mails that one outage held up come back in the same second.
    """
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempt - 1, 20))
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
