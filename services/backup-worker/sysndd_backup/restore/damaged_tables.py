"""Damage of the live database that would prevent or spoil the swap of its tables."""

from collections.abc import Sequence

from sysndd_backup.server.session import SchemaSession
from sysndd_core.backups.manifest import UnreadableObject
from sysndd_core.db.database import Row
from sysndd_core.errors import RestoreFailed
from sysndd_core.logging import get_logger
from sysndd_core.sql.identifiers import qualified_name, quote_name

log = get_logger(__name__)


async def drop_unmovable(
    session: SchemaSession, live: str, outgoing: str, unreadable: Sequence[UnreadableObject]
) -> list[str]:
    """Drop the unreadable tables that cannot move out of the way; can be repeated.

    All tables move in one statement, so one table that cannot be renamed would prevent the swap.
    Such a table can neither be read nor kept for an undo.

    Args:
        session: A connection that holds the schema lock.
        live: Name of the schema that contains the tables, not quoted.
        outgoing: Name of the schema to which they would move, not quoted.
        unreadable: What cannot be read in ``live``.

    Returns:
        One sentence for each table that was dropped.

    Raises:
        RestoreFailed: A table can be neither renamed nor dropped.
    """
    dropped = []
    for one in unreadable:
        if one.kind != "table":
            continue
        name, away = qualified_name(live, one.name), qualified_name(outgoing, one.name)
        await _drop_triggers(session, live, one.name)
        try:
            # There and back in one statement: it changes nothing if it succeeds.
            await session.run(f"RENAME TABLE {name} TO {away}, {away} TO {name}")
        except RestoreFailed as error:
            log.warning("unmovable_table_dropped", table=one.name, reason=error.detail)
            await session.run("SET foreign_key_checks = 0")
            await session.run(f"DROP TABLE IF EXISTS {name}")
            await session.run("SET foreign_key_checks = DEFAULT")
            dropped.append(
                f"The damaged table {one.name} was dropped and is not part of an undo, because it"
                f" could not be renamed: {error.detail}"
            )
    return dropped


async def drop_dangling_keys(session: SchemaSession, live: str, incoming: str) -> list[str]:
    """Drop foreign keys to lost tables that the swap brings back; can be repeated.

    The server keeps the name of the lost table. When a table of this name appears, the foreign key
    refers to it, also from another schema: the replaced tables would then prevent changes to the
    restored ones.

    Args:
        session: A connection that holds the schema lock.
        live: Name of the schema whose tables are replaced, not quoted.
        incoming: Name of the schema that contains the new tables, not quoted.

    Returns:
        One sentence for each foreign key that was dropped.
    """
    dropped = []
    for key in await _keys_to_nothing(session, live):
        if key["parent_schema"] != live or not await session.has_table(incoming, key["parent"]):
            continue
        try:
            await _drop_key(session, live, key)
        except RestoreFailed as error:
            # A table that cannot be opened; it must not prevent the swap.
            log.warning("dangling_foreign_key_not_dropped", table=key["child"], reason=error.detail)
            continue
        dropped.append(
            f"The foreign key {key['name']} of the replaced table {key['child']} referred to the"
            f" lost table {key['parent']} and is not part of an undo."
        )
    return dropped


async def drop_keys_to_nothing(session: SchemaSession, schema: str) -> list[str]:
    """Drop foreign keys to tables that do not exist.

    The server keeps the schema's name in them, so after the swap they would refer to a scratch
    schema.

    Args:
        session: A connection to the server.
        schema: Name of the scratch schema, not quoted.

    Returns:
        One sentence for each foreign key that was dropped.
    """
    keys = await _keys_to_nothing(session, schema)
    for key in keys:
        await _drop_key(session, schema, key)
    return [
        f"The foreign key {key['name']} of {key['child']} was left out, because it refers to"
        f" {key['parent']}, which does not exist."
        for key in keys
    ]


async def _keys_to_nothing(session: SchemaSession, schema: str) -> list[Row]:
    """Return name, table and parent of each foreign key of a schema whose parent is missing."""
    return await session.fetch_all(
        "SELECT DISTINCT k.table_name AS child, k.constraint_name AS name,"
        " k.referenced_table_schema AS parent_schema, k.referenced_table_name AS parent"
        " FROM information_schema.key_column_usage AS k"
        " LEFT JOIN information_schema.tables AS t"
        " ON t.table_schema = k.referenced_table_schema AND t.table_name = k.referenced_table_name"
        " WHERE k.table_schema = %s AND k.referenced_table_name IS NOT NULL"
        " AND t.table_name IS NULL ORDER BY k.table_name, k.constraint_name",
        (schema,),
    )


async def _drop_key(session: SchemaSession, schema: str, key: Row) -> None:
    table = qualified_name(schema, key["child"])
    await session.run(f"ALTER TABLE {table} DROP FOREIGN KEY {quote_name(key['name'])}")


async def _drop_triggers(session: SchemaSession, schema: str, table: str) -> None:
    """Drop the triggers of a table as far as the server can; they prevent its rename."""
    rows = await session.fetch_all(
        "SELECT trigger_name AS name FROM information_schema.triggers"
        " WHERE event_object_schema = %s AND event_object_table = %s",
        (schema, table),
    )
    for row in rows:
        try:
            await session.run(f"DROP TRIGGER IF EXISTS {qualified_name(schema, row['name'])}")
        except RestoreFailed as error:
            log.warning("trigger_not_dropped", trigger=row["name"], reason=error.detail)
