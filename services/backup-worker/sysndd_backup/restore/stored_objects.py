"""Views, triggers, routines and events: what can't be renamed from schema to schema.

They are read as the server describes them, kept as JSON in the journal, and made again on the
connection that holds the schema lock. A client program would go on after its worker was killed,
and make them while the next worker does the same.
"""

import json
import re
from dataclasses import asdict, dataclass, replace

from pymysql.charset import charset_by_name

from sysndd_backup.server.server import quoted, requalified
from sysndd_backup.server.session import SchemaSession
from sysndd_core.db.database import Row
from sysndd_core.errors import RestoreFailed

_CONNECTION_CHARSET = "utf8mb4"
_DEFINER = re.compile(r"^(CREATE(?: ALGORITHM=\w+)?) DEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?")
_ORDERED = re.compile(r"\b(?:FOLLOWS|PRECEDES)\b", re.IGNORECASE)
_DISABLED = re.compile(r"( ON COMPLETION (?:NOT )?PRESERVE )DISABLE\b")


@dataclass(frozen=True)
class Program:
    """One object, with the session it was defined in.

    Attributes:
        kind: VIEW, TRIGGER, PROCEDURE, FUNCTION or EVENT.
        sql: its CREATE statement; only a view's names the schema, the one it will be made in.
        sql_mode, charset, collation, time_zone: of the session; empty where they don't matter.
    """

    kind: str
    name: str
    sql: str
    sql_mode: str
    charset: str
    collation: str
    time_zone: str


def programs_to_json(programs: tuple[Program, ...]) -> str:
    """Write programs out."""
    return json.dumps([asdict(program) for program in programs])


def programs_from_json(text: str | None) -> tuple[Program, ...] | None:
    """Read what ``programs_to_json`` wrote."""
    return None if text is None else tuple(Program(**item) for item in json.loads(text))


async def read_programs(
    session: SchemaSession, schema: str, *, into: str | None = None
) -> tuple[Program, ...]:
    """Describe every program of a schema, in the order in which they can be made.

    Args:
        session: where to ask.
        schema: plain name.
        into: the schema they will be made in, where that is another one.

    Raises:
        RestoreFailed: the account may not read a definition.
    """
    await session.use(schema)
    found: list[Program] = []
    for kind, name in await _names(session, schema):
        if kind == "TRIGGER":
            continue
        row = (await session.fetch_all(f"SHOW CREATE {kind} {quoted(name)}"))[0]
        program = _shown(kind, name, row)
        if kind == "VIEW":
            program = replace(program, sql=requalified(program.sql, schema, into or schema))
        found.append(program)
    return (*found, *await _triggers(session, schema))


def without_definers(programs: tuple[Program, ...]) -> tuple[Program, ...]:
    """Let programs belong to whoever makes them."""
    return tuple(
        replace(program, sql=_DEFINER.sub(r"\1", program.sql, count=1)) for program in programs
    )


def with_events_enabled(programs: tuple[Program, ...], names: set[str]) -> tuple[Program, ...]:
    """Enable the named events again, which were loaded disabled."""
    return tuple(
        replace(program, sql=_DISABLED.sub(r"\1ENABLE", program.sql, count=1))
        if program.kind == "EVENT" and program.name in names
        else program
        for program in programs
    )


async def drop_programs(session: SchemaSession, schema: str) -> None:
    """Drop every program of a schema; may be repeated."""
    for kind, name in await _names(session, schema):
        await session.run(f"DROP {kind} IF EXISTS {quoted(schema)}.{quoted(name)}")


async def drop_active(session: SchemaSession, schema: str) -> None:
    """Drop what acts by itself: events, and triggers, which also keep a table in its schema."""
    for kind, name in await _names(session, schema):
        if kind in {"TRIGGER", "EVENT"}:
            await session.run(f"DROP {kind} IF EXISTS {quoted(schema)}.{quoted(name)}")


