"""The migrator's ledger, journal and last plan, read only."""

from collections.abc import Iterable

from sysndd_core.db.database import Database, Row
from sysndd_core.errors import SchemaChanging


class MigrationStore:
    """Reads ``schema_version`` of both schemas, and the platform's tables of the migrator."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ledger(self, schema: str) -> list[Row]:
        """Read every row of a schema's ledger; none when there is no ledger yet."""
        quoted = schema.replace("`", "``")
        try:
            return await self._database.fetch_all(
                "SELECT filename, checksum, applied_at, duration_ms, statements, success,"
                f" applied_by, tool_version, run_id, error FROM `{quoted}`.schema_version"
            )
        except SchemaChanging:
            return []

    async def statements(self, runs: Iterable[str]) -> list[Row]:
        """Read what the journal holds of these runs, in the order of the statements."""
        wanted = list(runs)
        if not wanted:
            return []
        try:
            return await self._database.fetch_all(
                "SELECT run_id, position, last_position, line, kind, rows_changed, warnings,"
                " objects, started_at, finished_at, error"
                f" FROM {self._database.ops}.migration_journal"
                f" WHERE run_id IN ({', '.join(['%s'] * len(wanted))}) ORDER BY run_id, position",
                wanted,
            )
        except SchemaChanging:
            return []

    async def plans(self, schema: str) -> list[Row]:
        """Read what ``sysndd-migrator plan`` kept for a schema: by file, with its checksum."""
        try:
            return await self._database.fetch_all(
                "SELECT filename, checksum, measured_at, server, document"
                f" FROM {self._database.ops}.migration_plan WHERE schema_name = %s",
                (schema,),
            )
        except SchemaChanging:
            return []
