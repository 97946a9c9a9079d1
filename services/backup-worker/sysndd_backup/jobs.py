"""The jobs of the backup queue: one handler for each kind, and the execution of a claimed job."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sysndd_backup.archive.retention import Retention
from sysndd_backup.context import BackupRequest, BackupTools
from sysndd_backup.dump.create_backup import create_backup
from sysndd_backup.importing.import_dump import import_dump
from sysndd_backup.progress import JobRun
from sysndd_backup.restore.dry_run import dry_run_restore
from sysndd_backup.restore.inspect_table import inspect_table
from sysndd_backup.restore.recovery import Recovery
from sysndd_backup.restore.restore import restore_backup
from sysndd_backup.restore.scratch_schemas import ScratchSchemas
from sysndd_backup.restore.undo import undo_restore
from sysndd_backup.verify.verify import verify_backup
from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.db.schema_lock import schema_lock
from sysndd_core.errors import JobCancelled, LeaseLost, SysnddError
from sysndd_core.jobs.leases import CancelReason
from sysndd_core.jobs.models import (
    BackupKind,
    CreateBackup,
    DropInspection,
    DryRunRestore,
    ImportBackup,
    InspectTable,
    Job,
    RestoreBackup,
    UndoRestore,
    VerifyBackup,
    job_type,
)
from sysndd_core.jobs.rows import ClaimedJob, JobClaim, JobRows
from sysndd_core.jobs.worker import Perform
from sysndd_core.logging import get_logger
from sysndd_core.settings.backup import VerifyPolicy
from sysndd_core.settings.retention import RetentionPolicy

log = get_logger(__name__)

# Share of the dump in a job that creates and verifies a backup; loading takes the rest.
_DUMP_PERCENT = 40
_DAY = timedelta(days=1)

JobHandler = Callable[[Any, JobRun], Awaitable[dict[str, Any]]]
"""Runs a job, given its model and its attempt; returns the result for the job's row."""


@dataclass(frozen=True)
class BackupPolicy:
    """Policies for new backups and imports.

    Attributes:
        verify: When to verify a new backup.
        retention: Which backups are retained.
        upload_max_bytes: Maximum uncompressed size of an imported dump, in bytes.
    """

    verify: VerifyPolicy = VerifyPolicy.ALWAYS
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)
    upload_max_bytes: int = 200 * 10**9


