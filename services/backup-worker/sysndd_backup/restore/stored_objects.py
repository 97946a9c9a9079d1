"""Stored objects: views, triggers, routines and events, which can't be renamed from schema to schema.

They are read as the server describes them, recorded as JSON in the journal, and created again on
the connection that holds the schema lock. A client program would outlive its killed worker, and
create them while the next worker does the same.
"""

import json
import re
from dataclasses import asdict, dataclass, replace

from pymysql.charset import charset_by_name

from sysndd_backup.server.server import rewrite_schema_name
from sysndd_backup.server.session import SchemaSession
from sysndd_core.db.database import Row
from sysndd_core.db.schema_objects import list_objects, show_create, shown_definition
from sysndd_core.errors import RestoreFailed
from sysndd_core.sql.identifiers import qualified_name, quote_name

_CONNECTION_CHARSET = "utf8mb4"
_DEFINER = re.compile(r"^(CREATE(?: ALGORITHM=\w+)?) DEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?")
_ORDERED = re.compile(r"\b(?:FOLLOWS|PRECEDES)\b", re.IGNORECASE)
_CREATION_ORDER = {"FUNCTION": 0, "PROCEDURE": 0, "VIEW": 1, "EVENT": 2, "TRIGGER": 3}
_DISABLED = re.compile(r"( ON COMPLETION (?:NOT )?PRESERVE )DISABLE\b")


@dataclass(frozen=True)
class StoredObject:
    """One stored object, with the session it was defined in.

    Attributes:
        kind: VIEW, TRIGGER, PROCEDURE, FUNCTION or EVENT.
        sql: its CREATE statement; only a view's names the schema, the one it will be created in.
        sql_mode, charset, collation, time_zone: of the session; empty where they don't matter.
    """

    kind: str
    name: str
    sql: str
    sql_mode: str
    charset: str
    collation: str
    time_zone: str


def objects_to_json(objects: tuple[StoredObject, ...]) -> str:
    """Serialize stored objects."""
    return json.dumps([asdict(one) for one in objects])


def objects_from_json(text: str | None) -> tuple[StoredObject, ...] | None:
    """Read what ``objects_to_json`` wrote."""
    return None if text is None else tuple(StoredObject(**item) for item in json.loads(text))


async def read_objects(
    session: SchemaSession, schema: str, *, into: str | None = None
) -> tuple[StoredObject, ...]:
    """Read every stored object of a schema, in the order in which they can be created.

    Args:
        session: where to ask.
        schema: plain name.
        into: the schema they will be created in, where that is another one.

    Raises:
        RestoreFailed: the account may not read a definition.
    """
    await session.use(schema)
    found: list[StoredObject] = []
    for kind, name in await _names(session, schema):
        if kind == "TRIGGER":
            continue
        row = (await session.fetch_all(show_create(kind, schema, name)))[0]
        one = _shown(kind, name, row)
        if kind == "VIEW":
            one = replace(one, sql=rewrite_schema_name(one.sql, schema, into or schema))
        found.append(one)
    return (*found, *await _triggers(session, schema))


def strip_definers(objects: tuple[StoredObject, ...]) -> tuple[StoredObject, ...]:
    """Let stored objects belong to the account that creates them."""
    return tuple(replace(one, sql=_DEFINER.sub(r"\1", one.sql, count=1)) for one in objects)


def enable_events(objects: tuple[StoredObject, ...], names: set[str]) -> tuple[StoredObject, ...]:
    """Enable the named events again, which were loaded disabled."""
    return tuple(
        replace(one, sql=_DISABLED.sub(r"\1ENABLE", one.sql, count=1))
        if one.kind == "EVENT" and one.name in names
        else one
        for one in objects
    )


async def drop_objects(session: SchemaSession, schema: str) -> None:
    """Drop every stored object of a schema; may be repeated."""
    for kind, name in await _names(session, schema):
        await session.run(f"DROP {kind} IF EXISTS {qualified_name(schema, name)}")


