"""Reads the tables ``job`` and ``job_log``; workers write them."""

from sysndd_api.jobs.models import EndedJob, JobLine, JobQuery, StoredJob
from sysndd_core.db.database import Database, Row, utc


class JobStore:
    """Reads jobs with the name of the account that requested them.

    Both columns of "newest first" descend, so that the server reads the index of ``created_at``
    backwards.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs = f"{database.ops}.job"
        self._lines = f"{database.ops}.job_log"
        self._named = (
            f"SELECT j.*, a.actor_name AS requested_by_name FROM {self._jobs} AS j"
            f" LEFT JOIN {database.ops}.audit_log AS a ON a.id = j.audit_id"
        )

    async def page(self, query: JobQuery) -> tuple[list[StoredJob], int]:
        """Return one page of jobs, newest first, and the number of all that match."""
        terms, arguments = [], []
        for column, value in (("state", query.state), ("kind", query.kind)):
            if value is not None:
                terms.append(f"j.{column} = %s")
                arguments.append(value)
        where = f" WHERE {' AND '.join(terms)}" if terms else ""
        async with self._database.connection() as connection:
            total = await connection.fetch_one(
                f"SELECT COUNT(*) AS n FROM {self._jobs} AS j{where}", arguments
            )
            rows = await connection.fetch_all(
                f"{self._named}{where} ORDER BY j.created_at DESC, j.id DESC LIMIT %s OFFSET %s",
                [*arguments, query.page_size, query.offset],
            )
        return [StoredJob.from_row(row) for row in rows], int(total["n"]) if total else 0

    async def get(self, job_id: str) -> StoredJob | None:
        """Return one job, or None."""
        return _job(await self._database.fetch_one(f"{self._named} WHERE j.id = %s", (job_id,)))

    async def active(self) -> list[StoredJob]:
        """Return the queued and running jobs, oldest first."""
        rows = await self._database.fetch_all(
            f"{self._named} WHERE j.state IN ('queued', 'running') ORDER BY j.created_at, j.id"
        )
        return [StoredJob.from_row(row) for row in rows]

    async def newest_ended(self, kinds: tuple[str, ...]) -> StoredJob | None:
        """Return the last job of these kinds that ended, or None."""
        row = await self._database.fetch_one(
            f"{self._named} WHERE j.state IN ('succeeded', 'failed', 'cancelled')"
            f" AND j.kind IN ({', '.join(['%s'] * len(kinds))})"
            " ORDER BY j.created_at DESC, j.id DESC LIMIT 1",
            kinds,
        )
        return _job(row)

    async def recently_ended(self, *, limit: int) -> list[EndedJob]:
        """Return the durations of the last jobs that succeeded or failed, oldest first."""
        rows = await self._database.fetch_all(
            f"SELECT kind, state, started_at, finished_at FROM {self._jobs}"
            " WHERE state IN ('succeeded', 'failed') AND started_at IS NOT NULL"
            " AND finished_at IS NOT NULL ORDER BY created_at DESC LIMIT %s",
            (limit,),
        )
        return [
            EndedJob(
                row["kind"],
                row["state"],
                (row["finished_at"] - row["started_at"]).total_seconds(),
            )
            for row in reversed(rows)
        ]

    async def lines(self, job_id: str, *, limit: int) -> list[JobLine]:
        """Return the latest log lines of a job, oldest first."""
        rows = await self._database.fetch_all(
            f"SELECT attempt, logged_at, level, line FROM {self._lines}"
            " WHERE job_id = %s ORDER BY id DESC LIMIT %s",
            (job_id, limit),
        )
        return [
            JobLine.model_validate(row | {"logged_at": utc(row["logged_at"])})
            for row in reversed(rows)
        ]


def _job(row: Row | None) -> StoredJob | None:
    return StoredJob.from_row(row) if row is not None else None