class BackupHandlers:
    """The handlers of the backup queue.

    Args:
        tools: Server, client programs and store.
        policy: When to verify, what to retain and what to import; defaults to the default policy.
    """

    def __init__(self, tools: BackupTools, policy: BackupPolicy | None = None) -> None:
        self._tools = tools
        self._policy = policy or BackupPolicy()

    def table(self) -> dict[type[Job], JobHandler]:
        """Return the handler of each job model."""
        return {
            CreateBackup: self.create_backup,
            VerifyBackup: self.verify_backup,
            RestoreBackup: self.restore_backup,
            UndoRestore: self.undo_restore,
            ImportBackup: self.import_dump,
            DryRunRestore: self.dry_run_restore,
            InspectTable: self.inspect_table,
            DropInspection: self.drop_inspection,
        }

    async def create_backup(self, job: CreateBackup, run: JobRun) -> dict[str, Any]:
        """Create a backup, copy it off-site, verify it, and delete expired backups.

        Returns:
            Name, sizes, hash, excluded rows, verification and locations of the backup.

        Raises:
            EncryptionKeyMissing, EncryptionKeyWrong: The backup must be verified, but no identity
                can decrypt it.
            DumpFailed, ExcludedRowsReferenced, MissingPrivileges, InsufficientStorage: There is no
                new backup.
            VerificationFailed, BackupDamaged: The backup exists, but its verification failed.
        """
        await self._recover()
        tools = self._tools
        verify = _verification_is_due(
            self._policy.verify, tools.store.manifests(), datetime.now(UTC)
        )
        if verify:
            # Check before the dump, because the verification follows only after it.
            tools.keys.check_own()
        dumped = _DUMP_PERCENT if verify else 100
        await run.progress("waiting", 0, "Waiting for the schema lock")
        purpose = f"sysndd-backup: dump, job {run.id[:8]}"
        async with schema_lock(tools.database.settings, purpose=purpose, timeout=None):
            manifest = await create_backup(
                tools, _request(job.kind, run), run.progress, high=dumped
            )
        if tools.offsite is not None:
            manifest = await tools.offsite.copy(
                manifest.name, run.progress, percent=min(dumped, 99)
            )
        if verify:
            manifest = await verify_backup(tools, manifest.name, run.progress, low=dumped)
            # Only after the verification: a failed backup must never displace an older one.
            retention = Retention(
                tools.database, tools.store, tools.offsite, self._policy.retention
            )
            await retention.apply(manifest.site_id, run.id)
        return _summary(manifest) | {
            "excluded_rows": manifest.excluded_rows,
            "verification": manifest.verification,
            "locations": manifest.locations,
            "offsite_error": manifest.offsite_error,
        }

    async def verify_backup(self, job: VerifyBackup, run: JobRun) -> dict[str, Any]:
        """Verify a backup; the result contains the time of the verification."""
        await self._recover()
        manifest = await verify_backup(self._tools, job.name, run.progress)
        return {
            "name": manifest.name,
            "verification": manifest.verification,
            "verified_at": manifest.verified_at,
        }

    async def restore_backup(self, job: RestoreBackup, run: JobRun) -> dict[str, Any]:
        """Restore a backup; the result contains its name and that of the safety backup."""
        await self._recover()
        request = _request(BackupKind.PRE_RESTORE, run)
        return asdict(await restore_backup(self._tools, job, request, run.progress))

    async def undo_restore(self, job: UndoRestore, run: JobRun) -> dict[str, Any]:
        """Undo the last restore; the result contains the number of rows written since then."""
        await self._recover()
        return asdict(await undo_restore(self._tools, run))

    async def import_dump(self, job: ImportBackup, run: JobRun) -> dict[str, Any]:
        """Import a dump from elsewhere; the result contains name, sizes and hash."""
        await self._recover()
        tools, request = self._tools, _request(BackupKind.UPLOADED, run)
        manifest = await import_dump(
            tools, job, request, run.progress, self._policy.upload_max_bytes
        )
        if tools.offsite is not None:
            manifest = await tools.offsite.copy(manifest.name, run.progress, percent=95)
        return _summary(manifest)

    async def dry_run_restore(self, job: DryRunRestore, run: JobRun) -> dict[str, Any]:
        """Compare a backup with the live database; the result lists what a restore changes."""
        await self._recover()
        return await dry_run_restore(self._tools, job.name, run)

    async def inspect_table(self, job: InspectTable, run: JobRun) -> dict[str, Any]:
        """Load one table into a scratch schema; the result contains the schema's name."""
        await self._recover()
        return await inspect_table(self._tools, job.name, job.table, run)

    async def drop_inspection(self, job: DropInspection, run: JobRun) -> dict[str, Any]:
        """Drop the scratch schema of an inspection."""
        await run.progress("dropping", 50, f"Dropping {job.schema_name}")
        await ScratchSchemas(self._tools.database).drop(job.schema_name)
        return {"schema": job.schema_name}

    async def _recover(self) -> None:
        """Clean up after stopped workers.

        Jobs of this queue never overlap, so all partial files and open restores are abandoned.
        """
        tools = self._tools
        await Recovery(tools.database, tools.undo_hours, tools.site_hold).recover()
        removed = await asyncio.to_thread(tools.store.remove_partials)
        if removed:
            log.warning("partial_files_removed", files=removed)


