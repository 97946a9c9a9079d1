"""Submits backups when they are due, once, however many workers there are.

The due time is a row with a primary key: whichever worker inserts it submits the job in the same
transaction. A time that passed while no worker ran has no row, and the next worker that starts
submits its backup, once. There is no timer to lose.
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
    """The ``backup_schedule`` table: due times in UTC, and the jobs that were submitted for them.

    Args:
        ops: name of the platform schema, quoted.
    """

    def __init__(self, ops: str) -> None:
        self._table = f"{ops}.backup_schedule"

    async def newest(self, tx: Transaction) -> datetime | None:
        """Return the newest due time, None while there is none."""
        row = await tx.fetch_one(f"SELECT MAX(due_at) AS newest FROM {self._table}")
        newest: datetime | None = row["newest"] if row else None
        return None if newest is None else newest.replace(tzinfo=UTC)

    async def insert(self, tx: Transaction, due: datetime) -> bool:
        """Insert a due time; return False where another worker was faster."""
        with contextlib.suppress(pymysql.err.IntegrityError):
            await tx.execute(
                f"INSERT INTO {self._table} (due_at, created_at) VALUES (%s, UTC_TIMESTAMP(6))",
                (_plain(due),),
            )
            return True
        return False

    async def record_job(self, tx: Transaction, due: datetime, job_id: str) -> None:
        """Record the job that was submitted for a due time."""
        await tx.execute(
            f"UPDATE {self._table} SET job_id = %s WHERE due_at = %s", (job_id, _plain(due))
        )


class Schedule:
    """Submits scheduled backups.

    Args:
        rows: the job table.
        expression: cron, five fields.
        zone: of the expression's hours; when clocks are put forward, a time that does not exist is
            due right after, and one that exists twice is due once (as in Debian's cron).
        clock: returns the present moment.
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
        """Check every ten seconds whether a backup is due."""
        while True:
            try:
                await self.submit_due()
            except OperationInProgress as error:
                # A restore, say. The due time has no row yet, so the next check tries again.
                log.info("scheduled_backup_deferred", reason=error.detail)
            except SysnddError as error:
                log.warning("schedule_check_failed", code=error.code, reason=error.detail)
            await asyncio.sleep(_CHECK_SECONDS)

    async def submit_due(self) -> str | None:
        """Submit the backup that is due, if one is; return its job's id.

        Raises:
            OperationInProgress: another job holds the database; try again later.
        """
        due = self.last_due()
        async with self._rows.database.transaction() as tx:
            newest = await self._store.newest(tx)
            if newest is None:
                # The schedule is new: nothing was missed before there was one.
                await self._store.insert(tx, due)
                return None
            if due <= newest or not await self._store.insert(tx, due):
                return None
            job = CreateBackup(kind=BackupKind.SCHEDULED)
            job_id = await self._rows.submit(tx, job, requested_by=None)
            await self._store.record_job(tx, due, job_id)
        log.info("scheduled_backup_submitted", due_at=due.isoformat(), scheduled_job=job_id)
        return job_id

    def last_due(self) -> datetime:
        """Return the newest due time that is not in the future, UTC."""
        # The iteration leaves out its own beginning, and a due time is a whole minute.
        begin = self._clock().astimezone(self._zone).replace(microsecond=0) + timedelta(seconds=1)
        return next(CronSim(self._expression, begin, reverse=True)).astimezone(UTC)


def _plain(moment: datetime) -> datetime:
    """Strip the zone: the column is UTC by contract."""
    return moment.astimezone(UTC).replace(tzinfo=None)
