"""Stored objects: views, triggers, routines and events, which RENAME TABLE cannot move.

They are read from the server, recorded as JSON in the journal, and created again on the connection
that holds the schema lock. A client program could survive its killed worker, and create objects at
the same time as the next worker.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from pymysql.charset import charset_by_name

from sysndd_backup.server.server import rewrite_schema_name
from sysndd_backup.server.session import SchemaSession
from sysndd_core.backups.manifest import UnreadableObject
from sysndd_core.db.database import Row
from sysndd_core.db.schema_objects import list_objects, show_create, shown_definition
from sysndd_core.errors import RestoreFailed
from sysndd_core.logging import get_logger
from sysndd_core.sql.identifiers import qualified_name, quote_name

log = get_logger(__name__)

_CONNECTION_CHARSET = "utf8mb4"
_DEFINER = re.compile(r"^(CREATE(?: ALGORITHM=\w+)?) DEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?")
_ORDERED = re.compile(r"\b(?:FOLLOWS|PRECEDES)\b", re.IGNORECASE)
_CREATION_ORDER = {"FUNCTION": 0, "PROCEDURE": 0, "VIEW": 1, "EVENT": 2, "TRIGGER": 3}
_DISABLED = re.compile(r"( ON COMPLETION (?:NOT )?PRESERVE )DISABLE\b")


@dataclass(frozen=True)
class StoredObject:
    """A stored object, with the session settings of its definition.

    Attributes:
        kind: VIEW, TRIGGER, PROCEDURE, FUNCTION or EVENT.
        sql: CREATE statement; only that of a view contains a schema, in which it will be created.
        sql_mode, charset, collation, time_zone: Session settings; empty if they do not apply.
        broken: Whether it could not be used when it was read, so that the server may reject it.
    """

    kind: str
    name: str
    sql: str
    sql_mode: str
    charset: str
    collation: str
    time_zone: str
    broken: bool = False


def objects_to_json(objects: tuple[StoredObject, ...]) -> str:
    """Serialize stored objects."""
    return json.dumps([asdict(stored) for stored in objects])


def objects_from_json(text: str | None) -> tuple[StoredObject, ...] | None:
    """Deserialize the output of ``objects_to_json``."""
    return None if text is None else tuple(StoredObject(**item) for item in json.loads(text))


async def read_objects(
    session: SchemaSession,
    schema: str,
    *,
    into: str | None = None,
    unreadable: Sequence[UnreadableObject] = (),
) -> tuple[StoredObject, ...]:
    """Read all stored objects of a schema, in the order of their creation.

    Args:
        session: A connection to the server.
        schema: Name of the schema, not quoted.
        into: Name of the schema in which they will be created; ``schema`` by default.
        unreadable: The tables and views of the schema that cannot be read.

    Raises:
        RestoreFailed: The account cannot read a definition.
    """
    await session.use(schema)
    broken = {(one.kind, one.name) for one in unreadable}
    found: list[StoredObject] = []
    for kind, name in await _names(session, schema):
        if kind == "TRIGGER":
            continue
        try:
            row = (await session.fetch_all(show_create(kind, schema, name)))[0]
        except RestoreFailed as error:
            if (kind.lower(), name) not in broken:
                raise
            log.warning("broken_object_not_read", kind=kind, name=name, reason=error.detail)
            continue
        stored = _stored_object(kind, name, row)
        if kind == "VIEW":
            sql = rewrite_schema_name(stored.sql, schema, into or schema)
            stored = replace(stored, sql=sql, broken=("view", name) in broken)
        found.append(stored)
    return (*found, *await _triggers(session, schema, broken))


def strip_definers(objects: tuple[StoredObject, ...]) -> tuple[StoredObject, ...]:
    """Remove the definers, so that the account that creates the objects is their definer."""
    return tuple(replace(o, sql=_DEFINER.sub(r"\1", o.sql, count=1)) for o in objects)


def enable_events(objects: tuple[StoredObject, ...], names: set[str]) -> tuple[StoredObject, ...]:
    """Enable the named events, which were disabled for the load."""
    return tuple(
        replace(o, sql=_DISABLED.sub(r"\1ENABLE", o.sql, count=1))
        if o.kind == "EVENT" and o.name in names
        else o
        for o in objects
    )


async def drop_objects(session: SchemaSession, schema: str) -> None:
    """Drop all stored objects of a schema; can be repeated."""
    for kind, name in await _names(session, schema):
        await session.run(f"DROP {kind} IF EXISTS {qualified_name(schema, name)}")


async def drop_triggers_and_events(session: SchemaSession, schema: str) -> None:
    """Drop triggers, which prevent the rename of a table, and events."""
    for kind, name in await _names(session, schema):
        if kind in {"TRIGGER", "EVENT"}:
            await session.run(f"DROP {kind} IF EXISTS {qualified_name(schema, name)}")


async def create_objects(
    session: SchemaSession, schema: str, objects: tuple[StoredObject, ...]
) -> list[str]:
    """Create stored objects in a schema without stored objects.

    A view may depend on a view that does not exist yet, so failed views are retried after others.

    Args:
        session: A connection to the server.
        schema: Name of the schema, not quoted.
        objects: The stored objects, in the order of ``read_objects``.

    Returns:
        One sentence for each broken object that the server rejected.

    Raises:
        RestoreFailed: The server rejected another object; the detail contains its message.
    """
    await session.use(schema)
    try:
        left = list(objects)
        while left:
            failed = await _create_all(session, left)
            if len(failed) == len(left):
                return _rejected(failed)
            left = [stored for stored, _ in failed]
        return []
    finally:
        await session.run(
            f"SET character_set_client = {_CONNECTION_CHARSET}, sql_mode = DEFAULT,"
            " time_zone = '+00:00'"
        )


async def _create_all(
    session: SchemaSession, objects: list[StoredObject]
) -> list[tuple[StoredObject, RestoreFailed]]:
    """Create objects; return the views and broken objects that the server rejected."""
    failed = []
    for stored in objects:
        try:
            await _create(session, stored)
        except RestoreFailed as error:
            if stored.kind != "VIEW" and not stored.broken:
                raise
            failed.append((stored, error))
    return failed


def _rejected(failed: list[tuple[StoredObject, RestoreFailed]]) -> list[str]:
    """Return one sentence for each rejected object.

    Raises:
        RestoreFailed: One of them was not broken.
    """
    for stored, error in failed:
        if not stored.broken:
            raise error
        log.warning("broken_object_not_created", name=stored.name, definition=stored.sql)
    return [
        f"The {stored.kind.lower()} {stored.name} was already unusable and could not be created"
        f" again: {error.detail}"
        for stored, error in failed
    ]


async def _create(session: SchemaSession, stored: StoredObject) -> None:
    charset, encoding = _encoding(stored.charset)
    assignments = [f"character_set_client = {charset}"]
    if stored.collation:
        assignments.append(f"collation_connection = {stored.collation}")
    if stored.kind != "VIEW":
        assignments.append(f"sql_mode = '{stored.sql_mode}'")
    if stored.time_zone:
        assignments.append(f"time_zone = '{stored.time_zone}'")
    await session.run(f"SET {', '.join(assignments)}")
    await session.run(stored.sql.encode(encoding))


def _encoding(charset: str) -> tuple[str, str]:
    """Return the character set of the connection, and Python's name for it."""
    known = charset_by_name(charset) if charset else None
    encoding = known.encoding if known is not None else None
    return (charset, encoding) if encoding else (_CONNECTION_CHARSET, "utf-8")