def job_performer(rows: JobRows, handlers: dict[type[Job], JobHandler]) -> Perform[ClaimedJob]:
    """Return a function that runs claimed jobs and records their outcome.

    Args:
        rows: The jobs of the backup queue.
        handlers: The handler of each job model.
    """

    async def perform(claim: JobClaim) -> None:
        log.info("job_started", kind=claim.row.kind)
        try:
            job, handler = _resolve(claim, handlers)
            result = await handler(job, _run_of(rows, claim))
            await _record(lambda: rows.succeed(claim, result))
            log.info("job_succeeded", kind=claim.row.kind)
        except LeaseLost:
            log.warning("job_lease_lost", kind=claim.row.kind)
        except asyncio.CancelledError:
            await _end_interrupted(rows, claim)
        except SysnddError as error:
            log.error("job_failed", kind=claim.row.kind, code=error.code, error=error.detail)
            code, text = error.code, error.detail
            await _record(lambda: rows.fail(claim, code, text))
        except Exception as error:
            log.exception("job_failed", kind=claim.row.kind)
            text = (
                f"The job failed with an unexpected {type(error).__name__}. Search the worker's"
                f" log for the job {claim.id}."
            )
            await _record(lambda: rows.fail(claim, SysnddError.code, text))
        finally:
            # If this fails, the next sweep writes the outcomes.
            with contextlib.suppress(SysnddError):
                await rows.outcomes.write()

    return perform


def _run_of(rows: JobRows, claim: JobClaim) -> JobRun:
    logged = ""

    async def progress(step: str, percent: int, message: str = "") -> None:
        nonlocal logged
        await rows.progress(claim, step=step, percent=percent, message=message)
        if step != logged:
            logged = step
            log.info("job_step_started", step=step, percent=percent, message=message)

    return JobRun(claim.id, claim.row.requested_by, progress)


def _resolve(claim: JobClaim, handlers: dict[type[Job], JobHandler]) -> tuple[Job, JobHandler]:
    model = job_type(claim.row.kind)
    if model is None or model not in handlers:
        raise SysnddError(
            f"This version of the backup worker does not support the job kind"
            f" {claim.row.kind!r}. Run the same version of the API and the worker."
        )
    return model.model_validate_json(claim.row.payload), handlers[model]


async def _end_interrupted(rows: JobRows, claim: JobClaim) -> None:
    log.warning("job_interrupted", kind=claim.row.kind, reason=claim.cancel_reason)
    with contextlib.suppress(LeaseLost):
        if claim.cancel_reason is CancelReason.CANCEL_REQUESTED:
            await rows.end(
                claim,
                "cancelled",
                "error_code = %s, error = %s",
                JobCancelled.code,
                "The job was cancelled on request.",
            )
        elif claim.cancel_reason is CancelReason.WORKER_STOPPING:
            await rows.release(claim)


async def _record(outcome: Callable[[], Awaitable[None]]) -> None:
    """Write the outcome of a job, with retries, because the database may be the cause of failure.

    A success that cannot be written must not become a failure: if all retries fail, the sweep
    finds the job when its lease expires, and the job runs again.
    """
    for pause in (0.5, 1, 2, 4, 0):
        try:
            await outcome()
            return
        except LeaseLost:
            return
        except SysnddError as error:
            log.warning("job_outcome_write_failed", code=error.code)
            await asyncio.sleep(pause)


def _request(kind: BackupKind, run: JobRun) -> BackupRequest:
    return BackupRequest(kind, run.id, run.requested_by)


def _verification_is_due(
    policy: VerifyPolicy, manifests: list[BackupManifest], now: datetime
) -> bool:
    if policy is not VerifyPolicy.DAILY:
        return policy is VerifyPolicy.ALWAYS
    return not any(
        manifest.verification is Verification.VERIFIED
        and manifest.verified_at is not None
        and manifest.verified_at > now - _DAY
        for manifest in manifests
    )


def _summary(manifest: BackupManifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "size_bytes": manifest.size_bytes,
        "sha256": manifest.sha256,
        "table_count": manifest.table_count,
        "row_count": manifest.row_count,
    }
