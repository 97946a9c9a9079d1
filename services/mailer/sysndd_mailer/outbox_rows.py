"""The outbox as a mailer works through it: claimed by the batch, every write fenced."""

import json

from sysndd_core.db.database import Database, Row
from sysndd_core.errors import LeaseLost
from sysndd_core.jobs.leases import Claim, ClaimState
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.mail.outbox import MailRows, MailState
from sysndd_mailer.circuit_breaker import CircuitBreaker

Preview = dict[str, str]
"""Subject, text and html as rendered, with links masked."""


class OutboxRows(MailRows):
    """Claims, closes and reclaims rows of the ``mail`` table.

    Args:
        database: the process's pool.
        wake_up: how mailers are told.
        circuit_breaker: nothing is due while it is open.
        domain: right side of a Message-ID.
    """

    claimed_columns = (
        "id, attempt, max_attempts, purpose, recipient, template, context, message_id, on_unknown_outcome,"
        " request_id, created_at"
    )

    def __init__(
        self, database: Database, wake_up: WakeUp, circuit_breaker: CircuitBreaker, *, domain: str
    ) -> None:
        super().__init__(database, wake_up, domain=domain)
        self.undeliverable = f"{database.ops}.undeliverable_address"
        self._circuit_breaker = circuit_breaker

    async def claim_batch(self, worker: str, limit: int) -> list[Claim]:
        """Take up to ``limit`` rows, those that have been due the longest first."""
        return [] if self._circuit_breaker.is_open else await super().claim_batch(worker, limit)

    async def cancel_requested(self, claim: Claim) -> bool:
        """Nobody can ask for it: a mail in progress is finished."""
        return False

    async def mark_content_started(self, claim: Claim) -> None:
        """Record, before the content is sent, that from now on the mail may have arrived.

        Raises:
            LeaseLost: as ``write``; nothing may be sent.
        """
        await self.write(claim, "phase = 'data'", ())

    async def sent(self, claim: Claim, reply: str, preview: Preview) -> None:
        """Close a mail that the server accepted.

        Fenced by the attempt number alone: a row whose lease ran out meanwhile, and that the sweep
        has put back, is still closed as long as nobody has claimed it since. Calling it again after
        an error changes nothing.

        Raises:
            LeaseLost: another mailer has claimed the row.
        """
        claim.state = ClaimState.CLOSING
        ours = "WHERE id = %s AND attempt = %s"
        async with self.database.connection() as connection:
            changed = await connection.execute(
                f"UPDATE {self.table} SET state = 'sent', finished_at = UTC_TIMESTAMP(6),"
                " lease_until = NULL, phase = NULL, last_code = 250, last_reply = %s, preview = %s"
                f" {ours} AND state IN ('running', 'queued', 'held')",
                (reply[:500], json.dumps(preview), *claim.fencing_token),
            )
            # None changed: an earlier call may have committed although its answer was lost.
            if not changed and not await connection.fetch_one(
                f"SELECT 1 FROM {self.table} {ours} AND state = 'sent'", claim.fencing_token
            ):
                raise LeaseLost(f"{claim.id} was sent, and claimed by another mailer meanwhile.")

    async def fail(
        self, claim: Claim, code: int | None, reply: str, preview: Preview | None = None
    ) -> None:
        """Close a mail that will never be accepted."""
        await self._ended_badly(claim, MailState.FAILED, code, reply, preview)

    async def hold(self, claim: Claim, reply: str, preview: Preview) -> None:
        """Leave to a person whether a mail that may have arrived is sent again."""
        await self._ended_badly(claim, MailState.HELD, None, reply, preview)

    async def cancelled(self, claim: Claim, reason: str) -> None:
        """Close a mail whose purpose is gone, such as one with a link that is used already."""
        await self._ended_badly(claim, MailState.CANCELLED, None, reason, None)

    async def _ended_badly(
        self, claim: Claim, state: MailState, code: int | None, reply: str, preview: Preview | None
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
        claim: Claim,
        *,
        after_seconds: float,
        code: int | None,
        reply: str,
        preview: Preview | None = None,
        spent: bool = True,
    ) -> None:
        """Queue a mail again for later.

        Args:
            spent: whether it used up an attempt. The attempt number itself only ever grows (it is
                the fence), so one that was not used up raises the limit.
        """
        claim.state = ClaimState.CLOSING
        more = "" if spent else " max_attempts = max_attempts + 1,"
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
        """Cancel what has expired, hold what may have arrived, take the rest from the dead."""
        await self._change_unlocked(
            "state = 'queued' AND expires_at <= UTC_TIMESTAMP(6)",
            "state = 'cancelled', finished_at = UTC_TIMESTAMP(6),"
            " last_reply = 'It expired before it could be sent.'",
        )
        await self._change_unlocked(
            "state = 'running' AND lease_until < UTC_TIMESTAMP(6)"
            " AND phase = 'data' AND on_unknown_outcome = 'hold'",
            "state = 'held', finished_at = UTC_TIMESTAMP(6), lease_until = NULL, worker = NULL,"
            " last_reply = 'The mailer stopped while the content was under way.'",
        )
        return await super().reclaim()

    def _lost_columns(self, last: str) -> str:
        return " phase = NULL,"

    async def mark_undeliverable(self, recipient: str, code: int | None, reply: str) -> None:
        """Remember that a mail server called an address impossible."""
        await self.database.execute(
            f"INSERT INTO {self.undeliverable} (recipient, since, code, reply)"
            " VALUES (%s, UTC_TIMESTAMP(6), %s, %s)"
            " ON DUPLICATE KEY UPDATE code = %s, reply = %s",
            (recipient, code, reply[:500], code, reply[:500]),
        )

    async def without_preview(self, *, limit: int) -> list[Row]:
        """Read mails that wait and that nobody has rendered yet: id, template and context."""
        return await self.database.fetch_all(
            f"SELECT id, template, context FROM {self.table} WHERE state IN ('queued', 'held')"
            " AND preview IS NULL AND created_at < UTC_TIMESTAMP(6) - INTERVAL 2 SECOND"
            " ORDER BY created_at DESC LIMIT %s",
            (limit,),
        )

    async def show(self, mail_id: str, preview: Preview) -> None:
        """Write how a mail that waits will look."""
        await self.database.execute(
            f"UPDATE {self.table} SET preview = %s WHERE id = %s AND preview IS NULL",
            (json.dumps(preview), mail_id),
        )
