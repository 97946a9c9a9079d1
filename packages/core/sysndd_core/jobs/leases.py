"""Rows that workers lease: claim, heartbeat, fencing and reclaim.

The row holds the state, Redis only wakes workers. A worker claims a row by compare-and-set under
``FOR UPDATE SKIP LOCKED``. Each later write carries the attempt number as a fencing token, so a
worker whose lease expired cannot overwrite the work of its successor.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sysndd_core.db.database import Database
from sysndd_core.errors import DatabaseBusy, LeaseLost
from sysndd_core.jobs.models import Queue
from sysndd_core.logging import get_logger

log = get_logger(__name__)

LEASE_SECONDS = 12
"""Lease in seconds. With the sweep, the row of a killed worker is reclaimed within 22 s."""

# Seconds before each retry. A deadlock or a lock wait timeout must not end an hour of work.
_RETRY_DELAYS = (0.05, 0.2, 0.5)

_T = TypeVar("_T")


class CancelReason(StrEnum):
    """Why the work on a claimed row is cancelled."""

    CANCEL_REQUESTED = "cancel_requested"
    LEASE_LOST = "lease_lost"
    WORKER_STOPPING = "worker_stopping"


class ClaimState(StrEnum):
    """Progress of the work on a claimed row, which decides what can still cancel it."""

    CLAIMED = "claimed"
    """A request, a lost lease or a stopping worker cancels the work."""
    SENDING = "sending"
    """A request or a lost lease cancels the work; a stopping worker waits for its end."""
    CLOSING = "closing"
    """Past the point of no return: the work cannot be cancelled."""
    CANCELLED = "cancelled"
    """The task was cancelled, once, for ``Claim.cancel_reason``."""


FencingToken = tuple[str, int]
"""A row's id and the attempt that may write to it."""


@dataclass(frozen=True, kw_only=True)
class ClaimedRow:
    """What a worker needs of a row; a table adds its own columns, named as in the database.

    Attributes:
        id: Primary key.
        request_id: Request that wrote the row, for log lines.
    """

    id: str
    request_id: str | None


RowT = TypeVar("RowT", bound=ClaimedRow)


@dataclass
class Claim(Generic[RowT]):
    """A row that a worker has claimed.

    Attributes:
        row: The row at the time of the claim.
        attempt: Attempt number, the fencing token; 1 for the first start.
        state: Set by the work; it only moves forward.
        cancel_reason: Set before the task of the work is cancelled, so that the work knows why.
        lease_until: End of the lease as a value of ``time.monotonic()``; the heartbeat renews it.
            It counts from before the statement was sent, so it is never later than the server's.
    """

    row: RowT
    attempt: int
    state: ClaimState = ClaimState.CLAIMED
    cancel_reason: CancelReason | None = None
    lease_until: float = float("inf")

    @property
    def id(self) -> str:
        """Primary key of the row."""
        return self.row.id

    @property
    def fencing_token(self) -> FencingToken:
        """Unique to this claim: if the same worker claims the row again, the token differs."""
        return self.id, self.attempt

    @property
    def lease_is_valid(self) -> bool:
        """Whether no other worker can have claimed the row yet, without asking the database."""
        return time.monotonic() < self.lease_until

    def cancel(self, reason: CancelReason) -> bool:
        """Record why the work is cancelled, if it can still be cancelled.

        Args:
            reason: Why the work is cancelled.

        Returns:
            Whether the caller must cancel the task. False past the point of no return, and when
            the task was already cancelled.
        """
        if self.state in (ClaimState.CLOSING, ClaimState.CANCELLED):
            return False
        if reason is CancelReason.WORKER_STOPPING and self.state is not ClaimState.CLAIMED:
            return False
        self.state, self.cancel_reason = ClaimState.CANCELLED, reason
        return True


@dataclass(frozen=True)
class QueueDepth:
    """Counts of a queue.

    Attributes:
        queued: Rows that wait to be claimed, including those that are due later.
        running: Claimed rows.
        oldest_seconds: Seconds for which the oldest queued row has been due; 0 if none is due
            yet, None if none is queued.
    """

    queued: int
    running: int
    oldest_seconds: int | None