async def drop_triggers_and_events(session: SchemaSession, schema: str) -> None:
    """Drop what acts by itself: events, and triggers, which also tie a table to its schema."""
    for kind, name in await _names(session, schema):
        if kind in {"TRIGGER", "EVENT"}:
            await session.run(f"DROP {kind} IF EXISTS {qualified_name(schema, name)}")


async def create_objects(
    session: SchemaSession, schema: str, objects: tuple[StoredObject, ...]
) -> None:
    """Create stored objects in a schema that has none.

    Views depend on views: those that can't be created yet are tried again once others were.

    Raises:
        RestoreFailed: the server refused one, in its own words.
    """
    await session.use(schema)
    try:
        left = list(objects)
        while left:
            later: list[StoredObject] = []
            refusal: RestoreFailed | None = None
            for one in left:
                try:
                    await _create(session, one)
                except RestoreFailed as error:
                    if one.kind != "VIEW":
                        raise
                    refusal = refusal or error
                    later.append(one)
            if refusal is not None and len(later) == len(left):
                raise refusal
            left = later
    finally:
        await session.run(
            f"SET character_set_client = {_CONNECTION_CHARSET}, sql_mode = DEFAULT,"
            " time_zone = '+00:00'"
        )


async def _create(session: SchemaSession, one: StoredObject) -> None:
    charset, encoding = _encoding(one.charset)
    assignments = [f"character_set_client = {charset}"]
    if one.collation:
        assignments.append(f"collation_connection = {one.collation}")
    if one.kind != "VIEW":
        assignments.append(f"sql_mode = '{one.sql_mode}'")
    if one.time_zone:
        assignments.append(f"time_zone = '{one.time_zone}'")
    await session.run(f"SET {', '.join(assignments)}")
    await session.run(one.sql.encode(encoding))


def _encoding(charset: str) -> tuple[str, str]:
    """Return the charset to speak in, and Python's name for it."""
    known = charset_by_name(charset) if charset else None
    encoding = known.encoding if known is not None else None
    return (charset, encoding) if encoding else (_CONNECTION_CHARSET, "utf-8")


def _shown(kind: str, name: str, row: Row) -> StoredObject:
    sql = shown_definition(kind, list(row.values()))
    if sql is None:
        raise RestoreFailed(f"The account may not read the {kind.lower()} {name}.")
    return StoredObject(
        kind=kind,
        name=name,
        sql=sql,
        sql_mode=row.get("sql_mode", ""),
        charset=row["character_set_client"],
        collation=row["collation_connection"],
        time_zone=row.get("time_zone", ""),
    )


async def _triggers(session: SchemaSession, schema: str) -> list[StoredObject]:
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
            sql=await _trigger(session, schema, row),
            sql_mode=row["sql_mode"],
            charset=row["charset"],
            collation=row["collation"],
            time_zone="",
        )
        for row in rows
    ]


async def _trigger(session: SchemaSession, schema: str, row: Row) -> str:
    """Return a trigger as it was typed, or composed where its header could not be repeated elsewhere.

    The server repeats the schema if the author named it, and PRECEDES names one that comes later.
    """
    shown = (await session.fetch_all(show_create("TRIGGER", schema, row["name"])))[0]
    typed = shown_definition("TRIGGER", list(shown.values())) or ""
    header = typed.partition(row["body"])[0]
    if schema not in header and not _ORDERED.search(header):
        return typed
    return (
        f"CREATE DEFINER={_definer(row['definer'])} TRIGGER {quote_name(row['name'])}"
        f" {row['timing']} {row['event']} ON {quote_name(row['on_table'])}"
        f" FOR EACH ROW {row['body']}"
    )


def _definer(text: str) -> str:
    user, _, host = text.rpartition("@")
    return f"{quote_name(user)}@{quote_name(host)}" if user else quote_name(host)


async def _names(session: SchemaSession, schema: str) -> list[tuple[str, str]]:
    """List stored objects as (kind, name): routines before views that may call them, triggers last."""
    found = [one for one in await list_objects(session, schema) if one[0] in _CREATION_ORDER]
    return sorted(found, key=lambda one: _CREATION_ORDER[one[0]])
