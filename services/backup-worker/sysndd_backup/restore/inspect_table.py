"""Loads one table of a backup into a scratch schema, to be inspected and dropped again."""

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
    """Drop the rest where the backup had to be loaded as a whole."""
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
