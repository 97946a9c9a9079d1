"""The ``job`` table: rows written in the caller's transaction, announced after its commit."""

import json
import re
import uuid
from enum import StrEnum
from typing import Any

import pymysql.err
from structlog.contextvars import get_contextvars

from sysndd_core.db.database import Database, Row, Transaction
from sysndd_core.errors import JobNotCancellable, JobNotFound, OperationInProgress
from sysndd_core.jobs.leases import LEASE_SECONDS, Claim, LeasedTable
from sysndd_core.jobs.models import Job, Queue
from sysndd_core.jobs.outcomes import JobOutcomes
from sysndd_core.jobs.wake_up import WakeUp

JOB_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class JobState(StrEnum):
    """A job's life; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobRows(LeasedTable):
    """The ``job`` table.

    Args:
        database: the process's pool.
        wake_up: how workers are told.
        queue: the queue a worker claims from; None for those who only write and read.
    """

    # A job's page shows them.
    keeps_log_lines = True

    def __init__(self, database: Database, wake_up: WakeUp, queue: Queue | None = None) -> None:
        super().__init__(database, table="job", exhausted=JobState.FAILED)
        self.outcomes = JobOutcomes(database)
        self._wake_up = wake_up
        if queue is not None:
            self.queue = queue

    def _due(self) -> tuple[str, tuple[Any, ...]]:
        return "queue = %s", (self.queue.value,)

    async def submit(self, tx: Transaction, job: Job, *, requested_by: int | None) -> str:
        """Write a job's row; its worker is woken once the transaction has committed.

        Args:
            tx: the caller's transaction: the row appears with the rest of it or not at all.
            job: what to do.
            requested_by: user id, or None for the system itself.

        Returns:
            The job's id.

        Raises:
            OperationInProgress: a job with the same ``active_key`` is queued or running.
        """
        job_id = str(uuid.uuid4())
        try:
            await tx.execute(
                f"INSERT INTO {self.table} (id, kind, queue, payload, active_key, max_attempts,"
                " run_after, requested_by, request_id, created_at) VALUES"
                " (%s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6), %s, %s, UTC_TIMESTAMP(6))",
                (job_id, job.job_kind, job.queue.value, job.model_dump_json(), job.active_key,
                 job.max_attempts, requested_by, get_contextvars().get("request_id")),
            )  # fmt: skip
        except pymysql.err.IntegrityError as error:
            active = await tx.fetch_one(
                f"SELECT id FROM {self.table} WHERE active_slot = %s", (job.active_key,)
            )
            # The other may have ended between our two statements; its name is all that is lost.
            raise OperationInProgress(active["id"] if active else "unknown") from error
        tx.after_commit(lambda: self._wake_up.announce(job.queue, job_id))
        return job_id

    async def link_audit_entry(self, tx: Transaction, job_id: str, audit_id: int) -> None:
        """Point a job at the audit entry of its request, in the request's transaction."""
        await tx.execute(f"UPDATE {self.table} SET audit_id = %s WHERE id = %s", (audit_id, job_id))

    async def check_free(self, tx: Transaction, active_key: str | None) -> None:
        """Make sure that no job with this ``active_key`` is queued or running.

        Raises:
            OperationInProgress: one is; carries its id.
        """
        active = await tx.fetch_one(
            f"SELECT id FROM {self.table} WHERE active_slot = %s", (active_key,)
        )
        if active is not None:
            raise OperationInProgress(active["id"])

    async def get(self, job_id: str) -> Row:
        """Read one row.

        Raises:
            JobNotFound: there is none with that id.
        """
        _check_id(job_id)
        row = await self.database.fetch_one(f"SELECT * FROM {self.table} WHERE id = %s", (job_id,))
        if row is None:
            raise JobNotFound()
        return row

    async def page(self, *, limit: int, offset: int) -> tuple[list[Row], int]:
        """Read rows, newest first, with the number of all rows."""
        async with self.database.connection() as connection:
            total = await connection.fetch_one(f"SELECT COUNT(*) AS n FROM {self.table}")
            rows = await connection.fetch_all(
                f"SELECT * FROM {self.table} ORDER BY created_at DESC, id LIMIT %s OFFSET %s",
                (limit, offset),
            )
        return rows, int(total["n"]) if total else 0

    async def request_cancel(self, tx: Transaction, job_id: str) -> None:
        """Cancel a queued job at once; ask the worker of a running one to break it off.

        Raises:
            JobNotFound: there is none with that id.
            JobNotCancellable: it has ended already.
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

    async def cancel_requested(self, claim: Claim) -> bool:
        """Tell whether somebody asked for this running job to be cancelled."""
        row = await self.database.fetch_one(
            f"SELECT cancel_requested FROM {self.table} WHERE id = %s", (claim.id,)
        )
        return bool(row and row["cancel_requested"])

    async def progress(self, claim: Claim, *, step: str, percent: int, message: str) -> None:
        """Show where a running job is; also renews its lease.

        Raises:
            LeaseLost: the row is no longer ours: stop before doing anything that can be seen.
        """
        await self.write(
            claim,
            "step = %s, percent = %s, message = %s,"
            " lease_until = UTC_TIMESTAMP(6) + INTERVAL %s SECOND",
            (step, max(0, min(100, percent)), message[:500], LEASE_SECONDS),
        )

    async def reclaim(self) -> int:
        """Take rows from workers whose lease ran out; note in the audit log what has ended."""
        reclaimed = await super().reclaim()
        await self.outcomes.write()
        return reclaimed

    async def succeed(self, claim: Claim, result: dict[str, Any]) -> None:
        """Close a job with its result."""
        await self.end(
            claim, JobState.SUCCEEDED, "percent = 100, result = %s", json.dumps(result, default=str)
        )

    async def fail(self, claim: Claim, code: str, error: str) -> None:
        """Close a job that failed, with the stable code and a sentence for the operator."""
        await self.end(claim, JobState.FAILED, "error_code = %s, error = %s", code, error[:2000])

    def _lost_columns(self, last: str) -> str:
        return (
            f" error_code = IF({last}, 'worker_lost', NULL),"
            f" error = IF({last}, 'The worker stopped in the middle of the job.', NULL),"
        )


def _check_id(job_id: str) -> None:
    # Also because comparing an ASCII column with other letters is an error to the server (1267).
    if JOB_ID.fullmatch(job_id) is None:
        raise JobNotFound()