def _stored_object(kind: str, name: str, row: Row) -> StoredObject:
    sql = shown_definition(kind, list(row.values()))
    if sql is None:
        raise RestoreFailed(
            f"The account of the backup worker cannot read the definition of the {kind.lower()}"
            f" {name}. Grant it the privileges in docs/operations.md, then try again."
        )
    return StoredObject(
        kind=kind,
        name=name,
        sql=sql,
        sql_mode=row.get("sql_mode", ""),
        charset=row["character_set_client"],
        collation=row["collation_connection"],
        time_zone=row.get("time_zone", ""),
    )


async def _triggers(
    session: SchemaSession, schema: str, broken: set[tuple[str, str]]
) -> list[StoredObject]:
    rows = await session.fetch_all(
        "SELECT trigger_name AS name, event_manipulation AS event, action_timing AS timing,"
        " event_object_table AS on_table, action_statement AS body, definer AS definer,"
        " sql_mode AS sql_mode, character_set_client AS charset,"
        " collation_connection AS collation FROM information_schema.triggers"
        " WHERE trigger_schema = %s ORDER BY event_object_table, action_timing, action_order",
        (schema,),
    )
    return [
        StoredObject(
            kind="TRIGGER",
            name=row["name"],
            sql=await _trigger(
                session, schema, row, shown=("table", row["on_table"]) not in broken
            ),
            broken=("table", row["on_table"]) in broken,
            sql_mode=row["sql_mode"],
            charset=row["charset"],
            collation=row["collation"],
            time_zone="",
        )
        for row in rows
    ]


async def _trigger(session: SchemaSession, schema: str, row: Row, *, shown: bool) -> str:
    """Return the CREATE statement of a trigger, with a new header if necessary.

    The original header may name the schema, or a trigger that does not exist yet (PRECEDES). The
    server cannot show it for a table that it cannot open.
    """
    if shown:
        created = (await session.fetch_all(show_create("TRIGGER", schema, row["name"])))[0]
        original = shown_definition("TRIGGER", list(created.values())) or ""
        header = original.partition(row["body"])[0]
        if schema not in header and not _ORDERED.search(header):
            return original
    return (
        f"CREATE DEFINER={_definer(row['definer'])} TRIGGER {quote_name(row['name'])}"
        f" {row['timing']} {row['event']} ON {quote_name(row['on_table'])}"
        f" FOR EACH ROW {row['body']}"
    )


def _definer(text: str) -> str:
    user, _, host = text.rpartition("@")
    return f"{quote_name(user)}@{quote_name(host)}" if user else quote_name(host)


async def _names(session: SchemaSession, schema: str) -> list[tuple[str, str]]:
    """Return (kind, name) of stored objects: routines before views, and triggers last."""
    found = [o for o in await list_objects(session, schema) if o[0] in _CREATION_ORDER]
    return sorted(found, key=lambda kind_and_name: _CREATION_ORDER[kind_and_name[0]])
