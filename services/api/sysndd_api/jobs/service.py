"""Reading and cancelling jobs. The row is the truth, so polling works with Redis down."""

from sysndd_api.audit.service import Audit
from sysndd_api.auth import Actor
from sysndd_core.database import Database, Row
from sysndd_core.outbox import JobRows


class Jobs:
    """What administrators do with jobs."""

    def __init__(self, database: Database, rows: JobRows, audit: Audit) -> None:
        self._database = database
        self._rows = rows
        self._audit = audit

    async def get(self, job_id: str) -> Row:
        """Read one job.

        Raises:
            JobNotFound.
        """
        return await self._rows.get(job_id)

    async def page(self, *, limit: int, offset: int) -> tuple[list[Row], int]:
        """List jobs, newest first."""
        return await self._rows.page(limit=limit, offset=offset)

    async def cancel(self, actor: Actor, job_id: str) -> Row:
        """Cancel a queued job, or ask the worker of a running one to break it off.

        Raises:
            JobNotFound, JobNotCancellable.
        """
        async with self._database.transaction() as tx:
            await self._rows.request_cancel(tx, job_id)
            await self._audit.write(tx, actor, "cancel_job", obj=job_id)
        return await self._rows.get(job_id)
