"""Everything a schema holds, by object: to say WHAT two states of it differ in.

``fingerprint`` answers whether, fast and for a few objects; this answers what, for all of them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pymysql.err

from sysndd_core.schema_version import LEDGER
from sysndd_migrator.session import Session

_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
_DEFINER = re.compile(r" DEFINER=(?:`(?:[^`]|``)*`@`(?:[^`]|``)*`|\S+)")

_LISTINGS = {
    "table": "SELECT table_name AS n, table_type AS t FROM information_schema.tables "
    "WHERE table_schema = %s",
    "trigger": "SELECT trigger_name AS n, 'TRIGGER' AS t FROM information_schema.triggers "
    "WHERE trigger_schema = %s",
    "routine": "SELECT routine_name AS n, routine_type AS t FROM information_schema.routines "
    "WHERE routine_schema = %s",
    "event": "SELECT event_name AS n, 'EVENT' AS t FROM information_schema.events "
    "WHERE event_schema = %s",
}
_SHOWN_AS = {"BASE TABLE": "TABLE", "SYSTEM VERSIONED": "TABLE", "SYSTEM VIEW": "VIEW"}
# Columns of SHOW CREATE … that hold the definition, for one kind of object or another.
_DEFINITIONS = (
    "Create Table",
    "Create View",
    "Create Procedure",
    "Create Function",
    "Create Event",
    "SQL Original Statement",
)


@dataclass(frozen=True)
class Snapshot:
    """A schema at one moment.

    Attributes:
        definitions: such as ``table gene`` → its CREATE statement, without counters, definers and
            the schema's own name.
        contents: table name → (rows, the server's checksum over them); empty unless asked for.
    """

    definitions: Mapping[str, str]
    contents: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)


async def take(
    session: Session, schema: str, *, contents: bool, without: frozenset[str] = frozenset()
) -> Snapshot:
    """Read a schema.

    Args:
        session: where to ask.
        schema: its name.
        contents: count and checksum the rows too; reads every table.
        without: names of tables to leave out, besides the ledger.
    """
    definitions: dict[str, str] = {}
    tables: list[str] = []
    for kind, listing in _LISTINGS.items():
        for row in await session.fetch_all(listing, (schema,)):
            name, shown_as = str(row["n"]), _SHOWN_AS.get(str(row["t"]), str(row["t"]))
            if kind == "table" and name in without | {LEDGER}:
                continue
            definition = await _definition(session, schema, shown_as, name)
            definitions[f"{shown_as.lower()} {name}"] = definition
            if shown_as == "TABLE":
                tables.append(name)
    found = {name: await _contents(session, schema, name) for name in tables if contents}
    return Snapshot(definitions, found)


async def _definition(session: Session, schema: str, shown_as: str, name: str) -> str:
    try:
        rows = await session.fetch_all(f"SHOW CREATE {shown_as} {_quoted(schema, name)}")
    except pymysql.err.Error as error:
        # A view whose table was dropped can't be shown; that it can't is part of its state.
        return f"error {error.args[0] if error.args else ''}"
    text = next((str(rows[0][column]) for column in _DEFINITIONS if column in rows[0]), "")
    text = _DEFINER.sub("", _COUNTER.sub("", text))
    return text.replace(f"`{schema}`.", "")


async def _contents(session: Session, schema: str, name: str) -> tuple[int, int | None]:
    quoted = _quoted(schema, name)
    counted = await session.fetch_all(f"SELECT COUNT(*) AS n FROM {quoted}")
    checked = await session.fetch_all(f"CHECKSUM TABLE {quoted}")
    value = checked[0]["Checksum"]
    return int(counted[0]["n"]), None if value is None else int(value)


def _quoted(schema: str, name: str) -> str:
    return ".".join("`" + part.replace("`", "``") + "`" for part in (schema, name))


def differences(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Yield one sentence for each object that differs, definitions first."""
    for name in sorted(before.definitions.keys() | after.definitions.keys()):
        old, new = before.definitions.get(name), after.definitions.get(name)
        if old is None:
            yield f"{name} appeared"
        elif new is None:
            yield f"{name} disappeared"
        elif old != new:
            yield f"{name} changed: {_first_difference(old, new)}"
    for name in sorted(before.contents.keys() & after.contents.keys()):
        (rows, checksum), (rows_now, checksum_now) = before.contents[name], after.contents[name]
        if rows != rows_now:
            yield f"table {name} has {rows_now} rows instead of {rows}"
        elif checksum != checksum_now:
            yield f"the rows of table {name} have other values"


def missing_or_other(wanted: Snapshot, found: Snapshot) -> Iterator[str]:
    """Yield what of ``wanted`` is not in ``found`` as it should be; more than wanted is no fault."""
    for name, definition in sorted(wanted.definitions.items()):
        present = found.definitions.get(name)
        if present is None:
            yield f"{name} is missing"
        elif present != definition:
            yield f"{name} differs: {_first_difference(definition, present)}"


def _first_difference(old: str, new: str) -> str:
    before = [line.strip(" ,") for line in old.splitlines()]
    after = [line.strip(" ,") for line in new.splitlines()]
    gone = next((line for line in before if line not in after), None)
    come = next((line for line in after if line not in before), None)
    if gone is None and come is None:
        return "the same lines in another order"
    return f"{gone or 'nothing'} → {come or 'nothing'}"
