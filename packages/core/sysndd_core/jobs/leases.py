"""Rows that workers take on lease: claim, heartbeat, fencing, reclaim.

The row is the truth and Redis only a wake-up. A worker claims a row by compare-and-set under
``FOR UPDATE SKIP LOCKED``; every later write carries the attempt number it got (a fencing token),
so a worker that was taken for dead can never overwrite the work of its successor.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sysndd_core.db.database import Database, Row
from sysndd_core.errors import DatabaseBusy, LeaseLost
from sysndd_core.jobs.models import Queue
from sysndd_core.logging import get_logger

log = get_logger(__name__)

LEASE_SECONDS = 12
"""With the sweep's 10 s this bounds how long the row of a killed worker lies there: 22 s."""

# Seconds. What was rolled back (a deadlock, a lock that was held too long) is no reason to break
# off an hour of work.
_REPEAT_AFTER = (0.05, 0.2, 0.5)

_T = TypeVar("_T")


class CancelReason(StrEnum):
    """Why the work on a claimed row is cancelled."""

    CANCEL_REQUESTED = "cancel_requested"
    LEASE_LOST = "lease_lost"
    WORKER_STOPPING = "worker_stopping"


class ClaimState(StrEnum):
    """How far the work on a claimed row has come, and so what may still cancel it."""

    CLAIMED = "claimed"
    """Anything cancels it: a request, a lost lease, a stopping worker."""
    SENDING = "sending"
    """A stopping worker waits for its end; a request or a lost lease still cancels it."""
    CLOSING = "closing"
    """Past the point of no return: nothing cancels it."""
    CANCELLED = "cancelled"
    """Its task has been cancelled, once, for ``Claim.cancel_reason``."""


FencingToken = tuple[str, int]
"""A row's id and the attempt that may write to it."""


@dataclass
class Claim:
    """One row in one worker's hands.

    Attributes:
        id: the row's primary key.
        attempt: fencing token; 1 for the first start.
        row: the columns that the table hands out, as they were when claimed.
        state: set by the work; it only moves forward.
        cancel_reason: set just before the work's task is cancelled, so that it knows why.
        lease_until: when the lease ends by this process's own ``time.monotonic()``; renewed by the
            heartbeat. It is counted from before the server was asked, so it is never too late.
    """

    id: str
    attempt: int
    row: Row
    state: ClaimState = ClaimState.CLAIMED
    cancel_reason: CancelReason | None = None
    lease_until: float = float("inf")

    @property
    def fencing_token(self) -> FencingToken:
        """Unique to this claim; a row lost and claimed again by the same worker has another."""
        return self.id, self.attempt

    @property
    def lease_is_valid(self) -> bool:
        """Whether nobody else can have claimed the row yet; answered without the database."""
        return time.monotonic() < self.lease_until

    def cancel(self, reason: CancelReason) -> bool:
        """Record that the work is to be cancelled.

        Returns:
            Whether the caller must cancel the task: not past the point of no return, nor twice.
        """
        if self.state in (ClaimState.CLOSING, ClaimState.CANCELLED):
            return False
        if reason is CancelReason.WORKER_STOPPING and self.state is not ClaimState.CLAIMED:
            return False
        self.state, self.cancel_reason = ClaimState.CANCELLED, reason
        return True


