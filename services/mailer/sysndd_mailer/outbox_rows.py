"""The outbox for the mailer: rows are claimed in batches, each write carries a fencing token."""

import json
from dataclasses import dataclass

from sysndd_core.db.database import Database
from sysndd_core.errors import LeaseLost
from sysndd_core.jobs.leases import ClaimState
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.mail.outbox import MailClaim, MailRows, MailState
from sysndd_mailer.circuit_breaker import CircuitBreaker

Preview = dict[str, str]
"""The rendered ``subject``, ``text`` and ``html``, with masked tokens."""


@dataclass(frozen=True)
class UnrenderedMail:
    """An email without a preview: its ID, its template and the JSON document of its context."""

    id: str
    template: str
    context: str


class OutboxRows(MailRows):
    """Claims, closes and reclaims rows of the table ``mail``.

    Args:
        database: Connection pool of the process.
        wake_up: Wakes the mailers.
        circuit_breaker: No row is claimed while it is open.
        domain: Domain of new Message-IDs.
    """

    def __init__(
        self, database: Database, wake_up: WakeUp, circuit_breaker: CircuitBreaker, *, domain: str
    ) -> None:
        super().__init__(database, wake_up, domain=domain)
        self.undeliverable = f"{database.ops}.undeliverable_address"
        self._circuit_breaker = circuit_breaker

    async def claim_batch(self, worker: str, limit: int) -> list[MailClaim]:
        """Claim up to ``limit`` rows, those that have been due the longest first."""
        return [] if self._circuit_breaker.is_open else await super().claim_batch(worker, limit)

    async def cancel_requested(self, claim: MailClaim) -> bool:
        """Return False, because a running delivery cannot be cancelled."""
        return False

    async def mark_content_started(self, claim: MailClaim) -> None:
        """Record, before the content is sent, that the email may have arrived from now on.

        Raises:
            LeaseLost: As for ``write``; the content must not be sent.
        """
        await self.write(claim, "phase = 'data'", ())

    async def mark_sent(self, claim: MailClaim, reply: str, preview: Preview) -> None:
        """Close the row of an email that the server accepted. May be repeated after an error.

        Only the attempt number is compared: if the lease expired and the sweep queued the row
        again, the row is still closed unless another mailer has claimed it.

        Args:
            claim: The claim of the row.
            reply: Reply of the server.
            preview: The email that was sent, with masked tokens.

        Raises:
            LeaseLost: Another mailer has claimed the row.
        """
        claim.state = ClaimState.CLOSING
        same_attempt = "WHERE id = %s AND attempt = %s"
        async with self.database.connection() as connection:
            changed = await connection.execute(
                f"UPDATE {self.table} SET state = 'sent', finished_at = UTC_TIMESTAMP(6),"
                " lease_until = NULL, phase = NULL, last_code = 250, last_reply = %s, preview = %s"
                f" {same_attempt} AND state IN ('running', 'queued', 'held')",
                (reply[:500], json.dumps(preview), *claim.fencing_token),
            )
            # An earlier call may have committed although its reply was lost.
            if not changed and not await connection.fetch_one(
                f"SELECT 1 FROM {self.table} {same_attempt} AND state = 'sent'",
                claim.fencing_token,
            ):
                raise LeaseLost(
                    f"The email {claim.id} was sent, but another mailer has claimed its row."
                )

    async def fail(
        self, claim: MailClaim, code: int | None, reply: str, preview: Preview | None = None
    ) -> None:
        """Close the row of an email that failed permanently.

        Args:
            claim: The claim of the row.
            code: SMTP reply code, if there was one.
            reply: Reply of the server, or the reason.
            preview: The rendered email with masked tokens, if it could be rendered.

        Raises:
            LeaseLost: As for ``write``.
        """
        await self._end_unsent(claim, MailState.FAILED, code, reply, preview)

    async def hold(self, claim: MailClaim, reply: str, preview: Preview) -> None:
        """Put an email whose delivery is unknown on hold; an operator decides whether to resend.

        Raises:
            LeaseLost: As for ``write``.
        """
        await self._end_unsent(claim, MailState.HELD, None, reply, preview)

    async def cancel(self, claim: MailClaim, reason: str) -> None:
        """Cancel an email that is obsolete, for example because its link has been used.

        Raises:
            LeaseLost: As for ``write``.
        """
        await self._end_unsent(claim, MailState.CANCELLED, None, reason, None)

    async def _end_unsent(
        self,
        claim: MailClaim,
        state: MailState,
        code: int | None,
        reply: str,
        preview: Preview | None,
    ) -> None:
        await self.end(
            claim,
            state,
            "phase = NULL, last_code = %s, last_reply = %s, preview = COALESCE(%s, preview)",
            code,
            reply[:500],
            json.dumps(preview) if preview else None,
        )

    async def retry(
        self,
        claim: MailClaim,
        *,
        after_seconds: float,
        code: int | None,
        reply: str,
        preview: Preview | None = None,
        uses_attempt: bool = True,
    ) -> None:
        """Queue an email for another attempt.

        Args:
            claim: The claim of the row.
            after_seconds: Seconds until the next attempt.
            code: SMTP reply code, if there was one.
            reply: Reply of the server, or the reason.
            preview: The rendered email with masked tokens, if it was rendered.
            uses_attempt: Whether this attempt counts. The attempt number is the fencing token and
                must not decrease, so False raises ``max_attempts``.

        Raises:
            LeaseLost: As for ``write``.
        """
        claim.state = ClaimState.CLOSING
        more = "" if uses_attempt else " max_attempts = max_attempts + 1,"
        await self.write(
            claim,
            f"state = 'queued', phase = NULL, lease_until = NULL, worker = NULL,{more}"
            " last_code = %s, last_reply = %s, preview = COALESCE(%s, preview),"
            " run_after = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND",
            (
                code,
                reply[:500],
                json.dumps(preview) if preview else None,
                int(after_seconds * 1_000_000),
            ),
        )

    async def reclaim(self) -> int:
        """Cancel expired emails, hold those whose delivery is unknown, reclaim the others."""
        await self._change_unlocked(
            "state = 'queued' AND expires_at <= UTC_TIMESTAMP(6)",
            "state = 'cancelled', finished_at = UTC_TIMESTAMP(6),"
            " last_reply = 'The email expired before it could be sent.'",
        )
        await self._change_unlocked(
            "state = 'running' AND lease_until < UTC_TIMESTAMP(6)"
            " AND phase = 'data' AND on_unknown_outcome = 'hold'",
            "state = 'held', finished_at = UTC_TIMESTAMP(6), lease_until = NULL, worker = NULL,"
            " last_reply = 'Delivery unknown: the mailer stopped while it sent the content.'",
        )
        return await super().reclaim()

    def _lost_columns(self, last: str) -> str:
        return " phase = NULL,"

    async def mark_undeliverable(self, recipient: str, code: int | None, reply: str) -> None:
        """Record that a mail server rejected an address permanently.

        Args:
            recipient: The address.
            code: SMTP reply code.
            reply: Reply of the server.
        """
        await self.database.execute(
            f"INSERT INTO {self.undeliverable} (recipient, since, code, reply)"
            " VALUES (%s, UTC_TIMESTAMP(6), %s, %s)"
            " ON DUPLICATE KEY UPDATE code = %s, reply = %s",
            (recipient, code, reply[:500], code, reply[:500]),
        )

    async def without_preview(self, *, limit: int) -> list[UnrenderedMail]:
        """Return up to ``limit`` queued or held emails without a preview, latest first."""
        rows = await self.database.fetch_all(
            f"SELECT id, template, context FROM {self.table} WHERE state IN ('queued', 'held')"
            " AND preview IS NULL AND created_at < UTC_TIMESTAMP(6) - INTERVAL 2 SECOND"
            " ORDER BY created_at DESC LIMIT %s",
            (limit,),
        )
        return [UnrenderedMail(**row) for row in rows]

    async def store_preview(self, mail_id: str, preview: Preview) -> None:
        """Store the preview of an email that has none."""
        await self.database.execute(
            f"UPDATE {self.table} SET preview = %s WHERE id = %s AND preview IS NULL",
            (json.dumps(preview), mail_id),
        )