class LeasedTable(Generic[RowT]):
    """Claims, renews and reclaims rows of one table of the platform schema.

    Args:
        database: Connection pool of the process.
        table: ``job`` or ``mail``. Both have the columns state, attempt, max_attempts, run_after,
            lease_until, worker, started_at and finished_at.
        exhausted: State of a row whose last attempt was lost.
    """

    queue: Queue
    stores_log_lines = False
    """Whether workers store the log lines of each row in the platform schema."""
    claimed_row: type[RowT]
    """The dataclass of ``Claim.row``."""

    def __init__(self, database: Database, *, table: str, exhausted: str) -> None:
        self.database = database
        self.table = f"{database.ops}.`{table}`"
        self.exhausted = exhausted
        self.id_name = f"{table}_id"
        self._columns = ", ".join(field.name for field in fields(self.claimed_row))

    def _due(self) -> tuple[str, tuple[Any, ...]]:
        """Return the condition, with its arguments, for the rows that this worker serves."""
        return "TRUE", ()

    async def claim(self, worker: str) -> Claim[RowT] | None:
        """Claim the row that has been due the longest; return None if no row is due."""
        return next(iter(await self.claim_batch(worker, 1)), None)

    async def claim_batch(self, worker: str, limit: int) -> list[Claim[RowT]]:
        """Claim up to ``limit`` rows, those that have been due the longest first."""
        condition, arguments = self._due()
        started = time.monotonic()
        async with self.database.transaction() as tx:
            rows = await tx.fetch_all(
                f"SELECT attempt, {self._columns} FROM {self.table}"
                f" WHERE {condition} AND state = 'queued' AND run_after <= UTC_TIMESTAMP(6)"
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
        lease_until = started + LEASE_SECONDS
        return [
            Claim(
                attempt=row.pop("attempt") + 1,
                row=self.claimed_row(**row),
                lease_until=lease_until,
            )
            for row in rows
        ]

    async def renew(self, claims: Sequence[Claim[RowT]]) -> list[Claim[RowT]]:
        """Renew leases for their full length.

        Args:
            claims: The claims of this worker; at least one.

        Returns:
            The claims whose lease was lost.

        Raises:
            DatabaseBusy: The statement was rolled back at each attempt.
        """
        started = time.monotonic()
        held = await _with_retries(lambda: self._renew(claims))
        for claim in claims:
            if claim.fencing_token in held:
                claim.lease_until = started + LEASE_SECONDS
        return [claim for claim in claims if claim.fencing_token not in held]

    async def _renew(self, claims: Sequence[Claim[RowT]]) -> set[FencingToken]:
        # Anything but the primary key would read, and wait for, rows of others: MariaDB scans the
        # table for `(id, attempt) IN (...)`, and 11.8 for many ids of a small table, too.
        claimed = " OR ".join(["(id = %s AND attempt = %s)"] * len(claims))
        tokens = [value for claim in claims for value in claim.fencing_token]
        where = f"WHERE ({claimed}) AND state = 'running'"
        async with self.database.connection() as connection:
            changed = await connection.execute(
                f"UPDATE {self.table} FORCE INDEX (PRIMARY)"
                f" SET lease_until = UTC_TIMESTAMP(6) + INTERVAL %s SECOND {where}",
                (LEASE_SECONDS, *tokens),
            )
            if changed == len(claims):
                return {claim.fencing_token for claim in claims}
            rows = await connection.fetch_all(
                f"SELECT id, attempt FROM {self.table} {where}", tokens
            )
        return {(row["id"], row["attempt"]) for row in rows}

    async def write(self, claim: Claim[RowT], assignments: str, arguments: tuple[Any, ...]) -> None:
        """Change columns of a claimed row, if its attempt number is still the same.

        Args:
            claim: The claim of the row.
            assignments: The SET clause, with ``%s`` for arguments.
            arguments: Values for the SET clause.

        Raises:
            LeaseLost: The row was reclaimed or has ended; nothing was written.
            DatabaseBusy: The statement was rolled back at each attempt.
        """
        await _with_retries(lambda: self._write(claim, assignments, arguments))

    async def _write(
        self, claim: Claim[RowT], assignments: str, arguments: tuple[Any, ...]
    ) -> None:
        token = claim.fencing_token
        where = "WHERE id = %s AND attempt = %s AND state = 'running'"
        async with self.database.connection() as connection:
            changed = await connection.execute(
                f"UPDATE {self.table} SET {assignments} {where}", (*arguments, *token)
            )
            # The server does not count a row whose columns already have the new values.
            if not changed and not await connection.fetch_one(
                f"SELECT 1 FROM {self.table} {where}", token
            ):
                raise LeaseLost(f"Attempt {claim.attempt} of {claim.id} no longer holds the lease.")

    async def end(
        self, claim: Claim[RowT], state: str, assignments: str = "", *arguments: Any
    ) -> None:
        """Close a claimed row.

        Args:
            claim: The claim of the row.
            state: Final state of the row.
            assignments: Further assignments of the SET clause, with ``%s`` for arguments.
            arguments: Values for the assignments.

        Raises:
            LeaseLost: As for ``write``.
        """
        claim.state = ClaimState.CLOSING
        more = f", {assignments}" if assignments else ""
        await self.write(
            claim,
            f"state = %s, lease_until = NULL, finished_at = UTC_TIMESTAMP(6){more}",
            (state, *arguments),
        )

    async def release(self, claim: Claim[RowT], *, after_seconds: float = 0) -> None:
        """Return a claimed row to the queue without using up an attempt.

        The attempt number is the fencing token and must not decrease, so ``max_attempts`` is
        raised.

        Args:
            claim: The claim of the row.
            after_seconds: Seconds until the row is due again.

        Raises:
            LeaseLost: As for ``write``.
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
        """Reclaim rows whose lease expired: queue those with attempts left, close the others.

        Returns:
            The number of reclaimed rows.
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
        """Change each row that matches ``condition`` and is not locked; return their number.

        Waiting for a locked row could deadlock with its writer, through another index, and the
        server might roll back the running worker.
        """
        async with self.database.transaction() as tx:
            rows = await tx.fetch_all(
                f"SELECT id FROM {self.table} WHERE {condition} FOR UPDATE SKIP LOCKED"
            )
            if rows:
                placeholders = ", ".join(["%s"] * len(rows))
                await tx.execute(
                    f"UPDATE {self.table} SET {assignments} WHERE id IN ({placeholders})",
                    [row["id"] for row in rows],
                )
        return len(rows)

    def _lost_columns(self, last: str) -> str:
        """Return further assignments of ``reclaim``; ``last`` is true after the last attempt."""
        return ""

    async def depth(self) -> QueueDepth:
        """Count the queued and running rows of this queue."""
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
        return QueueDepth(
            queued=int(row["queued"]),
            running=int(row["running"]),
            oldest_seconds=max(0, int(oldest)) if oldest is not None else None,
        )


async def _with_retries(statement: Callable[[], Awaitable[_T]]) -> _T:
    """Run a statement, again if it was rolled back, up to four times."""
    for delay in _RETRY_DELAYS:
        try:
            return await statement()
        except DatabaseBusy as error:
            log.warning("write_retried", reason=error.detail)
            await asyncio.sleep(delay)
    return await statement()
