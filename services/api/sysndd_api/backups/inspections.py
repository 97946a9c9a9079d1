"""Single tables of a backup, loaded into schemas of their own to be looked at."""

from sysndd_api.backups.models import InspectionView
from sysndd_api.backups.service import Backups
from sysndd_api.backups.store import BackupStore
from sysndd_api.jobs.service import JobRequests
from sysndd_api.security.access import Actor
from sysndd_core.db.database import Database
from sysndd_core.errors import InspectionNotFound, TableNotInBackup
from sysndd_core.jobs.models import DropInspection, InspectTable


class Inspections:
    """Lists the schemas that hold one table of a backup, and submits the jobs around them."""

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
        """Submit the load of one table into a schema of its own; return the job's id.

        Raises:
            TableNotInBackup: its manifest does not list it.
            InvalidBackupName, BackupNotFound, OperationInProgress.
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
        """List the schemas that were made, newest first."""
        return await self._store.inspections()

    async def drop_inspection(self, actor: Actor, schema: str) -> str:
        """Submit the end of an inspection; return the job's id.

        Raises:
            InspectionNotFound: no such schema was made for one; no other can be dropped here.
            OperationInProgress.
        """
        if not await self._store.has_inspection(schema):
            raise InspectionNotFound()
        job = DropInspection(schema_name=schema)
        async with self._database.transaction() as tx:
            return await self._requests.submit(tx, actor, job, object_name=schema)
