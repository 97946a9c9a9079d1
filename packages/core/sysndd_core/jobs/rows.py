"""The table ``job``: written in the caller's transaction, announced after its commit."""

import json
import re
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pymysql.err
from structlog.contextvars import get_contextvars

from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import JobNotCancellable, JobNotFound, OperationInProgress
from sysndd_core.jobs.leases import LEASE_SECONDS, Claim, ClaimedRow, LeasedTable
from sysndd_core.jobs.models import Job, Queue
from sysndd_core.jobs.outcomes import JobOutcomes
from sysndd_core.jobs.wake_up import WakeUp

JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class JobState(StrEnum):
    """The state of a job; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class ClaimedJob(ClaimedRow):
    """A job to run.

    Attributes:
        kind: Kind of the job; a newer API may have written one that this worker does not know.
        payload: JSON document of its model.
        requested_by: ID of the account, or None for the system.
    """

    kind: str
    payload: str
    requested_by: int | None


JobClaim = Claim[ClaimedJob]


class JobRows(LeasedTable[ClaimedJob]):
    """The table ``job``.

    Args:
        database: Connection pool of the process.
        wake_up: Wakes the workers.
        queue: Queue that a worker claims from; None for processes that only submit and read jobs.
    """

    claimed_row = ClaimedJob
    # For the page of the job.
    stores_log_lines = True

    def __init__(self, database: Database, wake_up: WakeUp, queue: Queue | None = None) -> None:
        super().__init__(database, table="job", exhausted=JobState.FAILED)
        self.outcomes = JobOutcomes(database)
        self._wake_up = wake_up
        if queue is not None:
            self.queue = queue

    def _due(self) -> tuple[str, tuple[Any, ...]]:
        return "queue = %s", (self.queue.value,)

    async def submit(self, tx: Transaction, job: Job, *, requested_by: AccountKey | None) -> str:
        """Write the row of a job; its worker is woken after the transaction commits.

        Args:
            tx: Transaction of the caller.
            job: The job.
            requested_by: The account, or None for the system.

        Returns:
            The ID of the job.

        Raises:
            OperationInProgress: A job with the same ``active_key`` is queued or running.
        """
        job_id = str(uuid.uuid4())
        try:
            await tx.execute(
                f"INSERT INTO {self.table} (id, kind, queue, payload, active_key, max_attempts,"
                " run_after, requested_realm, requested_by, request_id, created_at) VALUES"
                " (%s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6), %s, %s, %s, UTC_TIMESTAMP(6))",
                (
                    job_id,
                    job.job_kind,
                    job.queue.value,
                    job.model_dump_json(),
                    job.active_key,
                    job.max_attempts,
                    requested_by.realm if requested_by else Realm.OPERATOR,
                    requested_by.id if requested_by else None,
                    get_contextvars().get("request_id"),
                ),
            )
        except pymysql.err.IntegrityError as error:
            active = await tx.fetch_one(
                f"SELECT id FROM {self.table} WHERE active_slot = %s", (job.active_key,)
            )
            # The other job may have ended between the two statements; then its ID is unknown.
            raise OperationInProgress(active["id"] if active else "unknown") from error
        tx.after_commit(lambda: self._wake_up.announce(job.queue, job_id))
        return job_id

    async def link_audit_entry(self, tx: Transaction, job_id: str, audit_id: int) -> None:
        """Link a job to the audit log entry of its request, in the request's transaction."""
        await tx.execute(f"UPDATE {self.table} SET audit_id = %s WHERE id = %s", (audit_id, job_id))

    async def check_free(self, tx: Transaction, active_key: str | None) -> None:
        """Check that no job with this ``active_key`` is queued or running.

        Raises:
            OperationInProgress: A job is queued or running; carries its ID.
        """
        active = await tx.fetch_one(
            f"SELECT id FROM {self.table} WHERE active_slot = %s", (active_key,)
        )
        if active is not None:
            raise OperationInProgress(active["id"])

    async def request_cancel(self, tx: Transaction, job_id: str) -> None:
        """Cancel a queued job immediately, or request the cancellation of a running one.

        Raises:
            JobNotFound: There is no job with this ID.
            JobNotCancellable: The job has already ended.
        """
        _check_id(job_id)
        row = await tx.fetch_one(
            f"SELECT state FROM {self.table} WHERE id = %s FOR UPDATE", (job_id,)
        )
        if row is None:
            raise JobNotFound()
        if row["state"] == JobState.QUEUED:
            await tx.execute(
                f"UPDATE {self.table} SET state = 'cancelled', finished_at = UTC_TIMESTAMP(6)"
                " WHERE id = %s",
                (job_id,),
            )
        elif row["state"] == JobState.RUNNING:
            await tx.execute(
                f"UPDATE {self.table} SET cancel_requested = 1 WHERE id = %s", (job_id,)
            )
        else:
            raise JobNotCancellable()

    async def cancel_requested(self, claim: JobClaim) -> bool:
        """Return whether the cancellation of this running job was requested."""
        row = await self.database.fetch_one(
            f"SELECT cancel_requested FROM {self.table} WHERE id = %s", (claim.id,)
        )
        return bool(row and row["cancel_requested"])

    async def has_ended(self, job_id: str) -> bool:
        """Return whether a job has ended; also if there is no such job."""
        row = await self.database.fetch_one(
            f"SELECT 1 FROM {self.table} WHERE id = %s AND finished_at IS NULL", (job_id,)
        )
        return row is None

    async def progress(self, claim: JobClaim, *, step: str, percent: int, message: str) -> None:
        """Store the progress of a running job and renew its lease.

        Raises:
            LeaseLost: Another worker owns the row; stop before the next visible change.
        """
        await self.write(
            claim,
            "step = %s, percent = %s, message = %s,"
            " lease_until = UTC_TIMESTAMP(6) + INTERVAL %s SECOND",
            (step, max(0, min(100, percent)), message[:500], LEASE_SECONDS),
        )

    async def reclaim(self) -> int:
        """Reclaim rows with expired leases, and write the audit log entries of ended jobs."""
        reclaimed = await super().reclaim()
        await self.outcomes.write()
        return reclaimed

    async def succeed(self, claim: JobClaim, result: dict[str, Any]) -> None:
        """End a job with its result."""
        await self.end(
            claim, JobState.SUCCEEDED, "percent = 100, result = %s", json.dumps(result, default=str)
        )

    async def fail(self, claim: JobClaim, code: str, error: str) -> None:
        """End a failed job with an error code and a sentence for the operator."""
        await self.end(claim, JobState.FAILED, "error_code = %s, error = %s", code, error[:2000])

    def _lost_columns(self, last: str) -> str:
        return (
            f" error_code = IF({last}, 'worker_lost', NULL),"
            f" error = IF({last}, 'The worker stopped before the job ended.', NULL),"
        )


def _check_id(job_id: str) -> None:
    # Also because comparing an ASCII column with other characters is error 1267.
    if JOB_ID.fullmatch(job_id) is None:
        raise JobNotFound()
