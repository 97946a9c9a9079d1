"""Reads the restore journal, the inspections and table sizes; the backup worker writes them."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sysndd_api.backups.models import InspectionView
from sysndd_core.db.database import Connection, Database
from sysndd_core.sql.identifiers import quote_name
from sysndd_core.sql.table_patterns import TablePatterns


@dataclass(frozen=True)
class Undoable:
    """The restore that can be undone: its backup, and until when (UTC)."""

    backup: str
    kept_until: datetime


@dataclass(frozen=True)
class LiveTable:
    """A table of the application schema, with the server's estimate of its rows."""

    name: str
    estimated_rows: int


class BackupStore:
    """Reads the restore journal, the inspections and the sizes of the live tables."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._journal = f"{database.ops}.restore_journal"
        self._inspections = f"{database.ops}.inspection"
        self._live = database.settings.name

    async def data_bytes(self, excluded: TablePatterns) -> int:
        """Return the size of the live tables' data in bytes.

        Args:
            excluded: Patterns of tables that do not count.
        """
        rows = await self._database.fetch_all(
            "SELECT table_name AS name, COALESCE(data_length, 0) AS bytes,"
            " @@lower_case_table_names AS case_mode FROM information_schema.tables"
            " WHERE table_schema = %s",
            (self._live,),
        )
        return sum(
            int(row["bytes"])
            for row in rows
            if excluded.matching(row["name"], case_sensitive=row["case_mode"] == 0) is None
        )

    async def live_tables(self) -> list[LiveTable]:
        """Return the live tables, smallest first."""
        rows = await self._database.fetch_all(
            "SELECT table_name AS name, table_rows AS about FROM information_schema.tables"
            " WHERE table_schema = %s AND table_type = 'BASE TABLE' ORDER BY table_rows",
            (self._live,),
        )
        return [LiveTable(row["name"], int(row["about"] or 0)) for row in rows]

    async def count_rows(self, table: str) -> int:
        """Count the rows of a live table.

        Raises:
            DatabaseBusy: The count exceeded the time limit of a statement.
        """
        row = await self._database.fetch_one(
            f"SELECT COUNT(*) AS n FROM {self._database.app}.{quote_name(table)}"
        )
        return int(row["n"]) if row else 0

    async def undoable(self, tx: Connection) -> Undoable | None:
        """Return the last restore, if its previous tables still exist and it was the last swap."""
        last = await tx.fetch_one(
            f"SELECT purpose, backup, kept_until FROM {self._journal}"
            " WHERE live = %s AND kept_until > UTC_TIMESTAMP(6) ORDER BY id DESC LIMIT 1",
            (self._live,),
        )
        if last is None or last["purpose"] != "restore":
            return None
        return Undoable(last["backup"], last["kept_until"].replace(tzinfo=UTC))

    async def is_in_maintenance(self) -> bool:
        """Return whether a running restore has turned on maintenance mode."""
        row = await self._database.fetch_one(
            f"SELECT 1 FROM {self._journal}"
            " WHERE finished_at IS NULL AND maintenance = 1 AND live = %s LIMIT 1",
            (self._live,),
        )
        return row is not None

    async def inspections(self) -> list[InspectionView]:
        """Return all inspections, newest first."""
        rows = await self._database.fetch_all(
            f"SELECT * FROM {self._inspections} WHERE live = %s"
            " ORDER BY created_at DESC, schema_name",
            (self._live,),
        )
        times = ("created_at", "kept_until")
        return [
            InspectionView.model_validate(
                row | {name: row[name].replace(tzinfo=UTC) for name in times}
            )
            for row in rows
        ]

    async def has_inspection(self, schema: str) -> bool:
        """Return whether a schema is that of an inspection."""
        row = await self._database.fetch_one(
            f"SELECT 1 FROM {self._inspections} WHERE schema_name = %s AND live = %s",
            (schema, self._live),
        )
        return row is not None
