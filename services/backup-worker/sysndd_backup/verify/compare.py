"""Compares a loaded schema with the manifest of its backup, before anything depends on it."""

from collections import defaultdict

from sysndd_backup.context import BackupTools
from sysndd_backup.server.server import quoted, take_inventory
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.db.database import Row
from sysndd_core.errors import RestoreFailed, SysnddError


async def verify_schema(tools: BackupTools, manifest: BackupManifest, schema: str) -> None:
    """Compare objects and rows, read every view, and look for orphans of foreign keys.

    Raises:
        RestoreFailed: naming the first difference.
    """
    await _verify_counts(tools, manifest, schema)
    await _verify_views(tools, schema)
    await _verify_references(tools, schema)


async def _verify_counts(tools: BackupTools, manifest: BackupManifest, schema: str) -> None:
    found = await take_inventory(tools.database, schema)
    counts = {
        "tables": (len(found.tables), manifest.table_count),
        "views": (len(found.views), manifest.view_count),
        "triggers": (found.trigger_count, manifest.trigger_count),
        "routines": (len(found.routines), manifest.routine_count),
        "events": (len(found.events), manifest.event_count),
    }
    for kind, (now, then) in counts.items():
        if now != then:
            raise RestoreFailed(f"There are {now} {kind}, the backup held {then}.")
    for table, rows in manifest.rows_per_table.items():
        await verify_rows(tools, schema, table, rows)


async def verify_rows(tools: BackupTools, schema: str, table: str, rows: int) -> None:
    """Count the rows of one table.

    Raises:
        RestoreFailed: there are more or fewer than ``rows``.
    """
    row = await tools.database.fetch_one(
        f"SELECT COUNT(*) AS n FROM {quoted(schema)}.{quoted(table)}"
    )
    if row is None or row["n"] != rows:
        raise RestoreFailed(f"The table {table} has not the {rows} rows that the backup held.")


async def _verify_views(tools: BackupTools, schema: str) -> None:
    for view in (await take_inventory(tools.database, schema)).views:
        try:
            await tools.database.fetch_all(f"SELECT * FROM {quoted(schema)}.{quoted(view)} LIMIT 0")
        except Exception as error:
            cause = error.__cause__ if isinstance(error, SysnddError) else error
            raise RestoreFailed(f"The view {view} can't be read: {cause}") from error


async def _verify_references(tools: BackupTools, schema: str) -> None:
    """Look for rows without their parent: a load does not check foreign keys."""
    rows = await tools.database.fetch_all(
        "SELECT constraint_name AS name, table_name AS child, column_name AS col,"
        " referenced_table_schema AS parent_schema, referenced_table_name AS parent,"
        " referenced_column_name AS parent_col FROM information_schema.key_column_usage"
        " WHERE table_schema = %s AND referenced_table_name IS NOT NULL"
        " ORDER BY table_name, constraint_name, ordinal_position",
        (schema,),
    )
    keys: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        keys[row["child"], row["name"]].append(row)
    for (child, name), columns in keys.items():
        if await tools.database.fetch_one(_orphan(schema, child, columns)) is not None:
            raise RestoreFailed(
                f"The foreign key {name} of {child} has rows without their parent in"
                f" {columns[0]['parent']}."
            )


def _orphan(schema: str, child: str, columns: list[Row]) -> str:
    first = columns[0]
    parent = f"{quoted(first['parent_schema'])}.{quoted(first['parent'])}"
    same = " AND ".join(f"p.{quoted(c['parent_col'])} = c.{quoted(c['col'])}" for c in columns)
    filled = " AND ".join(f"c.{quoted(c['col'])} IS NOT NULL" for c in columns)
    return (
        f"SELECT 1 FROM {quoted(schema)}.{quoted(child)} AS c LEFT JOIN {parent} AS p ON {same}"
        f" WHERE {filled} AND p.{quoted(first['parent_col'])} IS NULL LIMIT 1"
    )
