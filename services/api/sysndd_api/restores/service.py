"""What administrators ask about restores: what one would change, and to take the last one back."""

import asyncio
import hmac
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sysndd_api.audit.service import Audit
from sysndd_api.auth import Actor
from sysndd_api.backups.models import RestorePreview, TablePreview
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.db.database import Connection, Database, Row, utc
from sysndd_core.db.schema_version import current_version
from sysndd_core.errors import ConfirmationRequired, DatabaseBusy, NothingToUndo
from sysndd_core.jobs.models import UndoRestore
from sysndd_core.jobs.rows import JobRows

UNDO_WORD = "UNDO"

# A preview has to answer within a request's time: of what takes longer to count, the server's own
# estimate is given. InnoDB counts some million rows a second in memory, far fewer from a disk.
_COUNTED_ROWS = 2_000_000
_COUNTING_SECONDS = 5.0


@dataclass(frozen=True)
class Undoable:
    """A restore that can be taken back: of which backup, and until when (UTC)."""

    backup: str
    kept_until: datetime


class Restores:
    """Compares live with a backup, and submits the undo."""

    def __init__(
        self, database: Database, store: BackupDirectory, rows: JobRows, audit: Audit
    ) -> None:
        self._database = database
        self._store = store
        self._rows = rows
        self._audit = audit

    async def preview(self, name: str) -> RestorePreview:
        """Compare the rows of each table, live against backup. Nothing is changed.

        Raises:
            InvalidBackupName, BackupNotFound.
        """
        manifest = await asyncio.to_thread(self._store.manifest, name)
        live = await self._live_rows()
        then = manifest.rows_per_table
        return RestorePreview(
            name=name,
            created_at=manifest.created_at,
            schema_version=manifest.schema_version,
            live_schema_version=await current_version(
                self._database, application=self._database.settings.name
            ),
            table_count=manifest.table_count,
            live_table_count=len(live),
            row_count=manifest.row_count,
            live_row_count=sum(rows.number for rows in live.values()),
            differing=_differing(live, then),
        )

    async def undoable(self) -> Undoable | None:
        """Tell which restore could be undone, and until when; None when there is none."""
        async with self._database.connection() as connection:
            last = await self._last_kept(connection)
        if last is None:
            return None
        kept_until = utc(last["kept_until"])
        assert kept_until is not None
        return Undoable(last["backup"], kept_until)

    async def undo(self, actor: Actor, confirm: Any) -> str:
        """Submit the undo of the last restore; return the job's id.

        Args:
            actor: who asked.
            confirm: what the person typed.

        Raises:
            ConfirmationRequired: it is anything but exactly ``UNDO``.
            NothingToUndo: there was no restore, its time is over, or it was undone already.
            OperationInProgress: another job holds the database.
        """
        if not isinstance(confirm, str) or not hmac.compare_digest(
            confirm.encode(), UNDO_WORD.encode()
        ):
            raise ConfirmationRequired(f'Send {{"confirm": "{UNDO_WORD}"}}, exactly.')
        async with self._database.transaction() as tx:
            last = await self._last_kept(tx)
            if last is None:
                raise NothingToUndo()
            job_id = await self._rows.submit(tx, UndoRestore(), requested_by=actor.user_id)
            await self._audit.write(
                tx, actor, "undo_restore", obj=last["backup"], detail={"job_id": job_id}
            )
        return job_id

    async def _last_kept(self, tx: Connection) -> Row | None:
        """Read the restore whose previous tables are still kept, if it is the last exchange."""
        last = await tx.fetch_one(
            f"SELECT purpose, backup, kept_until FROM {self._database.ops}.restore_journal"
            " WHERE live = %s AND kept_until > UTC_TIMESTAMP(6) ORDER BY id DESC LIMIT 1",
            (self._database.settings.name,),
        )
        return last if last is not None and last["purpose"] == "restore" else None

    async def _live_rows(self) -> "dict[str, _Rows]":
        tables = await self._database.fetch_all(
            "SELECT table_name AS name, table_rows AS about FROM information_schema.tables"
            " WHERE table_schema = %s AND table_type = 'BASE TABLE' ORDER BY table_rows",
            (self._database.settings.name,),
        )
        until = time.monotonic() + _COUNTING_SECONDS
        live = {}
        for table in tables:
            about = int(table["about"] or 0)
            counts = about <= _COUNTED_ROWS and time.monotonic() < until
            counted = await self._count(table["name"]) if counts else None
            live[table["name"]] = _Rows(about, True) if counted is None else _Rows(counted, False)
        return live

    async def _count(self, table: str) -> int | None:
        quoted = table.replace("`", "``")
        try:
            row = await self._database.fetch_one(
                f"SELECT COUNT(*) AS n FROM {self._database.app}.`{quoted}`"
            )
        except DatabaseBusy:
            return None
        return int(row["n"]) if row else None


@dataclass(frozen=True)
class _Rows:
    number: int
    estimated: bool


def _differing(live: dict[str, _Rows], then: dict[str, int]) -> list[TablePreview]:
    def differs(table: str) -> bool:
        now = live.get(table)
        return now is None or now.estimated or now.number != then.get(table)

    return [
        TablePreview(
            table=table,
            live_rows=live[table].number if table in live else None,
            live_rows_estimated=table in live and live[table].estimated,
            backup_rows=then.get(table),
        )
        for table in sorted(live.keys() | then.keys())
        if differs(table)
    ]
