"""Scratch schemas that contain one table of a backup, for inspections and dry runs.

Each schema is recorded in the platform schema before it is created, so that crash recovery can drop
the schema of a stopped worker.
"""

import secrets

from sysndd_backup.server.session import open_session
from sysndd_core.db.database import Database
from sysndd_core.errors import InspectionNotFound, SysnddError
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_MINIMUM_HOURS = 1.0
"""Operators need time to inspect a table, even if undo is turned off."""


class ScratchSchemas:
    """The table ``inspection``, and the schemas that it lists.

    Args:
        database: The connection pool.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.inspection"

    async def open(self, job_id: str, backup: str, table: str, *, hours: float) -> str:
        """Record a schema before it is created.

        Args:
            job_id: ID of the job.
            backup: Name of the backup.
            table: Name of the table to load.
            hours: Hours after which the schema is dropped; at least one.

        Returns:
            The name of the schema, not quoted.
        """
        live = self._database.settings.name
        # The load account has privileges on schemas with this prefix.
        schema = f"{live}_shadow_inspect_{secrets.token_hex(4)}"
        await self._database.execute(
            f"INSERT INTO {self._table} (schema_name, live, job_id, backup, table_name, created_at,"
            " kept_until) VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6),"
            " UTC_TIMESTAMP(6) + INTERVAL %s SECOND)",
            (schema, live, job_id, backup, table, int(max(hours, _MINIMUM_HOURS) * 3600)),
        )
        return schema

    async def record_loaded(self, schema: str, rows: int) -> None:
        """Record that the table is loaded, with its number of rows."""
        await self._database.execute(
            f"UPDATE {self._table} SET row_count = %s WHERE schema_name = %s", (rows, schema)
        )

    async def drop(self, schema: str) -> None:
        """Drop a scratch schema.

        Raises:
            InspectionNotFound: The schema is not listed; other schemas are never dropped.
        """
        row = await self._database.fetch_one(
            f"SELECT 1 FROM {self._table} WHERE schema_name = %s AND live = %s",
            (schema, self._database.settings.name),
        )
        if row is None:
            raise InspectionNotFound()
        async with open_session(self._database.settings) as session:
            await session.drop_schema(schema)
        await self._database.execute(f"DELETE FROM {self._table} WHERE schema_name = %s", (schema,))

    async def drop_expired(self) -> None:
        """Drop expired schemas, and schemas whose job ended before the table was loaded."""
        rows = await self._database.fetch_all(
            f"SELECT i.schema_name AS name FROM {self._table} AS i"
            f" LEFT JOIN {self._database.ops}.job AS j ON j.id = i.job_id"
            " WHERE i.live = %s AND (i.kept_until <= UTC_TIMESTAMP(6)"
            " OR (i.row_count IS NULL AND (j.id IS NULL OR j.finished_at IS NOT NULL)))",
            (self._database.settings.name,),
        )
        for row in rows:
            try:
                await self.drop(row["name"])
                log.info("inspection_dropped", schema=row["name"])
            except SysnddError as error:
                log.warning("schema_drop_failed", schema=row["name"], reason=error.detail)
