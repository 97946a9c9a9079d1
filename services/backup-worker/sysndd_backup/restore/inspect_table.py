"""Loads one table of a backup into a schema of its own, to be looked at and dropped again."""

import asyncio
import secrets
from typing import Any

from sysndd_backup.dump.create_backup import BackupTools
from sysndd_backup.progress import JobRun
from sysndd_backup.restore.check_file import check_backup
from sysndd_backup.restore.shadow import load_shadow
from sysndd_backup.server.server import quoted
from sysndd_backup.server.session import open_session
from sysndd_core.db.database import Database
from sysndd_core.errors import InspectionNotFound, SysnddError, TableNotInBackup
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_LEAST_HOURS = 1.0
"""A site that wants no undo still wants to look at what it asked for."""


class Inspections:
    """The schemas that were made, by their rows in the platform schema.

    Args:
        database: the process's pool.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.inspection"

    async def open(self, job_id: str, backup: str, table: str, *, hours: float) -> str:
        """Note that a schema is about to be made; return its name."""
        live = self._database.settings.name
        # The load account's rights are on names that begin like this.
        schema = f"{live}_shadow_inspect_{secrets.token_hex(4)}"
        await self._database.execute(
            f"INSERT INTO {self._table} (schema_name, live, job_id, backup, table_name, created_at,"
            " kept_until) VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6),"
            " UTC_TIMESTAMP(6) + INTERVAL %s SECOND)",
            (schema, live, job_id, backup, table, int(max(hours, _LEAST_HOURS) * 3600)),
        )
        return schema

    async def loaded(self, schema: str, rows: int) -> None:
        """Note that it can be looked at."""
        await self._database.execute(
            f"UPDATE {self._table} SET row_count = %s WHERE schema_name = %s", (rows, schema)
        )

    async def drop(self, schema: str) -> None:
        """Drop one.

        Raises:
            InspectionNotFound: no such schema was made; none other is ever dropped.
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
        """Drop those whose time is over, and those whose job ended before they were whole."""
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
                log.warning("schema_not_dropped", schema=row["name"], reason=error.detail)


async def inspect_table(tools: BackupTools, name: str, table: str, run: JobRun) -> dict[str, Any]:
    """Load one table.

    Returns:
        Where it is: ``schema``, ``table``, ``rows``, the backup's ``name`` and ``sha256``.

    Raises:
        TableNotInBackup: the manifest does not list it.
        As ``check_backup`` and ``load_shadow``; nothing is left behind then.
    """
    manifest = await asyncio.to_thread(tools.store.manifest, name)
    if table not in manifest.rows_per_table:
        raise TableNotInBackup()
    await run.progress("checking", 1, f"Reading {name} to its end")
    checked = await check_backup(tools, manifest, run.progress)
    inspections = Inspections(tools.database)
    schema = await inspections.open(run.id, name, table, hours=tools.undo_hours)
    try:
        await load_shadow(tools, checked, schema, run.progress, only=table)
        await _keep_only(tools, schema, table)
        await inspections.loaded(schema, manifest.rows_per_table[table])
    except BaseException:
        await inspections.drop(schema)
        raise
    return {"schema": schema, "table": table, "rows": manifest.rows_per_table[table],
            "name": name, "sha256": manifest.sha256}  # fmt: skip


async def _keep_only(tools: BackupTools, schema: str, table: str) -> None:
    """Drop what came along where the backup had to be loaded as a whole."""
    async with open_session(tools.database.settings) as session:
        rows = await session.fetch_all(
            "SELECT table_name AS name, table_type AS kind FROM information_schema.tables"
            " WHERE table_schema = %s AND table_name <> %s",
            (schema, table),
        )
        await session.run("SET foreign_key_checks = 0")
        for row in rows:
            kind = "VIEW" if row["kind"] == "VIEW" else "TABLE"
            await session.run(f"DROP {kind} {quoted(schema)}.{quoted(row['name'])}")
