"""The one list of jobs that this worker runs. Each handler loads, calls the domain, and reports."""

import asyncio
from dataclasses import asdict
from typing import Any

from sysndd_backup.dump.create_backup import BackupOrder, BackupTools
from sysndd_backup.importing.import_dump import Adoption, adopt
from sysndd_backup.progress import JobHandler, JobRun
from sysndd_backup.restore.dry_run import preview_restore
from sysndd_backup.restore.inspect_table import Inspections, inspect_table
from sysndd_backup.restore.recovery import Recovery
from sysndd_backup.restore.restore import restore_backup
from sysndd_backup.restore.undo import undo_restore
from sysndd_backup.verify.verify import prove
from sysndd_backup.whole_backup import BackupPolicy, back_up
from sysndd_core.jobs.models import (
    AdoptBackup,
    BackupKind,
    CreateBackup,
    DropInspection,
    InspectTable,
    Job,
    PreviewRestore,
    RestoreBackup,
    UndoRestore,
    VerifyBackup,
)
from sysndd_core.logging import get_logger

log = get_logger(__name__)


class BackupHandlers:
    """Runs the backup queue's jobs with the tools that were put together at start."""

    def __init__(self, tools: BackupTools, policy: BackupPolicy | None = None) -> None:
        self._tools = tools
        self._policy = policy or BackupPolicy()

    def table(self) -> dict[type[Job], JobHandler]:
        """Return exactly one handler for each model of the queue."""
        return {
            CreateBackup: self.create_backup,
            VerifyBackup: self.verify_backup,
            RestoreBackup: self.restore_backup,
            UndoRestore: self.undo_restore,
            AdoptBackup: self.adopt_backup,
            PreviewRestore: self.preview_restore,
            InspectTable: self.inspect_table,
            DropInspection: self.drop_inspection,
        }

    async def create_backup(self, job: CreateBackup, run: JobRun) -> dict[str, Any]:
        """Take a backup and prove it; the result names it."""
        await self._clean()
        order = _order(job.kind, run)
        manifest = await back_up(self._tools, self._policy, order, run.progress)
        return {
            "name": manifest.name,
            "size_bytes": manifest.size_bytes,
            "sha256": manifest.sha256,
            "table_count": manifest.table_count,
            "row_count": manifest.row_count,
            "proof": manifest.proof,
            "places": manifest.places,
            "copy_error": manifest.remote_error,
        }

    async def verify_backup(self, job: VerifyBackup, run: JobRun) -> dict[str, Any]:
        """Prove a backup that is there; the result tells when."""
        await self._clean()
        manifest = await prove(self._tools, job.name, run.progress)
        return {"name": manifest.name, "proof": manifest.proof, "proof_at": manifest.proof_at}

    async def restore_backup(self, job: RestoreBackup, run: JobRun) -> dict[str, Any]:
        """Restore a backup; the result names it and the safety backup."""
        await self._clean()
        order = _order(BackupKind.PRE_RESTORE, run)
        return asdict(await restore_backup(self._tools, job, order, run.progress))

    async def undo_restore(self, job: UndoRestore, run: JobRun) -> dict[str, Any]:
        """Take the last restore back; the result tells what was written since."""
        await self._clean()
        return asdict(await undo_restore(self._tools, run))

    async def adopt_backup(self, job: AdoptBackup, run: JobRun) -> dict[str, Any]:
        """List a dump from elsewhere once it was read to its end; the result describes it."""
        await self._clean()
        manifest = await adopt(
            self._tools, Adoption(job.name, job.uploaded), _order(BackupKind.UPLOADED, run),
            run.progress, self._policy.upload_max_bytes,
        )  # fmt: skip
        if self._tools.second is not None:
            manifest = await self._tools.second.copy(manifest.name, run.progress, percent=95)
        return {
            "name": manifest.name,
            "size_bytes": manifest.size_bytes,
            "sha256": manifest.sha256,
            "table_count": manifest.table_count,
            "row_count": manifest.row_count,
        }

    async def preview_restore(self, job: PreviewRestore, run: JobRun) -> dict[str, Any]:
        """Compare a backup with live; the result tells what a restore would change."""
        await self._clean()
        return await preview_restore(self._tools, job.name, run)

    async def inspect_table(self, job: InspectTable, run: JobRun) -> dict[str, Any]:
        """Load one table beside live; the result names its schema."""
        await self._clean()
        return await inspect_table(self._tools, job.name, job.table, run)

    async def drop_inspection(self, job: DropInspection, run: JobRun) -> dict[str, Any]:
        """Drop what was loaded for an inspection."""
        await run.progress("dropping", 50, f"Dropping {job.schema_name}")
        await Inspections(self._tools.database).drop(job.schema_name)
        return {"schema": job.schema_name}

    async def _clean(self) -> None:
        await Recovery(self._tools.database, self._tools.undo_hours).recover()
        # Jobs of this queue never overlap, so whatever is unfinished belongs to a dead worker.
        removed = await asyncio.to_thread(self._tools.store.remove_partials)
        if removed:
            log.warning("partial_files_removed", files=removed)


def _order(kind: BackupKind, run: JobRun) -> BackupOrder:
    return BackupOrder(kind, run.id, run.requested_by)
