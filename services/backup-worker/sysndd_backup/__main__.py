"""``sysndd-backup-worker`` runs backup jobs until SIGTERM.

``health`` checks that it responds. ``job ID`` runs jobs until this one has ended: ``sysndd-admin``
starts it if no other worker claims its job.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Coroutine
from typing import Any

from pydantic import SecretStr

from sysndd_backup.archive.encryption import Keys
from sysndd_backup.archive.off_site import OffsiteStorage
from sysndd_backup.context import BackupTools, SiteHoldConfig
from sysndd_backup.jobs import BackupHandlers, BackupPolicy, job_performer
from sysndd_backup.load.confined_account import LoadAccount
from sysndd_backup.restore.migrate_backup import Migrator, find_migrator
from sysndd_backup.restore.recovery import Recovery
from sysndd_backup.restore.site_hold import check_site_hold
from sysndd_backup.schedule import Schedule
from sysndd_backup.server.clients import find_clients
from sysndd_backup.server.server import identify
from sysndd_backup.settings import BackupWorkerSettings
from sysndd_core.background import end_tasks
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.s3 import S3Copies
from sysndd_core.db.database import Database
from sysndd_core.db.site import check_site
from sysndd_core.errors import SysnddError, Unavailable
from sysndd_core.jobs.liveness import check_liveness
from sysndd_core.jobs.models import Queue, job_type
from sysndd_core.jobs.rows import ClaimedJob, JobClaim, JobRows
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.jobs.worker import Worker
from sysndd_core.logging import configure
from sysndd_core.settings.backup import BackupSettings
from sysndd_core.settings.base import load

# Counting the rows of a large table takes longer than the timeout of other statements.
_STATEMENT_SECONDS = 3600.0
_POLL_SECONDS = 0.5


def main() -> int:
    """Run the program; return its exit code: 0 after a clean stop, 1 if it cannot start."""
    try:
        settings = load(BackupWorkerSettings, os.environ)
        if sys.argv[1:] == ["health"]:
            return check_liveness(settings.database, Queue.BACKUP)
        only = _only_job(sys.argv[1:])
        configure(settings.log, service="backup-worker")
        migrates = settings.backup.restore_migrate and settings.database.is_managed
        migrator = find_migrator(os.environ, settings.database.ops_name) if migrates else None
        own_users = (
            settings.database.user,
            settings.backup.load_user,
            settings.site_hold.lock_user,
        )
        site_hold = SiteHoldConfig.configured(settings.site_hold, os.environ, own_users)
        check_site_hold(site_hold)
        asyncio.run(_serve(settings, migrator, site_hold, only))
    except SysnddError as error:
        print(f"sysndd-backup-worker: {error.detail}", file=sys.stderr)
        return 1
    return 0


def _only_job(arguments: list[str]) -> str | None:
    """Return the ID of the job after which the program ends, or None.

    Raises:
        SysnddError: The arguments are unknown.
    """
    match arguments:
        case []:
            return None
        case ["job", job_id]:
            return job_id
    raise SysnddError("The arguments are none, `health`, or `job` and the ID of a job.")


async def _serve(
    settings: BackupWorkerSettings,
    migrator: Migrator | None,
    site_hold: SiteHoldConfig,
    only: str | None,
) -> None:
    slow_statements = settings.database.model_copy(
        update={"statement_timeout": _STATEMENT_SECONDS, "pool_size": 2}
    )
    wake_up = WakeUp(settings.redis)
    try:
        # Two pools: statements on job rows must fail soon if the server hangs, but counting the
        # rows of a large table must not time out.
        async with Database(settings.database) as database, Database(slow_statements) as slow:
            await check_site(database, settings.database)
            rows = JobRows(database, wake_up, Queue.BACKUP)
            tools = await _tools(settings, slow, migrator, site_hold)
            policy = BackupPolicy(
                settings.backup.verify,
                settings.retention.policy,
                settings.backup.upload_max_bytes,
            )
            worker = Worker(
                database=database,
                redis=settings.redis,
                rows=rows,
                perform=job_performer(rows, BackupHandlers(tools, policy).table()),
                interruptible=_interruptible,
            )
            background = [Recovery(database, tools.undo_hours, site_hold).run_forever()]
            schedule = settings.backup_schedule.schedule
            if only is not None:
                background.append(_stop_after(worker, rows, only))
            elif tools.offsite is not None:
                background.append(tools.offsite.run_forever())
            if only is None and schedule is not None:
                background.append(Schedule(rows, schedule, settings.retention.zone).run_forever())
            await _run(worker, background)
    finally:
        await wake_up.close()


async def _tools(
    settings: BackupWorkerSettings,
    database: Database,
    migrator: Migrator | None,
    site_hold: SiteHoldConfig,
) -> BackupTools:
    server = await identify(database)
    store = BackupDirectory(settings.backup.directory)
    _make_directory(store)
    copies = S3Copies.configured(settings.s3)
    return BackupTools(
        database=database,
        server=server,
        clients=await find_clients(server),
        store=store,
        compression=settings.backup.compression,
        exclude_rows=settings.backup.excluded_rows,
        undo_hours=settings.backup.undo_hours,
        load_account=_load_account(settings.backup),
        keys=Keys.configured(settings.encryption),
        offsite=None if copies is None else OffsiteStorage(store, copies),
        migrate=None if migrator is None else migrator.apply,
        site_hold=site_hold,
    )


async def _run(worker: Worker[ClaimedJob], background: list[Coroutine[Any, Any, None]]) -> None:
    """Run jobs until SIGTERM, then cancel the background tasks."""
    tasks = [asyncio.create_task(coroutine) for coroutine in background]
    try:
        await worker.run()
    finally:
        await end_tasks(*tasks)


async def _stop_after(worker: Worker[ClaimedJob], rows: JobRows, job_id: str) -> None:
    """Stop the worker when a job has ended."""
    while True:
        with contextlib.suppress(Unavailable):
            if await rows.has_ended(job_id):
                worker.stop()
                return
        await asyncio.sleep(_POLL_SECONDS)


def _load_account(settings: BackupSettings) -> LoadAccount | None:
    if settings.load_user is None:
        return None
    return LoadAccount(settings.load_user, settings.load_password or SecretStr(""))


def _make_directory(store: BackupDirectory) -> None:
    try:
        # Dumps contain personal data and password hashes.
        store.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SysnddError(
            f"The directory BACKUP_DIR={store.directory} cannot be created: {error.strerror}."
            " Create it, or set BACKUP_DIR to a directory that the worker can write to."
        ) from error


def _interruptible(claim: JobClaim) -> bool:
    model = job_type(claim.row.kind)
    return model is None or model.interruptible


if __name__ == "__main__":
    sys.exit(main())
