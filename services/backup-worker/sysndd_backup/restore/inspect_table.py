"""Loads one table of a backup into a scratch schema for an inspection."""

import asyncio
from typing import Any

from sysndd_backup.context import BackupTools
from sysndd_backup.progress import JobRun
from sysndd_backup.restore.check_file import check_backup
from sysndd_backup.restore.scratch_schemas import ScratchSchemas
from sysndd_backup.restore.shadow import load_shadow
from sysndd_backup.server.session import open_session
from sysndd_core.errors import TableNotInBackup
from sysndd_core.sql.identifiers import qualified_name


async def inspect_table(tools: BackupTools, name: str, table: str, run: JobRun) -> dict[str, Any]:
    """Load one table of a backup into a scratch schema.

    Args:
        tools: Server, client programs and store.
        name: Name of the backup.
        table: Name of the table, not quoted.
        run: The attempt at the job.

    Returns:
        ``schema``, ``table`` and number of ``rows``, and ``name`` and ``sha256`` of the backup.

    Raises:
        TableNotInBackup: The manifest does not list the table.
        SysnddError: See ``check_backup`` and ``load_shadow``; the scratch schema is dropped.
    """
    manifest = await asyncio.to_thread(tools.store.manifest, name)
    if table not in manifest.rows_per_table:
        raise TableNotInBackup()
    await run.progress("checking", 1, f"Checking the whole file {name}")
    checked = await check_backup(tools, manifest, run.progress)
    scratch = ScratchSchemas(tools.database)
    schema = await scratch.open(run.id, name, table, hours=tools.undo_hours)
    try:
        await load_shadow(tools, checked, schema, run.progress, only=table)
        await _drop_other_tables(tools, schema, table)
        await scratch.record_loaded(schema, manifest.rows_per_table[table])
    except BaseException:
        await scratch.drop(schema)
        raise
    return {
        "schema": schema,
        "table": table,
        "rows": manifest.rows_per_table[table],
        "name": name,
        "sha256": manifest.sha256,
    }


async def _drop_other_tables(tools: BackupTools, schema: str, table: str) -> None:
    """Drop the other tables if the backup had to be loaded completely."""
    async with open_session(tools.database.settings) as session:
        rows = await session.fetch_all(
            "SELECT table_name AS name, table_type AS kind FROM information_schema.tables"
            " WHERE table_schema = %s AND table_name <> %s",
            (schema, table),
        )
        await session.run("SET foreign_key_checks = 0")
        for row in rows:
            kind = "VIEW" if row["kind"] == "VIEW" else "TABLE"
            await session.run(f"DROP {kind} {qualified_name(schema, row['name'])}")
