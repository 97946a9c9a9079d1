"""Checks that a schema into which a backup was loaded contains what its manifest lists."""

from collections import defaultdict
from collections.abc import AsyncIterator

from sysndd_backup.context import BackupTools
from sysndd_backup.server.server import take_inventory
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.db.database import Row
from sysndd_core.errors import RestoreFailed, SysnddError
from sysndd_core.sql.identifiers import qualified_name, quote_name


async def verify_schema(tools: BackupTools, manifest: BackupManifest, schema: str) -> None:
    """Check the number of objects and rows, and all views.

    Raises:
        RestoreFailed: The schema does not match the manifest; the detail names the first object.
    """
    await _verify_counts(tools, manifest, schema)
    await _verify_views(tools, schema)


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


async def find_violations(tools: BackupTools, schema: str) -> list[str]:
    """Return one sentence for each constraint of a schema that its rows violate.

    A load does not check constraints, because the live database may have accepted such rows: with
    ``foreign_key_checks`` or ``check_constraint_checks`` off.

    Args:
        tools: Connection pool and server.
        schema: Name of the schema, not quoted.
    """
    found = [text async for text in _violated_keys(tools, schema)]
    if tools.server.vendor == "MariaDB":
        found += [text async for text in _violated_checks(tools, schema)]
    return found


async def _violated_keys(tools: BackupTools, schema: str) -> AsyncIterator[str]:
    rows = await tools.database.fetch_all(
        "SELECT k.constraint_name AS name, k.table_name AS child, k.column_name AS col,"
        " k.referenced_table_schema AS parent_schema, k.referenced_table_name AS parent,"
        " k.referenced_column_name AS parent_col, t.table_name IS NOT NULL AS parent_exists"
        " FROM information_schema.key_column_usage AS k"
        " LEFT JOIN information_schema.tables AS t"
        " ON t.table_schema = k.referenced_table_schema AND t.table_name = k.referenced_table_name"
        " WHERE k.table_schema = %s AND k.referenced_table_name IS NOT NULL"
        " ORDER BY k.table_name, k.constraint_name, k.ordinal_position",
        (schema,),
    )
    keys: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        keys[row["child"], row["name"]].append(row)
    for (child, name), columns in keys.items():
        parent = columns[0]["parent"]
        if not columns[0]["parent_exists"]:
            yield f"The foreign key {name} of {child} refers to {parent}, which does not exist."
        elif await tools.database.fetch_one(_orphan(schema, child, columns)) is not None:
            yield (
                f"The foreign key {name} of {child} is violated: the table has rows without a"
                f" parent row in {parent}."
            )


async def _violated_checks(tools: BackupTools, schema: str) -> AsyncIterator[str]:
    rows = await tools.database.fetch_all(
        "SELECT table_name AS child, constraint_name AS name, check_clause AS clause"
        " FROM information_schema.check_constraints WHERE constraint_schema = %s"
        " ORDER BY table_name, constraint_name",
        (schema,),
    )
    for row in rows:
        table = qualified_name(schema, row["child"])
        # Not with arguments: a % in the clause would be a placeholder.
        sql = f"SELECT 1 FROM {table} WHERE NOT ({row['clause']}) LIMIT 1"
        if await tools.database.fetch_one(sql) is not None:
            yield f"The check {row['name']} of {row['child']} is violated: {row['clause']}."


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
