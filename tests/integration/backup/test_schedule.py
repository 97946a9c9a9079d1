"""Scheduled backups: one for each due time, for any number of workers and blocking jobs."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sysndd_backup.schedule import Schedule
from sysndd_backup.settings import BackupWorkerSettings
from sysndd_core.errors import OperationInProgress, SettingsError
from sysndd_core.jobs.models import RestoreBackup
from tests.support.site import Site
from tests.support.workers import backup_bench, eventually, service_process

BERLIN = ZoneInfo("Europe/Berlin")


class Clock:
    """A clock that shows a fixed time until a test changes it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


async def test_each_due_time_runs_once_and_missed_ones_are_combined(site: Site) -> None:
    clock = Clock(datetime(2026, 5, 1, 12, 0, tzinfo=UTC))
    async with backup_bench(site) as bench:
        workers = [Schedule(bench.rows, "0 3 * * *", BERLIN, clock) for _ in range(4)]
        # A new schedule takes effect at its next due time, not at the previous one.
        assert [await worker.submit_due() for worker in workers] == [None] * 4
        clock.now = datetime(2026, 5, 2, 0, 59, 59, 999999, tzinfo=UTC)
        assert await workers[0].submit_due() is None
        clock.now = datetime(2026, 5, 2, 1, 0, tzinfo=UTC)
        jobs = await asyncio.gather(*(worker.submit_due() for worker in workers))
        assert len([job for job in jobs if job is not None]) == 1
        await bench.worker().run_until_idle()
        assert await workers[0].submit_due() is None
        # Three nights without a worker result in one backup, not three.
        clock.now += timedelta(days=3, hours=5)
        assert await workers[1].submit_due() is not None
        assert await workers[2].submit_due() is None
        await bench.worker().run_until_idle()
        assert [one.kind for one in bench.store.manifests()] == ["scheduled", "scheduled"]


async def test_a_blocked_run_starts_when_the_blocking_job_ends(site: Site) -> None:
    clock = Clock(datetime(2026, 5, 1, 12, 0, tzinfo=UTC))
    async with backup_bench(site) as bench:
        schedule = Schedule(bench.rows, "0 3 * * *", UTC, clock)
        await schedule.submit_due()
        clock.now += timedelta(days=1)
        await bench.submit(RestoreBackup(name="not-there.sql"))
        with pytest.raises(OperationInProgress):
            await schedule.submit_due()
        await bench.worker().run_until_idle()
        assert await schedule.submit_due() is not None


@pytest.mark.parametrize(
    ("now", "due"),
    [
        # The clock changes from 02:00 to 03:00, so 02:30 is skipped and due at 03:00.
        (datetime(2026, 3, 29, 12, 0, tzinfo=UTC), datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        # The clock changes from 03:00 to 02:00, so 02:30 occurs twice and is due once.
        (datetime(2026, 10, 25, 12, 0, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
async def test_due_times_at_a_change_of_the_clock(site: Site, now: datetime, due: datetime) -> None:
    async with backup_bench(site) as bench:
        assert Schedule(bench.rows, "30 2 * * *", BERLIN, Clock(now)).last_due() == due


@pytest.mark.parametrize(
    "changes",
    [
        {"BACKUP_SCHEDULE": "0 3 * *"},
        {"BACKUP_SCHEDULE": "0 0 3 * * *"},
        {"BACKUP_SCHEDULE": "61 3 * * *"},
        {"BACKUP_TIMEZONE": "Mars/Olympus"},
        {"BACKUP_TIMEZONE": "../etc/passwd"},
    ],
)
def test_an_invalid_schedule_is_rejected_at_start(site: Site, changes: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=next(iter(changes))):
        site.load(BackupWorkerSettings, **changes)


async def test_the_worker_submits_scheduled_backups(site: Site, tmp_path: Path) -> None:
    # Due every minute; the last recorded due time is an hour ago.
    site.server.execute(
        f"INSERT INTO `{site.ops}`.backup_schedule (due_at, created_at)"
        " VALUES (UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, UTC_TIMESTAMP(6))"
    )
    with service_process("sysndd_backup", site, tmp_path, BACKUP_SCHEDULE="* * * * *"):
        await asyncio.to_thread(
            eventually,
            "a scheduled backup",
            lambda: list(site.backup_dir.glob("scheduled_*.json")),
            seconds=40,
        )
