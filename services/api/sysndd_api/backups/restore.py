"""Restores: dry run, restore, and undo."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pymysql.err

from sysndd_api.backups.models import EmptyTable, RestoreDryRun, TableDifference
from sysndd_api.backups.service import Backups, check_confirmation
from sysndd_api.backups.store import BackupStore, LiveTable, Undoable
from sysndd_api.jobs.service import JobRequests
from sysndd_api.security.access import Actor
from sysndd_api.web.site_features import SiteFeatures
from sysndd_core.backups.manifest import BackupManifest, foreign_backup_refusal
from sysndd_core.db.database import Database
from sysndd_core.db.schema_version import current_version
from sysndd_core.errors import (
    DatabaseBusy,
    DatabaseUnavailable,
    ForeignBackup,
    NothingToUndo,
    SchemaDamaged,
    SysnddError,
)
from sysndd_core.jobs.models import BackupKind, Consent, DryRunRestore, RestoreBackup, UndoRestore
from sysndd_core.logging import get_logger

log = get_logger(__name__)

RESTORE_WORD = "RESTORE"
UNDO_WORD = "UNDO"

# The comparison must fit into one request. InnoDB counts millions of rows per second in memory but
# far fewer from disk, so larger tables are reported with the server's estimate.
_COUNTED_ROWS = 2_000_000
_COUNTING_SECONDS = 5.0


class Restores:
    """Compares backups with the live database and submits restores and their undo."""

    def __init__(
        self,
        *,
        database: Database,
        store: BackupStore,
        backups: Backups,
        requests: JobRequests,
        features: SiteFeatures,
    ) -> None:
        self._database = database
        self._store = store
        self._backups = backups
        self._requests = requests
        self._features = features
        self._uncountable: set[str] = set()

    async def restore_backup(
        self, actor: Actor, name: str, confirm: Any, accept: Iterable[Consent] = ()
    ) -> str:
        """Submit a restore.

        Args:
            actor: The account that requests it.
            name: Name of a backup.
            confirm: The confirmation as received; must be ``RESTORE``.
            accept: The risks that the request accepts. Whether one is needed is known only once
                the worker has loaded the backup; without it, the job fails.

        Returns:
            The ID of the job.

        Raises:
            ConfirmationRequired: ``confirm`` is not exactly ``RESTORE``.
            InvalidBackupName: The name cannot be that of a backup.
            BackupNotFound: No backup has this name.
            ForeignBackup: Another site created it, and ``accept`` does not say so.
            InsufficientStorage: The safety backup would not fit.
            OperationInProgress: A job that must not overlap is queued or running.
        """
        check_confirmation(confirm, RESTORE_WORD)
        manifest = await self._backups.get(name)
        name = manifest.name
        accepted = tuple(dict.fromkeys(accept))
        if Consent.FOREIGN_BACKUP not in accepted and await self.is_foreign(manifest):
            raise ForeignBackup(foreign_backup_refusal(manifest))
        # The safety backup needs space too.
        await self._backups.check_free_space(BackupKind.PRE_RESTORE)
        async with self._database.transaction() as tx:
            job = RestoreBackup(name=name, accept=accepted)
            return await self._requests.submit(
                tx, actor, job, object_name=name, detail={"sha256": manifest.sha256}
            )

    async def is_foreign(self, manifest: BackupManifest) -> bool:
        """Return whether another site created a backup."""
        site = await self._features.site()
        return manifest.is_foreign_to(site.id if site is not None else None)

    async def dry_run_restore(self, name: str) -> RestoreDryRun:
        """Compare the row counts of a backup with the live database; nothing is changed.

        Raises:
            InvalidBackupName: The name cannot be that of a backup.
            BackupNotFound: No backup has this name.
        """
        manifest = await self._backups.get(name)
        live = await self._live_rows()
        then = manifest.rows_per_table
        return RestoreDryRun(
            name=name,
            created_at=manifest.created_at,
            schema_version=manifest.schema_version,
            live_schema_version=await self._live_schema_version(),
            table_count=manifest.table_count,
            live_table_count=len(live),
            row_count=manifest.row_count,
            live_row_count=sum(rows.number for rows in live.values()),
            unreadable=[table for table, rows in live.items() if not rows.readable],
            differing=_differing(live, then),
            foreign=await self.is_foreign(manifest),
            excluded_rows=[_empty_table(live, table) for table in manifest.excluded_rows],
        )

    async def dry_run(self, actor: Actor, name: str) -> str:
        """Submit a dry run: a comparison with the live database that includes accounts.

        Returns:
            The ID of the job.

        Raises:
            InvalidBackupName: The name cannot be that of a backup.
            BackupNotFound: No backup has this name.
            OperationInProgress: A job that must not overlap is queued or running.
        """
        manifest = await self._backups.get(name)
        async with self._database.transaction() as tx:
            job = DryRunRestore(name=name)
            return await self._requests.submit(
                tx, actor, job, object_name=manifest.name, detail={"sha256": manifest.sha256}
            )

    async def undoable(self) -> Undoable | None:
        """Return the restore that can be undone, or None."""
        async with self._database.connection() as connection:
            return await self._store.undoable(connection)

    async def undo_restore(self, actor: Actor, confirm: Any) -> str:
        """Submit the undo of the last restore.

        Args:
            actor: The account that requests it.
            confirm: The confirmation as received; must be ``UNDO``.

        Returns:
            The ID of the job.

        Raises:
            ConfirmationRequired: ``confirm`` is not exactly ``UNDO``.
            NothingToUndo: There was no restore, its time is over, or it was already undone.
            OperationInProgress: A job that must not overlap is queued or running.
        """
        check_confirmation(confirm, UNDO_WORD)
        async with self._database.transaction() as tx:
            last = await self._store.undoable(tx)
            if last is None:
                raise NothingToUndo()
            return await self._requests.submit(tx, actor, UndoRestore(), object_name=last.backup)

    async def _live_schema_version(self) -> str | None:
        try:
            return await current_version(self._database, application=self._database.settings.name)
        except SchemaDamaged:
            return None

    async def _live_rows(self) -> "dict[str, _Rows]":
        until = time.monotonic() + _COUNTING_SECONDS
        return {
            table.name: await self._rows_of(table, until)
            for table in await self._store.live_tables()
        }

    async def _rows_of(self, table: LiveTable, until: float) -> "_Rows":
        estimate = _Rows(table.estimated_rows, estimated=True)
        if table.name in self._uncountable:
            return replace(estimate, readable=False)
        if table.estimated_rows > _COUNTED_ROWS or time.monotonic() >= until:
            return estimate
        try:
            return _Rows(await self._store.count_rows(table.name), estimated=False)
        except DatabaseBusy:
            return estimate
        except DatabaseUnavailable:
            # A corrupt page can stop the server, so this process does not count the table again.
            self._uncountable.add(table.name)
            raise
        except (pymysql.err.Error, SysnddError) as error:
            log.warning("live_table_not_counted", table=table.name, reason=str(error))
            return replace(estimate, readable=False)


@dataclass(frozen=True)
class _Rows:
    number: int
    estimated: bool
    readable: bool = True


def _differing(live: dict[str, _Rows], then: dict[str, int]) -> list[TableDifference]:
    def differs(table: str) -> bool:
        now = live.get(table)
        return now is None or now.estimated or now.number != then.get(table)

    return [
        TableDifference(
            table=table,
            live_rows=live[table].number if table in live else None,
            live_rows_estimated=table in live and live[table].estimated,
            backup_rows=then.get(table),
        )
        for table in sorted(live.keys() | then.keys())
        if differs(table)
    ]


def _empty_table(live: dict[str, _Rows], table: str) -> EmptyTable:
    rows = live.get(table)
    if rows is None:
        return EmptyTable(table=table, live_rows=None)
    return EmptyTable(table=table, live_rows=rows.number, live_rows_estimated=rows.estimated)
