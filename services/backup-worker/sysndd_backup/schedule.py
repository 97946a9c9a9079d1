"""Submits scheduled backups: one for each due time, for any number of workers.

A due time is a row with a primary key, and the worker that inserts the row submits the job in the
same transaction. If due times pass while no worker runs, the next worker submits one backup.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

import pymysql.err
from cronsim import CronSim

from sysndd_core.db.database import Transaction
from sysndd_core.errors import OperationInProgress, SysnddError
from sysndd_core.jobs.models import BackupKind, CreateBackup
from sysndd_core.jobs.rows import JobRows
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_CHECK_SECONDS = 10


def _now() -> datetime:
    return datetime.now(UTC)


class ScheduleStore:
    """The table ``backup_schedule``: due times in UTC, with the jobs submitted for them.

    Args:
        ops: Quoted name of the platform schema.
    """

    def __init__(self, ops: str) -> None:
        self._table = f"{ops}.backup_schedule"

    async def latest(self, tx: Transaction) -> datetime | None:
        """Return the latest recorded due time, or None if the table is empty."""
        row = await tx.fetch_one(f"SELECT MAX(due_at) AS latest FROM {self._table}")
        latest: datetime | None = row["latest"] if row else None
        return None if latest is None else latest.replace(tzinfo=UTC)

    async def insert(self, tx: Transaction, due: datetime) -> bool:
        """Insert a due time; return False if another worker has already inserted it."""
        with contextlib.suppress(pymysql.err.IntegrityError):
            await tx.execute(
                f"INSERT INTO {self._table} (due_at, created_at) VALUES (%s, UTC_TIMESTAMP(6))",
                (_to_column(due),),
            )
            return True
        return False

    async def record_job(self, tx: Transaction, due: datetime, job_id: str) -> None:
        """Record the ID of the job that was submitted for a due time."""
        await tx.execute(
            f"UPDATE {self._table} SET job_id = %s WHERE due_at = %s", (job_id, _to_column(due))
        )


class Schedule:
    """Submits scheduled backups.

    Args:
        rows: The jobs of the backup queue.
        expression: Cron expression with five fields.
        zone: Time zone of the expression. When the clock changes, a time that is skipped is due
            immediately after the change, and a time that occurs twice is due once, as in
            Debian's cron.
        clock: Returns the current time.
    """

    def __init__(
        self,
        rows: JobRows,
        expression: str,
        zone: tzinfo,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._rows = rows
        self._expression = expression
        self._zone = zone
        self._clock = clock
        self._store = ScheduleStore(rows.database.ops)

    async def run_forever(self) -> None:
        """Submit due backups, with a check every ten seconds."""
        while True:
            try:
                await self.submit_due()
            except OperationInProgress as error:
                # A restore is running, for example. The due time has no row, so the next check
                # tries again.
                log.info("scheduled_backup_deferred", reason=error.detail)
            except SysnddError as error:
                log.warning("schedule_check_failed", code=error.code, reason=error.detail)
            await asyncio.sleep(_CHECK_SECONDS)

    async def submit_due(self) -> str | None:
        """Submit a backup if one is due.

        Returns:
            The ID of the job, or None if no backup is due.

        Raises:
            OperationInProgress: Another job uses the database; try again later.
        """
        due = self.last_due()
        async with self._rows.database.transaction() as tx:
            latest = await self._store.latest(tx)
            if latest is None:
                # A new schedule takes effect at its next due time, not at the previous one.
                await self._store.insert(tx, due)
                return None
            if due <= latest or not await self._store.insert(tx, due):
                return None
            job = CreateBackup(kind=BackupKind.SCHEDULED)
            job_id = await self._rows.submit(tx, job, requested_by=None)
            await self._store.record_job(tx, due, job_id)
        log.info("scheduled_backup_submitted", due_at=due.isoformat(), scheduled_job=job_id)
        return job_id

    def last_due(self) -> datetime:
        """Return the latest due time that is not in the future, in UTC."""
        # CronSim excludes the start itself, and due times are whole minutes.
        start = self._clock().astimezone(self._zone).replace(microsecond=0) + timedelta(seconds=1)
        return next(CronSim(self._expression, start, reverse=True)).astimezone(UTC)


def _to_column(time: datetime) -> datetime:
    """Convert a time to the column's format: UTC without a time zone."""
    return time.astimezone(UTC).replace(tzinfo=None)
