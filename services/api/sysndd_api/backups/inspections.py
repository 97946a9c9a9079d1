"""Inspections: single tables of a backup, loaded into separate schemas."""

from sysndd_api.backups.models import InspectionView
from sysndd_api.backups.service import Backups
from sysndd_api.backups.store import BackupStore
from sysndd_api.jobs.service import JobRequests
from sysndd_api.security.access import Actor
from sysndd_core.db.database import Database
from sysndd_core.errors import InspectionNotFound, TableNotInBackup
from sysndd_core.jobs.models import DropInspection, InspectTable


class Inspections:
    """Lists inspections and submits the jobs that create and drop them."""

    def __init__(
        self,
        *,
        database: Database,
        store: BackupStore,
        backups: Backups,
        requests: JobRequests,
    ) -> None:
        self._database = database
        self._store = store
        self._backups = backups
        self._requests = requests

    async def inspect_table(self, actor: Actor, name: str, table: str) -> str:
        """Submit the job that loads one table into a separate schema.

        Args:
            actor: The account that requests it.
            name: Name of a backup.
            table: Name of the table.

        Returns:
            The ID of the job.

        Raises:
            InvalidBackupName: The name cannot be that of a backup.
            BackupNotFound: No backup has this name.
            TableNotInBackup: The manifest does not list the table.
            OperationInProgress: A job that must not overlap is queued or running.
        """
        manifest = await self._backups.get(name)
        if table not in manifest.rows_per_table:
            raise TableNotInBackup()
        job = InspectTable(name=name, table=table)
        async with self._database.transaction() as tx:
            return await self._requests.submit(
                tx, actor, job, object_name=manifest.name, detail={"sha256": manifest.sha256}
            )

    async def list_inspections(self) -> list[InspectionView]:
        """Return all inspections, newest first."""
        return await self._store.inspections()

    async def drop_inspection(self, actor: Actor, schema: str) -> str:
        """Submit the job that drops the schema of an inspection.

        Args:
            actor: The account that requests it.
            schema: Name of the schema. Only the schema of an inspection is accepted.

        Returns:
            The ID of the job.

        Raises:
            InspectionNotFound: No inspection has this schema.
            OperationInProgress: A job that must not overlap is queued or running.
        """
        if not await self._store.has_inspection(schema):
            raise InspectionNotFound()
        job = DropInspection(schema_name=schema)
        async with self._database.transaction() as tx:
            return await self._requests.submit(tx, actor, job, object_name=schema)
