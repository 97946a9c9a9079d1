"""Lists, cancels and retries jobs. All state is in the database, so polling works without Redis."""

from collections.abc import Mapping
from typing import Any

from sysndd_api.audit.service import Audit
from sysndd_api.jobs.models import EndedJob, JobLine, JobQuery, StoredJob
from sysndd_api.jobs.store import JobStore
from sysndd_api.security.access import Access, Actor
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import JobNotFound, JobNotRetryable, NotAllowed
from sysndd_core.jobs.models import CreateBackup, Job, VerifyBackup, job_type
from sysndd_core.jobs.rows import JobRows, JobState

RETRYABLE = {CreateBackup.job_kind, VerifyBackup.job_kind}
"""Jobs that change nothing in the database. A restore must be confirmed again instead."""

_LINES_SHOWN = 500


class JobRequests:
    """Submits the jobs that accounts request, each with an audit entry that the job refers to."""

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
        """Submit a job and record the request in the audit log.

        Args:
            tx: The transaction that writes both rows.
            actor: The account that requests it.
            job: The job.
            action: Action of the audit entry; by default, the kind of the job.
            object_name: Object of the audit entry; by default, the ID of the job.
            detail: Further JSON values of the audit entry.

        Returns:
            The ID of the job.

        Raises:
            OperationInProgress: A job that must not overlap is queued or running.
        """
        job_id = await self._rows.submit(tx, job, requested_by=actor.key)
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
    """Administration of jobs."""

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
        """Return one job.

        Raises:
            JobNotFound: No job has this ID.
        """
        job = await self._store.get(job_id) if job_id.isascii() else None
        if job is None:
            raise JobNotFound()
        return job

    async def page(self, query: JobQuery) -> tuple[list[StoredJob], int]:
        """Return one page of jobs, newest first, and the number of all that match."""
        return await self._store.page(query)

    async def active(self) -> list[StoredJob]:
        """Return the queued and running jobs, oldest first."""
        return await self._store.active()

    async def newest_ended(self, *kinds: str) -> StoredJob | None:
        """Return the last job of these kinds that ended, or None."""
        return await self._store.newest_ended(kinds)

    async def recently_ended(self, *, limit: int = 40) -> list[EndedJob]:
        """Return the durations of the last jobs that succeeded or failed, oldest first."""
        return await self._store.recently_ended(limit=limit)

    async def lines(self, job_id: str) -> list[JobLine]:
        """Return the latest log lines of a job, oldest first."""
        return await self._store.lines(job_id, limit=_LINES_SHOWN)

    async def cancel(self, actor: Actor, job_id: str) -> StoredJob:
        """Cancel a queued job, or request that the worker of a running one aborts it.

        Raises:
            JobNotFound: No job has this ID.
            JobNotCancellable: The job has ended, or must not be interrupted now.
            NotAllowed: Only administrators cancel jobs of others.
        """
        if not actor.may(Access.ADMINISTRATOR) and not (await self.get(job_id)).is_of(actor):
            raise NotAllowed("Only administrators can cancel a job that somebody else requested.")
        async with self._database.transaction() as tx:
            await self._rows.request_cancel(tx, job_id)
            await self._audit.write(tx, actor, "cancel_job", object_name=job_id)
        return await self.get(job_id)

    async def retry(self, actor: Actor, job_id: str) -> str:
        """Submit the work of a failed or cancelled job as a new job.

        Returns:
            The ID of the new job.

        Raises:
            JobNotFound: No job has this ID.
            JobNotRetryable: It did not fail, or its kind must be requested again.
            OperationInProgress: A job that must not overlap is queued or running.
        """
        failed = await self.get(job_id)
        model = job_type(failed.kind)
        if model is None or failed.kind not in RETRYABLE:
            raise JobNotRetryable()
        if failed.state not in (JobState.FAILED, JobState.CANCELLED):
            raise JobNotRetryable("Only a failed or cancelled job can be retried.")
        job = model.model_validate(failed.payload)
        async with self._database.transaction() as tx:
            return await self._requests.submit(
                tx, actor, job, action="retry_job", object_name=job_id
            )
