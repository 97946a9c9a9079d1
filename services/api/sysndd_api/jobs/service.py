"""Reading, cancelling and retrying jobs. The row is the truth, so polling works with Redis down."""

from collections.abc import Mapping
from typing import Any

from sysndd_api.audit.service import Audit
from sysndd_api.jobs.models import EndedJob, JobLine, JobQuery, StoredJob
from sysndd_api.jobs.store import JobStore
from sysndd_api.security.access import Actor
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import JobNotFound, JobNotRetryable
from sysndd_core.jobs.models import CreateBackup, Job, VerifyBackup, job_type
from sysndd_core.jobs.rows import JobRows, JobState

RETRYABLE = {CreateBackup.job_kind, VerifyBackup.job_kind}
"""Those that change nothing in the database. A restore asks for its typed word again."""

_LINES_SHOWN = 500


class JobRequests:
    """Submits the jobs that people ask for, each with the audit entry that it points at."""

    def __init__(self, *, rows: JobRows, audit: Audit) -> None:
        self._rows = rows
        self._audit = audit

    async def submit(
        self,
        tx: Transaction,
        actor: Actor,
        job: Job,
        *,
        action: str | None = None,
        object_name: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> str:
        """Submit a job and record who asked for it; return the job's id.

        Args:
            tx: job and entry are there together or not at all.
            actor: who asks.
            job: what to do.
            action: the entry's action; the job's kind by default.
            object_name: what it is done to; the job's id by default.
            detail: further JSON values of the entry.

        Raises:
            OperationInProgress: a job that it must not overlap is queued or running.
        """
        job_id = await self._rows.submit(tx, job, requested_by=actor.user_id)
        audit_id = await self._audit.write(
            tx,
            actor,
            action or job.job_kind,
            object_name=object_name or job_id,
            detail={"job_id": job_id, **(detail or {})},
        )
        await self._rows.link_audit_entry(tx, job_id, audit_id)
        return job_id


class Jobs:
    """What administrators do with jobs."""

    def __init__(
        self,
        *,
        database: Database,
        rows: JobRows,
        requests: JobRequests,
        store: JobStore,
        audit: Audit,
    ) -> None:
        self._database = database
        self._rows = rows
        self._requests = requests
        self._store = store
        self._audit = audit

    async def get(self, job_id: str) -> StoredJob:
        """Read one job, with ``requested_by_name``.

        Raises:
            JobNotFound.
        """
        job = await self._store.get(job_id) if job_id.isascii() else None
        if job is None:
            raise JobNotFound()
        return job

    async def page(self, query: JobQuery) -> tuple[list[StoredJob], int]:
        """List jobs, newest first, with the number of all that fit."""
        return await self._store.page(query)

    async def active(self) -> list[StoredJob]:
        """List the jobs that are queued or running, oldest first."""
        return await self._store.active()

    async def newest_ended(self, *kinds: str) -> StoredJob | None:
        """Return the job of these kinds that ended last, or None."""
        return await self._store.newest_ended(kinds)

    async def recently_ended(self, *, limit: int = 40) -> list[EndedJob]:
        """List the last jobs that ran to an end, oldest first."""
        return await self._store.recently_ended(limit=limit)

    async def lines(self, job_id: str) -> list[JobLine]:
        """List the newest log lines of a job, oldest of them first."""
        return await self._store.lines(job_id, limit=_LINES_SHOWN)

    async def cancel(self, actor: Actor, job_id: str) -> StoredJob:
        """Cancel a queued job, or ask the worker of a running one to break it off.

        Raises:
            JobNotFound, JobNotCancellable.
        """
        async with self._database.transaction() as tx:
            await self._rows.request_cancel(tx, job_id)
            await self._audit.write(tx, actor, "cancel_job", object_name=job_id)
        return await self.get(job_id)

    async def retry(self, actor: Actor, job_id: str) -> str:
        """Submit the same work as a new job; return that one's id.

        Raises:
            JobNotFound.
            JobNotRetryable: it has not failed, or it is one that a person must ask for anew.
            OperationInProgress: another job holds the database.
        """
        failed = await self.get(job_id)
        model = job_type(failed.kind)
        if model is None or failed.kind not in RETRYABLE:
            raise JobNotRetryable()
        if failed.state not in (JobState.FAILED, JobState.CANCELLED):
            raise JobNotRetryable("Only a job that failed or was cancelled can be retried.")
        job = model.model_validate(failed.payload)
        async with self._database.transaction() as tx:
            return await self._requests.submit(
                tx, actor, job, action="retry_job", object_name=job_id
            )
