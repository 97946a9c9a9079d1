"""Definitions of all objects of a schema: the current ones, and those after the last migration run.

The migrator stores the definition of each object in ``schema_object`` of the platform schema.
``status`` and the health check compare these with the current definitions and report drift.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pymysql.err

from sysndd_core.db.schema_version import LEDGER, QueryRunner
from sysndd_core.errors import SysnddError
from sysndd_core.sql.identifiers import qualified_name, quote_name

TABLE = "schema_object"
"""Name of the table in the platform schema that holds the expected definitions."""
RUNNING = "a run is in progress"
"""Name of its only row while a migration run changes the schema, or after such a run was killed."""
OWN = frozenset({TABLE, "migration_journal", LEDGER})
"""Tables that the migrator itself creates and updates."""

_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
_DEFINER = re.compile(r" DEFINER=(?:`(?:[^`]|``)*`@`(?:[^`]|``)*`|\S+)")
_FIRST_CLIENT_ERROR = 2000


@dataclass(frozen=True, slots=True)
class _Listing:
    """A query that lists objects, and the columns that can hold a name from a statement."""

    query: str
    order: str
    name_columns: tuple[str, ...]


_LISTINGS: Mapping[str, _Listing] = {
    "table": _Listing(
        "SELECT table_name AS n, table_type AS t FROM information_schema.tables"
        " WHERE table_schema = %s",
        "table_name",
        ("table_name",),
    ),
    # DROP TABLE and ALTER TABLE name the table of a trigger, not the trigger.
    "trigger": _Listing(
        "SELECT trigger_name AS n, 'TRIGGER' AS t FROM information_schema.triggers"
        " WHERE trigger_schema = %s",
        "trigger_name",
        ("trigger_name", "event_object_table"),
    ),
    "routine": _Listing(
        "SELECT routine_name AS n, routine_type AS t FROM information_schema.routines"
        " WHERE routine_schema = %s",
        "routine_name",
        ("routine_name",),
    ),
    "event": _Listing(
        "SELECT event_name AS n, 'EVENT' AS t FROM information_schema.events"
        " WHERE event_schema = %s",
        "event_name",
        ("event_name",),
    ),
}
GROUPS = tuple(_LISTINGS)
"""Groups of objects that one query each lists; views and sequences are in the group table."""
_SHOWN_AS = {"BASE TABLE": "TABLE", "SYSTEM VERSIONED": "TABLE", "SYSTEM VIEW": "VIEW"}
# Position of the definition in the row of SHOW CREATE; 1 unless listed here.
_DEFINITION_AT = {
    **dict.fromkeys(("PROCEDURE", "FUNCTION", "TRIGGER", "PACKAGE", "PACKAGE BODY"), 2),
    "EVENT": 3,
}
# Results for an account without the privilege to see a definition.
_HIDDEN = frozenset({"", "error 1142", "error 1143", "error 1227", "error 1305", "error 1370"})


@dataclass(frozen=True)
class Snapshot:
    """The state of a schema at one time.

    Attributes:
        definitions: Object, such as ``table gene`` → its CREATE statement, without AUTO_INCREMENT
            counters, definers and the name of the schema.
        contents: Table name → (row count, checksum of the server); empty unless requested.
    """

    definitions: Mapping[str, str]
    contents: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """Drift: differences from the state after the last migration run.

    Attributes:
        sentences: One sentence for each object that differs.
        unseen: Expected objects whose definition this account cannot see.
    """

    sentences: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


async def definitions(
    runner: QueryRunner, schema: str, *, without: frozenset[str]
) -> dict[str, str]:
    """Read the definitions of all objects of a schema.

    Args:
        runner: Runs the queries.
        schema: Name of the schema.
        without: Names of tables to exclude.

    Returns:
        Object, such as ``table gene`` → its CREATE statement, without AUTO_INCREMENT counters,
        definers and the name of the schema.
    """
    return {
        f"{kind.lower()} {name}": _neutral(
            schema, await read_definition(runner, schema, kind, name)
        )
        for kind, name in await list_objects(runner, schema, without=without)
    }


async def list_objects(
    runner: QueryRunner,
    schema: str,
    *,
    without: frozenset[str] = frozenset(),
    names: frozenset[str] | None = None,
    groups: Sequence[str] = GROUPS,
) -> list[tuple[str, str]]:
    """List the objects of a schema as (kind, name), each kind ordered by name.

    Args:
        runner: Runs the queries.
        schema: Name of the schema.
        without: Names of tables to exclude.
        names: Names in lower case; if given, only objects with such a name are listed, and
            triggers of tables with such a name.
        groups: Those of ``GROUPS`` to list; each costs one query.

    Returns:
        Kinds as SHOW CREATE has them, such as TABLE, VIEW, TRIGGER, PROCEDURE or EVENT.
    """
    objects: list[tuple[str, str]] = []
    for group in groups if names is None or names else ():
        listing = _LISTINGS[group]
        query, arguments = listing.query, [schema]
        if names is not None:
            marks = ", ".join(["%s"] * len(names))
            matches = [f"LOWER({column}) IN ({marks})" for column in listing.name_columns]
            query += f" AND ({' OR '.join(matches)})"
            arguments += sorted(names) * len(matches)
        for row in await runner.fetch_all(f"{query} ORDER BY {listing.order}", arguments):
            name, kind = str(row["n"]), _SHOWN_AS.get(str(row["t"]), str(row["t"]))
            if group != "table" or name not in without:
                objects.append((kind, name))
    return objects


def show_create(kind: str, schema: str, name: str) -> str:
    """Return the statement that shows how an object is defined."""
    return f"SHOW CREATE {kind} {qualified_name(schema, name)}"


def shown_definition(kind: str, row: Sequence[str | None]) -> str | None:
    """Pick the definition from the row of a SHOW CREATE statement.

    Returns:
        None where the account lacks the privilege to see it.
    """
    position = _DEFINITION_AT.get(kind, 1)
    return row[position] if len(row) > position else None


async def read_definition(runner: QueryRunner, schema: str, kind: str, name: str) -> str:
    """Return the CREATE statement of an object, without its AUTO_INCREMENT counter.

    Args:
        runner: Runs the query.
        schema: Name of the schema.
        kind: Kind of the object, as ``list_objects`` returns it.
        name: Name of the object.

    Returns:
        Empty text if this account lacks the privilege to see it; ``error N`` if the server cannot
        show it. SHOW CREATE fails for a view whose table was dropped, and that is part of its
        state.
    """
    try:
        rows = await runner.fetch_all(show_create(kind, schema, name))
    except (SysnddError, pymysql.err.Error) as error:
        number = _number(error)
        if not 0 < number < _FIRST_CLIENT_ERROR:
            raise
        return f"error {number}"
    return without_counter(shown_definition(kind, list(rows[0].values())) or "" if rows else "")


def without_counter(definition: str) -> str:
    """Remove the AUTO_INCREMENT counter, which every insert changes, from a CREATE TABLE."""
    return _COUNTER.sub("", definition)


def _number(error: BaseException | None) -> int:
    while error is not None:
        if isinstance(error, pymysql.err.Error) and error.args and isinstance(error.args[0], int):
            return error.args[0]
        error = error.__cause__
    return 0


def _neutral(schema: str, definition: str) -> str:
    return _DEFINER.sub("", definition).replace(f"{quote_name(schema)}.", "")


async def expected(runner: QueryRunner, platform: str, schema: str) -> Snapshot | None:
    """Return the recorded state of a schema.

    Only records of the same server version count, because another version may print the same
    definition differently.

    Args:
        runner: Runs the queries.
        platform: Name of the platform schema.
        schema: Name of the recorded schema.

    Returns:
        The recorded definitions, or None if there is no comparable record.
    """
    try:
        rows = await runner.fetch_all(
            f"SELECT name, definition FROM {qualified_name(platform, TABLE)} "
            "WHERE schema_name = %s AND server = VERSION()",
            (schema,),
        )
    except (SysnddError, pymysql.err.Error) as error:
        if _number(error) in {1049, 1146}:
            return None
        raise
    found = {str(row["name"]): str(row["definition"]) for row in rows}
    return Snapshot(found) if found and RUNNING not in found else None


async def drifted(runner: QueryRunner, platform: str, schema: str) -> Difference:
    """Compare a schema with its state after the last migration run.

    Args:
        runner: Runs the queries; its account may see only tables.
        platform: Name of the platform schema.
        schema: Name of the schema to check.

    Returns:
        The drift; empty if there is no comparable record.
    """
    recorded = await expected(runner, platform, schema)
    if recorded is None:
        return Difference()
    found = await definitions(runner, schema, without=OWN)
    kinds = {name.split(None, 1)[0] for name in found}
    unseen = {name for name, text in found.items() if text in _HIDDEN}
    # If no object of a kind is visible, all were dropped or this account lacks the privilege.
    unseen |= {
        name for name in recorded.definitions if name.split(None, 1)[0] not in kinds | {"table"}
    }
    before = Snapshot({k: v for k, v in recorded.definitions.items() if k not in unseen})
    now = Snapshot({k: v for k, v in found.items() if k not in unseen})
    return Difference(
        tuple(f"In {schema}, {text}." for text in differences(before, now)),
        tuple(sorted(unseen & recorded.definitions.keys())),
    )


def differences(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Yield one sentence for each object that differs, definitions first."""
    for name in sorted(before.definitions.keys() | after.definitions.keys()):
        old, new = before.definitions.get(name), after.definitions.get(name)
        if old is None:
            yield f"{name} was added"
        elif new is None:
            yield f"{name} was removed"
        elif old != new:
            yield f"{name} was changed: {first_difference(old, new)}"
    for name in sorted(before.contents.keys() & after.contents.keys()):
        (rows, checksum), (rows_now, checksum_now) = before.contents[name], after.contents[name]
        if rows != rows_now:
            yield f"table {name} has {rows_now} rows instead of {rows}"
        elif checksum != checksum_now:
            yield f"table {name} has the same number of rows but different values"


def first_difference(old: str, new: str) -> str:
    """Describe how two definitions differ: the first removed and the first added line."""
    before = [line.strip(" ,") for line in old.splitlines()]
    after = [line.strip(" ,") for line in new.splitlines()]
    removed = next((line for line in before if line not in after), None)
    added = next((line for line in after if line not in before), None)
    if removed is None and added is None:
        return "the same lines in a different order"
    return f"{removed or 'nothing'} → {added or 'nothing'}"
