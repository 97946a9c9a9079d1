"""Checks that a schema into which a backup was loaded contains what its manifest lists."""

from collections import defaultdict

from sysndd_backup.context import BackupTools
from sysndd_backup.server.server import take_inventory
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.db.database import Row
from sysndd_core.errors import RestoreFailed, SysnddError
from sysndd_core.sql.identifiers import qualified_name, quote_name


async def verify_schema(tools: BackupTools, manifest: BackupManifest, schema: str) -> None:
    """Check the number of objects and rows, all views and all foreign keys.

    Raises:
        RestoreFailed: The schema does not match the manifest; the detail names the first object.
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
    for kind, (loaded, expected) in counts.items():
        if loaded != expected:
            raise RestoreFailed(
                f"The restored schema has {loaded} {kind}, but the manifest of {manifest.name}"
                f" lists {expected}."
            )
    for table, rows in manifest.rows_per_table.items():
        await verify_rows(tools, schema, table, rows)


async def verify_rows(tools: BackupTools, schema: str, table: str, rows: int) -> None:
    """Check the number of rows of a table.

    Raises:
        RestoreFailed: The number differs from ``rows``.
    """
    row = await tools.database.fetch_one(
        f"SELECT COUNT(*) AS n FROM {qualified_name(schema, table)}"
    )
    if row is None or row["n"] != rows:
        found = 0 if row is None else row["n"]
        raise RestoreFailed(
            f"The restored table {table} has {found} rows, but the manifest lists {rows}."
        )


async def _verify_views(tools: BackupTools, schema: str) -> None:
    for view in (await take_inventory(tools.database, schema)).views:
        try:
            await tools.database.fetch_all(f"SELECT * FROM {qualified_name(schema, view)} LIMIT 0")
        except Exception as error:
            cause = error.__cause__ if isinstance(error, SysnddError) else error
            raise RestoreFailed(f"The view {view} cannot be read: {cause}.") from error


async def _verify_references(tools: BackupTools, schema: str) -> None:
    """Check for rows without a parent row, because a load does not check foreign keys."""
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
                f"The foreign key {name} of {child} is violated: the table has rows without a"
                f" parent row in {columns[0]['parent']}."
            )


def _orphan(schema: str, child: str, columns: list[Row]) -> str:
    first = columns[0]
    parent = f"{qualified_name(first['parent_schema'], first['parent'])}"
    same = " AND ".join(
        f"p.{quote_name(c['parent_col'])} = c.{quote_name(c['col'])}" for c in columns
    )
    filled = " AND ".join(f"c.{quote_name(c['col'])} IS NOT NULL" for c in columns)
    return (
        f"SELECT 1 FROM {qualified_name(schema, child)} AS c LEFT JOIN {parent} AS p ON {same}"
        f" WHERE {filled} AND p.{quote_name(first['parent_col'])} IS NULL LIMIT 1"
    )