async def make_programs(session: SchemaSession, schema: str, programs: tuple[Program, ...]) -> None:
    """Make programs in a schema that has none.

    Views stand on views: those that can't be made yet are tried again once others were.

    Raises:
        RestoreFailed: the server refused one, in its own words.
    """
    await session.use(schema)
    try:
        left = list(programs)
        while left:
            later: list[Program] = []
            refusal: RestoreFailed | None = None
            for program in left:
                try:
                    await _make(session, program)
                except RestoreFailed as error:
                    if program.kind != "VIEW":
                        raise
                    refusal = refusal or error
                    later.append(program)
            if refusal is not None and len(later) == len(left):
                raise refusal
            left = later
    finally:
        await session.run(
            f"SET character_set_client = {_CONNECTION_CHARSET}, sql_mode = DEFAULT,"
            " time_zone = '+00:00'"
        )


async def _make(session: SchemaSession, program: Program) -> None:
    charset, encoding = _encoding(program.charset)
    assignments = [f"character_set_client = {charset}"]
    if program.collation:
        assignments.append(f"collation_connection = {program.collation}")
    if program.kind != "VIEW":
        assignments.append(f"sql_mode = '{program.sql_mode}'")
    if program.time_zone:
        assignments.append(f"time_zone = '{program.time_zone}'")
    await session.run(f"SET {', '.join(assignments)}")
    await session.run(program.sql.encode(encoding))


def _encoding(charset: str) -> tuple[str, str]:
    """Return the charset to speak in, and Python's name for it."""
    known = charset_by_name(charset) if charset else None
    encoding = known.encoding if known is not None else None
    return (charset, encoding) if encoding else (_CONNECTION_CHARSET, "utf-8")


def _shown(kind: str, name: str, row: Row) -> Program:
    sql = row[f"Create {kind.capitalize()}"]
    if sql is None:
        raise RestoreFailed(f"The account may not read the {kind.lower()} {name}.")
    return Program(
        kind=kind,
        name=name,
        sql=sql,
        sql_mode=row.get("sql_mode", ""),
        charset=row["character_set_client"],
        collation=row["collation_connection"],
        time_zone=row.get("time_zone", ""),
    )


async def _triggers(session: SchemaSession, schema: str) -> list[Program]:
    rows = await session.fetch_all(
        "SELECT trigger_name AS name, event_manipulation AS event, action_timing AS timing,"
        " event_object_table AS on_table, action_statement AS body, definer AS definer,"
        " sql_mode AS sql_mode, character_set_client AS charset,"
        " collation_connection AS collation FROM information_schema.triggers"
        " WHERE trigger_schema = %s ORDER BY event_object_table, action_timing, action_order",
        (schema,),
    )
    return [
        Program(
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
    """Return a trigger as it was typed, or composed where its head could not be repeated elsewhere.

    The server repeats the schema if the author named it, and PRECEDES names one that comes later.
    """
    shown = (await session.fetch_all(f"SHOW CREATE TRIGGER {quoted(row['name'])}"))[0]
    typed = str(shown["SQL Original Statement"])
    head = typed.partition(row["body"])[0]
    if schema not in head and not _ORDERED.search(head):
        return typed
    return (
        f"CREATE DEFINER={_definer(row['definer'])} TRIGGER {quoted(row['name'])}"
        f" {row['timing']} {row['event']} ON {quoted(row['on_table'])}"
        f" FOR EACH ROW {row['body']}"
    )


def _definer(text: str) -> str:
    user, _, host = text.rpartition("@")
    return f"{quoted(user)}@{quoted(host)}" if user else quoted(host)


async def _names(session: SchemaSession, schema: str) -> list[tuple[str, str]]:
    """List programs as (kind, name): routines before the views that may call them, triggers last."""
    rows = await session.fetch_all(
        "SELECT routine_type AS kind, routine_name AS name, 1 AS place"
        " FROM information_schema.routines WHERE routine_schema = %s"
        " AND routine_type IN ('PROCEDURE', 'FUNCTION')"
        " UNION ALL SELECT 'VIEW', table_name, 2 FROM information_schema.views"
        " WHERE table_schema = %s"
        " UNION ALL SELECT 'EVENT', event_name, 3 FROM information_schema.events"
        " WHERE event_schema = %s"
        " UNION ALL SELECT 'TRIGGER', trigger_name, 4 FROM information_schema.triggers"
        " WHERE trigger_schema = %s ORDER BY place, name",
        (schema, schema, schema, schema),
    )
    return [(str(row["kind"]), str(row["name"])) for row in rows]
