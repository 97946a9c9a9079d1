"""Loads a checked backup into a scratch schema, and compares the result with its manifest."""

import contextlib
from collections import defaultdict

from sysndd_backup.context import BackupTools
from sysndd_backup.load.confined_account import restricted_load_account
from sysndd_backup.load.definers import DefinerStripper
from sysndd_backup.load.parallel import Load
from sysndd_backup.progress import Progress, ProgressReporter
from sysndd_backup.restore.check_file import CheckedBackup
from sysndd_backup.server.server import take_inventory
from sysndd_backup.server.session import open_session
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.db.database import Row
from sysndd_core.errors import RestoreFailed, SysnddError
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import qualified_name, quote_name


async def load_shadow(
    tools: BackupTools,
    checked: CheckedBackup,
    shadow: str,
    progress: Progress,
    *,
    only: str | None = None,
    account: DatabaseSettings | None = None,
) -> DefinerStripper:
    """Load a backup into a new scratch schema, with its events disabled.

    Args:
        tools: Server, client programs and store.
        checked: The backup, after ``check_backup``.
        shadow: Name of the schema, not quoted; an existing schema is dropped.
        progress: Reports the progress of the job, from 2 to 59 percent.
        only: The only table to load, without its foreign keys; None to load all objects. A backup
            without a load plan is always loaded completely.
        account: An account from ``restricted_load_account`` for this schema; None to create one
            and drop it at the end. It is the definer of the stored objects, and MySQL neither runs
            nor describes a view or trigger without its definer.

    Returns:
        The stripper of definers, with the names of the events that it disabled.

    Raises:
        RestoreFailed: The backup cannot be loaded, or the result does not match the manifest.
    """
    async with open_session(tools.database.settings) as session:
        await session.create_schema(shadow)
    async with contextlib.AsyncExitStack() as stack:
        if account is None:
            account = await stack.enter_async_context(
                restricted_load_account(tools.database.settings, shadow, tools.load_account)
            )
        rewrite = await _load(tools, checked, shadow, progress, account=account, only=only)
        await progress("verifying", 55, "Counting tables and rows")
        await _compare(tools, checked, shadow, only)
    return rewrite


async def _load(
    tools: BackupTools,
    checked: CheckedBackup,
    shadow: str,
    progress: Progress,
    *,
    account: DatabaseSettings,
    only: str | None,
) -> DefinerStripper:
    manifest, plan = checked.manifest, checked.plan
    if plan is not None and only is not None:
        plan = plan.of_one_table(only)
    rewrite = DefinerStripper(manifest.database, shadow)
    load = Load(account, tools.clients, shadow, plan=plan, rewrite=rewrite)
    reporter = ProgressReporter(progress, "loading", (2, 52), manifest.uncompressed_bytes)
    await reporter.watch(
        load.run(lambda: tools.reader.open(manifest)), load.bytes_sent, message=load.message
    )
    return rewrite


async def _compare(
    tools: BackupTools, checked: CheckedBackup, shadow: str, only: str | None
) -> None:
    manifest = checked.manifest
    if only is None:
        await _verify_schema(tools, manifest, shadow)
    else:
        await _verify_rows(tools, shadow, only, manifest.rows_per_table.get(only, 0))


async def _verify_schema(tools: BackupTools, manifest: BackupManifest, schema: str) -> None:
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
        await _verify_rows(tools, schema, table, rows)


async def _verify_rows(tools: BackupTools, schema: str, table: str, rows: int) -> None:
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
