"""Delivers a claimed outbox row: renders it, sends it and records the outcome."""

import asyncio
import contextlib
import random
import time
from datetime import UTC
from typing import Any

from sysndd_core.errors import LeaseLost, SysnddError
from sysndd_core.jobs.leases import CancelReason, ClaimState
from sysndd_core.logging import get_logger
from sysndd_core.mail.outbox import MailClaim, OnUnknownOutcome
from sysndd_mailer.circuit_breaker import CircuitBreaker
from sysndd_mailer.compose import Composer, Context, LinkMail, MailRenderFailed
from sysndd_mailer.links import LinkObsolete, Links, TokenKeyMismatch
from sysndd_mailer.outbox_rows import OutboxRows, Preview
from sysndd_mailer.smtp import ConnectionPool, DeliveryStatus, Outcome

log = get_logger(__name__)

_FIRST_DELAY = 5.0
_LONGEST_DELAY = 1800.0
_KEY_DELAY = 60.0
_COMMIT_DELAY = 0.25
_COMMIT_SECONDS = 60.0
"""How long to retry closing the row of a sent email while the database is unavailable. This is
longer than the lease: until another mailer claims the row, closing it prevents a duplicate."""


class Delivery:
    """Delivers the claimed rows of the outbox.

    Args:
        rows: The outbox.
        composer: Renders the emails.
        links: Derives the tokens of their links.
        pool: Connections to the mail server.
        circuit_breaker: Opened when the mail server rejects the connection or sender.
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
        # Two per connection: one is rendered or recorded while the other is sent.
        self._slots = asyncio.Semaphore(2 * pool.size)

    async def perform(self, claim: MailClaim) -> None:
        """Send one email. The row is closed only after the final reply of the server."""
        try:
            async with self._slots:
                if self._circuit_breaker.is_open:
                    # It opened while this email waited for a slot.
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
            await self._rows.cancel(claim, error.detail)
        except TokenKeyMismatch as error:
            log.error("mail_delivery_deferred", mail_id=claim.id, reason=error.detail)
            await self._rows.retry(
                claim,
                after_seconds=_KEY_DELAY,
                code=None,
                reply=error.detail,
                uses_attempt=False,
            )
        except asyncio.CancelledError:
            await self._handle_cancellation(claim)

    async def _handle_cancellation(self, claim: MailClaim) -> None:
        """Release an email whose delivery has not started.

        Any other email may have arrived. Its row is reclaimed when the lease expires, and it is
        resent with the same Message-ID.
        """
        log.warning("mail_interrupted", mail_id=claim.id, reason=claim.cancel_reason)
        # A stopping worker cancels only deliveries that have not started.
        if claim.cancel_reason is CancelReason.WORKER_STOPPING:
            with contextlib.suppress(LeaseLost):
                await self._rows.release(claim)

    async def _deliver(self, claim: MailClaim) -> None:
        row = claim.row
        context = self._composer.context(row.template, row.context)
        claim.state = ClaimState.SENDING
        token = await self._token(context)
        rendered = self._composer.render(row.template, context, token)
        message = self._composer.message(
            rendered,
            recipient=row.recipient,
            message_id=row.message_id,
            date=row.created_at.replace(tzinfo=UTC),
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

    async def _before_content(self, claim: MailClaim) -> None:
        """Check, before the content is sent, that no other mailer can send this email.

        An email that is resent when its delivery is unknown needs no write: the next mailer would
        act the same, and the local clock shows whether the lease is valid. From here on, only the
        reply of the server decides the delivery status, so the work cannot be cancelled.

        Raises:
            LeaseLost: Another mailer may have claimed the row; nothing was sent.
        """
        if claim.row.on_unknown_outcome == OnUnknownOutcome.HOLD:
            await self._rows.mark_content_started(claim)
        if not claim.lease_is_valid:
            raise LeaseLost(f"The lease of {claim.id} expired before its content was sent.")
        claim.state = ClaimState.CLOSING

    async def _record_sent(self, claim: MailClaim, outcome: Outcome, preview: Preview) -> None:
        """Close the row of a sent email; retry while the database is unavailable.

        Raises:
            LeaseLost: Another mailer has claimed the row.
            SysnddError: The database was unavailable for ``_COMMIT_SECONDS``.
        """
        log.info("mail_sent", purpose=claim.row.purpose)
        give_up_at = time.monotonic() + _COMMIT_SECONDS
        while True:
            try:
                await self._rows.mark_sent(claim, outcome.reply, preview)
                return
            except LeaseLost:
                raise
            except SysnddError as error:
                if time.monotonic() > give_up_at:
                    raise
                log.warning("sent_mail_commit_delayed", code=error.code)
                await asyncio.sleep(_COMMIT_DELAY)

    async def _record_failure(self, claim: MailClaim, outcome: Outcome, preview: Preview) -> None:
        row, rows, status = claim.row, self._rows, outcome.status
        log.warning(
            "mail_delivery_failed",
            status=status.value,
            reply=outcome.reply,
            purpose=row.purpose,
            smtp_code=outcome.code,
        )
        reply: dict[str, Any] = {"code": outcome.code, "reply": outcome.reply, "preview": preview}
        unknown = status is DeliveryStatus.DELIVERY_UNKNOWN
        if status is DeliveryStatus.TRANSPORT_BROKEN:
            self._circuit_breaker.open(outcome.code, outcome.reply)
            await rows.retry(claim, after_seconds=0, uses_attempt=False, **reply)
        elif unknown and row.on_unknown_outcome == OnUnknownOutcome.HOLD:
            await rows.hold(claim, f"Delivery unknown: {outcome.reply}", preview)
        elif (unknown or status is DeliveryStatus.RETRY) and claim.attempt < row.max_attempts:
            await rows.retry(claim, after_seconds=retry_delay(claim.attempt), **reply)
        else:
            if status is DeliveryStatus.NO_SUCH_RECIPIENT:
                await rows.mark_undeliverable(row.recipient, outcome.code, outcome.reply)
            await rows.fail(claim, **reply)


def retry_delay(attempt: int) -> float:
    """Return the seconds before the next attempt.

    The upper limit doubles with each attempt, up to half an hour. The delay is random between half
    of the limit and the limit. Otherwise all emails that one outage delayed would be retried in the
    same second.

    Args:
        attempt: Number of the failed attempt, starting at 1.
    """
    longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2 ** min(attempt - 1, 20))
    return random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, keeps no secret