class LeasedTable:
    """Claim, renew and reclaim rows of one table of the platform schema.

    Args:
        database: the process's pool.
        table: ``job`` or ``mail``; both have state, attempt, max_attempts, run_after, lease_until,
            worker, started_at and finished_at.
        exhausted: state of a row whose last attempt was lost.
    """

    queue: Queue
    keeps_log_lines = False
    """Whether a worker keeps the log lines of each row's work in the platform schema."""
    claimed_columns = "*"
    """Columns of ``Claim.row``; ``id`` and ``attempt`` must be among them."""

    def __init__(self, database: Database, *, table: str, exhausted: str) -> None:
        self.database = database
        self.table = f"{database.ops}.`{table}`"
        self.exhausted = exhausted
        self.id_name = f"{table}_id"

    def _due(self) -> tuple[str, tuple[Any, ...]]:
        """Condition, with its arguments, for the rows that this worker serves."""
        return "TRUE", ()

    async def claim(self, worker: str) -> Claim | None:
        """Take the row that has been due the longest, or None when there is none."""
        return next(iter(await self.claim_batch(worker, 1)), None)

    async def claim_batch(self, worker: str, limit: int) -> list[Claim]:
        """Take up to ``limit`` rows, those that have been due the longest first."""
        condition, arguments = self._due()
        asked = time.monotonic()
        async with self.database.transaction() as tx:
            rows = await tx.fetch_all(
                f"SELECT {self.claimed_columns} FROM {self.table} WHERE {condition} AND state = 'queued'"
                " AND run_after <= UTC_TIMESTAMP(6)"
                " ORDER BY run_after LIMIT %s FOR UPDATE SKIP LOCKED",
                (*arguments, limit),
            )
            if not rows:
                return []
            await tx.execute(
                f"UPDATE {self.table} SET state = 'running', attempt = attempt + 1, worker = %s,"
                " lease_until = UTC_TIMESTAMP(6) + INTERVAL %s SECOND,"
                " started_at = COALESCE(started_at, UTC_TIMESTAMP(6))"
                f" WHERE id IN ({', '.join(['%s'] * len(rows))})",
                (worker, LEASE_SECONDS, *(row["id"] for row in rows)),
            )
        lease_until = asked + LEASE_SECONDS
        return [
            Claim(id=row["id"], attempt=row["attempt"] + 1, row=row, lease_until=lease_until)
            for row in rows
        ]

    async def renew(self, claims: Sequence[Claim]) -> list[Claim]:
        """Extend leases by their full length from now; return those whose row is no longer ours.

        Raises:
            DatabaseBusy: rolled back each of several times.
        """
        asked = time.monotonic()
        ours = await _repeated(lambda: self._renew(claims))
        for claim in claims:
            if claim.fencing_token in ours:
                claim.lease_until = asked + LEASE_SECONDS
        return [claim for claim in claims if claim.fencing_token not in ours]

    async def _renew(self, claims: Sequence[Claim]) -> set[FencingToken]:
        # Not `(id, attempt) IN (...)`: MariaDB would read, and lock, the whole table for it.
        mine = " OR ".join(["(id = %s AND attempt = %s)"] * len(claims))
        fences = [value for claim in claims for value in claim.fencing_token]
        where = f"WHERE ({mine}) AND state = 'running'"
        async with self.database.connection() as connection:
            changed = await connection.execute(
                f"UPDATE {self.table} SET lease_until = UTC_TIMESTAMP(6) + INTERVAL %s SECOND {where}",
                (LEASE_SECONDS, *fences),
            )
            if changed == len(claims):
                return {claim.fencing_token for claim in claims}
            rows = await connection.fetch_all(
                f"SELECT id, attempt FROM {self.table} {where}", fences
            )
        return {(row["id"], row["attempt"]) for row in rows}

    async def write(self, claim: Claim, assignments: str, arguments: tuple[Any, ...]) -> None:
        """Change columns of a claimed row, fenced by its attempt.

        Args:
            claim: what ``claim`` returned.
            assignments: the SET clause, with ``%s`` for arguments.

        Raises:
            LeaseLost: the row was reclaimed or has ended; nothing was written.
            DatabaseBusy: rolled back each of several times.
        """
        await _repeated(lambda: self._write(claim, assignments, arguments))

    async def _write(self, claim: Claim, assignments: str, arguments: tuple[Any, ...]) -> None:
        fencing_token = (claim.id, claim.attempt)
        ours = "WHERE id = %s AND attempt = %s AND state = 'running'"
        async with self.database.connection() as connection:
            changed = await connection.execute(
                f"UPDATE {self.table} SET {assignments} {ours}", (*arguments, *fencing_token)
            )
            # The server counts an UPDATE that sets what is there already as zero changed rows.
            if not changed and not await connection.fetch_one(
                f"SELECT 1 FROM {self.table} {ours}", fencing_token
            ):
                raise LeaseLost(f"Attempt {claim.attempt} of {claim.id} is no longer ours.")

    async def end(self, claim: Claim, state: str, assignments: str = "", *arguments: Any) -> None:
        """Close a claimed row in ``state``, with further columns, fenced.

        Raises:
            LeaseLost: as ``write``.
        """
        claim.state = ClaimState.CLOSING
        more = f", {assignments}" if assignments else ""
        await self.write(
            claim,
            f"state = %s, lease_until = NULL, finished_at = UTC_TIMESTAMP(6){more}",
            (state, *arguments),
        )

    async def release(self, claim: Claim, *, after_seconds: float = 0) -> None:
        """Put a claimed row back into the queue without using up one of its attempts.

        The attempt number itself only ever grows (it is the fence), so the limit is raised.
        """
        claim.state = ClaimState.CLOSING
        await self.write(
            claim,
            "state = 'queued', lease_until = NULL, worker = NULL,"
            " max_attempts = max_attempts + 1,"
            " run_after = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND",
            (int(after_seconds * 1_000_000),),
        )

    async def reclaim(self) -> int:
        """Take rows from workers whose lease ran out; return how many.

        A row with attempts left is queued again, any other is closed as ``exhausted``.
        """
        last = "attempt >= max_attempts"
        return await self._change_unlocked(
            "state = 'running' AND lease_until < UTC_TIMESTAMP(6)",
            f"finished_at = IF({last}, UTC_TIMESTAMP(6), NULL),"
            f" {self._lost_columns(last)}"
            " lease_until = NULL, worker = NULL,"
            f" state = IF({last}, '{self.exhausted}', 'queued')",
        )

    async def _change_unlocked(self, condition: str, assignments: str) -> int:
        """Change every row that fulfils ``condition`` and nobody else is changing; return how many.

        Waiting for a row with the index entry locked that its writer wants next is a deadlock, and
        it would be the living worker that pays for it.
        """
        async with self.database.transaction() as tx:
            rows = await tx.fetch_all(
                f"SELECT id FROM {self.table} WHERE {condition} FOR UPDATE SKIP LOCKED"
            )
            if rows:
                places = ", ".join(["%s"] * len(rows))
                await tx.execute(
                    f"UPDATE {self.table} SET {assignments} WHERE id IN ({places})",
                    [row["id"] for row in rows],
                )
        return len(rows)

    def _lost_columns(self, last: str) -> str:
        """Further assignments of ``reclaim``; ``last`` is the condition for a used-up row."""
        return ""

    async def depth(self) -> Row:
        """Count rows that are due or running: ``queued``, ``running``, ``oldest_seconds``."""
        condition, arguments = self._due()
        row = await self.database.fetch_one(
            "SELECT COALESCE(SUM(state = 'queued'), 0) AS queued,"
            " COALESCE(SUM(state = 'running'), 0) AS running,"
            " TIMESTAMPDIFF(SECOND, MIN(CASE WHEN state = 'queued' THEN run_after END),"
            " UTC_TIMESTAMP(6)) AS oldest_seconds"
            f" FROM {self.table} WHERE {condition} AND state IN ('queued', 'running')",
            arguments,
        )
        assert row is not None
        oldest = row["oldest_seconds"]
        return {
            "queued": int(row["queued"]),
            "running": int(row["running"]),
            "oldest_seconds": max(0, int(oldest)) if oldest is not None else None,
        }


async def _repeated(statement: Callable[[], Awaitable[_T]]) -> _T:
    """Await a statement again that was rolled back, a few times."""
    for pause in _REPEAT_AFTER:
        try:
            return await statement()
        except DatabaseBusy as error:
            log.warning("write_retried", reason=error.detail)
            await asyncio.sleep(pause)
    return await statement()
