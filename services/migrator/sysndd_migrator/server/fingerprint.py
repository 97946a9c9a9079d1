"""A hash of definitions: shows after a kill whether a change of the schema was committed.

Only objects whose names occur in the statement are read. A change must name its object, and to
read the definitions of a thousand tables for each statement would take minutes.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

from sysndd_core.db.schema_objects import GROUPS, list_objects, read_definition
from sysndd_migrator.server.session import Session

_NAME = re.compile(r"`((?:[^`]|``)+)`|([^\x00-#%-/:-@\[-^`{-\x7f]+)")

_SYSTEM_SCHEMAS = frozenset({"information_schema", "performance_schema", "mysql", "sys"})

# The server opens every table of a schema to list its triggers, so they are listed only for
# statements about triggers.
_SUBJECT = re.compile(
    r"\A(?:create|alter|drop|rename|truncate|analyze|optimize|repair|check)\b[^('\"]*?"
    r"\b(table|view|index|sequence|trigger|procedure|function|event)s?\b",
    re.IGNORECASE,
)
_GROUP = {
    "trigger": "trigger",
    "procedure": "routine",
    "function": "routine",
    "event": "event",
}


def groups_in(text: str) -> tuple[str, ...]:
    """Return the groups of objects that a statement can change: one if it names it, else all."""
    subject = _SUBJECT.match(text)
    return (_GROUP.get(subject[1].lower(), "table"),) if subject else GROUPS


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """Return every word of these statements that can be a name, in lower case.

    Text inside strings counts, because a prepared statement names its table there.
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
    groups: Sequence[str] = GROUPS,
    every_object: bool = False,
) -> str:
    """Hash the definitions of the objects that a statement may change.

    Args:
        session: The session that runs the statement.
        schema: Schema of the file. The session's default schema and schemas among ``names`` are
            read as well.
        names: Names of the objects to read, in lower case.
        groups: Groups of objects to read.
        every_object: Read every object of these schemas instead.

    Returns:
        64 hexadecimal digits, independent of rows and counters.
    """
    digest = hashlib.sha256()
    for read in await _schemas(session, schema, names):
        digest.update(read.encode())
        objects = await list_objects(
            session, read, names=None if every_object else names, groups=groups
        )
        for kind, name in objects:
            definition = await read_definition(session, read, kind, name)
            digest.update(repr((kind, name, definition)).encode())
    return digest.hexdigest()


async def _schemas(session: Session, schema: str, names: frozenset[str]) -> list[str]:
    marks = ", ".join(["%s"] * max(len(names), 1))
    rows = await session.fetch_all(
        "SELECT schema_name AS n FROM information_schema.schemata WHERE schema_name = DATABASE() "
        f"OR LOWER(schema_name) IN ({marks})",
        sorted(names) or [""],
    )
    return sorted(({str(row["n"]) for row in rows} - _SYSTEM_SCHEMAS) | {schema})
