"""A hash of definitions: tells, after a kill, whether a change of the schema was committed.

Only objects whose names occur in the statement are looked at: a change has to name its object,
and reading the definitions of a thousand tables for each statement would take minutes.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

import pymysql.err

from sysndd_core.db.database import Row
from sysndd_migrator.server.session import Session

# AUTO_INCREMENT moves with every insert and is no definition.
_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
_NAME = re.compile(r"`((?:[^`]|``)+)`|([^\x00-#%-/:-@\[-^`{-\x7f]+)")

_OF_THE_SERVER = frozenset({"information_schema", "performance_schema", "mysql", "sys"})

# Each with the columns that can carry the name of what is changed.
_OBJECTS = {
    "table": (
        "SELECT table_name AS n FROM information_schema.tables WHERE table_schema = %s",
        ("table_name",),
    ),
    "trigger": (
        "SELECT trigger_name AS n, event_object_table AS t, action_timing AS a, "
        "event_manipulation AS e, action_statement AS d FROM information_schema.triggers "
        "WHERE trigger_schema = %s",
        ("trigger_name", "event_object_table"),
    ),
    "routine": (
        "SELECT routine_name AS n, routine_type AS t, routine_definition AS d, "
        "dtd_identifier AS r, sql_data_access AS a, security_type AS s "
        "FROM information_schema.routines WHERE routine_schema = %s",
        ("routine_name",),
    ),
    "event": (
        "SELECT event_name AS n, event_definition AS d, interval_value AS v, "
        "interval_field AS f, status AS s FROM information_schema.events WHERE event_schema = %s",
        ("event_name",),
    ),
}

# The triggers of a schema can be listed only by opening all of its tables, so they are looked at
# only when the statement is about one.
_ABOUT = re.compile(
    r"\A(?:create|alter|drop|rename|truncate|analyze|optimize|repair|check)\b[^('\"]*?"
    r"\b(table|view|index|sequence|trigger|procedure|function|event)s?\b",
    re.IGNORECASE,
)
_KIND = {
    "trigger": "trigger",
    "procedure": "routine",
    "function": "routine",
    "event": "event",
}


def kinds_in(text: str) -> tuple[str, ...]:
    """Return which kinds of objects a statement can change: one if it says so, else all."""
    about = _ABOUT.match(text)
    return (_KIND.get(about[1].lower(), "table"),) if about else tuple(_OBJECTS)


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """Return everything that could be a name in these statements, in lower case.

    Text inside strings counts: a prepared statement names its table there.
    """
    found: set[str] = set()
    for text in texts:
        for quoted, word in _NAME.findall(text):
            found.add((quoted.replace("``", "`") or word).lower())
    return frozenset(found)


async def fingerprint(
    session: Session,
    schema: str,
    names: frozenset[str],
    *,
    kinds: Sequence[str] = tuple(_OBJECTS),
    everything: bool = False,
) -> str:
    """Hash the definitions of the objects a statement may change.

    Args:
        session: where to ask.
        schema: the schema the file belongs to; the session's own and those named count as well.
        names: look only at objects called so, in lower case.
        kinds: look only at these kinds of objects.
        everything: look at every object of these schemas instead.

    Returns:
        64 hexadecimal digits. Row contents and counters have no part in it.
    """
    digest = hashlib.sha256()
    for concerned in await _schemas(session, schema, names):
        digest.update(concerned.encode())
        for kind in kinds:
            for row in await _objects(session, kind, concerned, None if everything else names):
                digest.update(repr((kind, sorted(row.items()))).encode())
                if kind == "table":
                    quoted = _quoted(concerned, str(row["n"]))
                    digest.update((await _shown(session, quoted)).encode())
    return digest.hexdigest()


async def _schemas(session: Session, schema: str, names: frozenset[str]) -> list[str]:
    rows = await session.fetch_all(
        "SELECT schema_name AS n FROM information_schema.schemata WHERE schema_name = DATABASE() "
        f"OR LOWER(schema_name) IN ({_marks(names)})",
        sorted(names) or [""],
    )
    return sorted(({str(row["n"]) for row in rows} - _OF_THE_SERVER) | {schema})


async def _objects(
    session: Session, kind: str, schema: str, names: frozenset[str] | None
) -> list[Row]:
    query, columns = _OBJECTS[kind]
    arguments: list[str] = [schema]
    if names is not None:
        query += f" AND ({' OR '.join(f'LOWER({c}) IN ({_marks(names)})' for c in columns)})"
        arguments += (sorted(names) or [""]) * len(columns)
    return sorted(await session.fetch_all(query, arguments), key=repr)


def _marks(names: frozenset[str]) -> str:
    return ", ".join(["%s"] * max(len(names), 1))


def _quoted(schema: str, table: str) -> str:
    return ".".join("`" + part.replace("`", "``") + "`" for part in (schema, table))


async def _shown(session: Session, quoted: str) -> str:
    try:
        return await definition(session, quoted)
    except pymysql.err.Error as error:
        # A view whose table was dropped can't be shown; that it can't is part of its state.
        return f"error {error.args[0] if error.args else ''}"


async def definition(session: Session, name: str) -> str:
    """Return a table's or view's definition without its counter.

    Args:
        session: where to ask.
        name: as it is written in SQL, with or without its schema.

    Raises:
        pymysql.err.Error: it can't be shown; 1146 when it does not exist.
    """
    row = (await session.fetch_all(f"SHOW CREATE TABLE {name}"))[0]
    return without_counter(str(row.get("Create Table") or row.get("Create View")))


def without_counter(definition: str) -> str:
    """Take the AUTO_INCREMENT counter out of a CREATE TABLE statement."""
    return _COUNTER.sub("", definition)
