"""What administrators do to look before they restore: a dry run, and single tables beside live."""

import asyncio

from sysndd_api.audit.service import Audit
from sysndd_api.auth import Actor
from sysndd_api.inspections.models import InspectionView
from sysndd_api.inspections.store import InspectionStore
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.db.database import Database, utc
from sysndd_core.errors import InspectionNotFound, TableNotInBackup
from sysndd_core.jobs.models import DropInspection, InspectTable, Job, PreviewRestore
from sysndd_core.jobs.rows import JobRows


class Inspections:
    """Submits the jobs that load something of a backup beside live."""

    def __init__(
        self, database: Database, store: BackupDirectory, rows: JobRows, audit: Audit
    ) -> None:
        self._database = database
        self._backups = store
        self._store = InspectionStore(database)
        self._rows = rows
        self._audit = audit

    async def dry_run(self, actor: Actor, name: str) -> str:
        """Submit the comparison of a backup with live, accounts included; return the job's id.

        Raises:
            InvalidBackupName, BackupNotFound, OperationInProgress.
        """
        manifest = await asyncio.to_thread(self._backups.manifest, name)
        return await self._submit(actor, PreviewRestore(name=name), manifest)

    async def inspect(self, actor: Actor, name: str, table: str) -> str:
        """Submit the load of one table into a schema of its own; return the job's id.

        Raises:
            TableNotInBackup: its manifest does not list it.
            InvalidBackupName, BackupNotFound, OperationInProgress.
        """
        manifest = await asyncio.to_thread(self._backups.manifest, name)
        if table not in manifest.rows_per_table:
            raise TableNotInBackup()
        return await self._submit(actor, InspectTable(name=name, table=table), manifest)

    async def all(self) -> list[InspectionView]:
        """List the schemas that were made, newest first."""
        return [
            InspectionView.model_validate(
                {**row, "created_at": utc(row["created_at"]), "kept_until": utc(row["kept_until"])}
            )
            for row in await self._store.all()
        ]

    async def drop(self, actor: Actor, schema: str) -> str:
        """Submit the end of an inspection; return the job's id.

        Raises:
            InspectionNotFound: no such schema was made for one; no other can be dropped here.
            OperationInProgress.
        """
        if not await self._store.exists(schema):
            raise InspectionNotFound()
        return await self._submit(actor, DropInspection(schema_name=schema), None, obj=schema)

    async def _submit(
        self, actor: Actor, job: Job, manifest: BackupManifest | None, *, obj: str | None = None
    ) -> str:
        async with self._database.transaction() as tx:
            job_id = await self._rows.submit(tx, job, requested_by=actor.user_id)
            detail = {"job_id": job_id} | ({"sha256": manifest.sha256} if manifest else {})
            obj = obj or (manifest.name if manifest else None)
            await self._audit.write(tx, actor, job.job_kind, obj=obj, detail=detail)
        return job_id
