"""The one list of jobs that this worker runs. Each handler loads, calls the domain, and reports."""

import asyncio
from dataclasses import asdict
from typing import Any

from sysndd_backup.backup import BackupOrder, BackupTools, take_backup
from sysndd_backup.restore import restore_backup
from sysndd_core.jobs import BackupKind, CreateBackup, Job, RestoreBackup
from sysndd_core.logging import get_logger
from sysndd_core.worker import JobHandler, JobRun

log = get_logger(__name__)


class BackupHandlers:
    """Runs the backup queue's jobs with the tools that were put together at start."""

    def __init__(self, tools: BackupTools) -> None:
        self._tools = tools

    def table(self) -> dict[type[Job], JobHandler]:
        """Return exactly one handler for each model of the queue."""
        return {CreateBackup: self.create_backup, RestoreBackup: self.restore_backup}

    async def create_backup(self, job: CreateBackup, run: JobRun) -> dict[str, Any]:
        """Take a backup; the result names it."""
        await self._clean()
        manifest = await take_backup(self._tools, _order(job.kind, run), run.progress)
        return {
            "name": manifest.name,
            "size_bytes": manifest.size_bytes,
            "sha256": manifest.sha256,
            "table_count": manifest.table_count,
            "row_count": manifest.row_count,
        }

    async def restore_backup(self, job: RestoreBackup, run: JobRun) -> dict[str, Any]:
        """Restore a backup; the result names it and the safety backup."""
        await self._clean()
        order = _order(BackupKind.PRE_RESTORE, run)
        return asdict(await restore_backup(self._tools, job.name, order, run.progress))

    async def _clean(self) -> None:
        # Jobs of this queue never overlap, so whatever is unfinished belongs to a dead worker.
        removed = await asyncio.to_thread(self._tools.store.remove_partials)
        if removed:
            log.warning("partial_files_removed", files=removed)


def _order(kind: BackupKind, run: JobRun) -> BackupOrder:
    return BackupOrder(kind, run.id, run.requested_by)
