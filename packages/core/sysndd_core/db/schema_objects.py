"""The definitions of everything in a schema: as they are now, and as the last migration run left them.

The migrator keeps each object's definition in ``schema_object`` of the platform schema. ``status``
and the health page compare it with what is there now, and say in words what differs.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pymysql.err

from sysndd_core.db.schema_version import LEDGER, QueryRunner
from sysndd_core.errors import SysnddError

TABLE = "schema_object"
"""Name of the table with the expected definitions, in the platform schema."""
RUNNING = "a run is at work"
"""The only name in it while a migration run changes the schema, also when that run was killed."""
OWN = frozenset({TABLE, "migration_journal", LEDGER})
"""The migrator's own tables, which it creates and completes by itself."""

Show = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[str | None] | int]]]
"""Runs SHOW CREATE statements: for each the values of its row, or the number of the refusal."""

_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")
_DEFINER = re.compile(r" DEFINER=(?:`(?:[^`]|``)*`@`(?:[^`]|``)*`|\S+)")
_OF_THE_CLIENT = 2000
_AT_ONCE = 50

_TABLES = (
    "SELECT table_name AS n, table_type AS t FROM information_schema.tables"
    " WHERE table_schema = %s ORDER BY n"
)
_LISTINGS = (
    _TABLES,
    "SELECT trigger_name AS n, 'TRIGGER' AS t FROM information_schema.triggers"
    " WHERE trigger_schema = %s ORDER BY n",
    "SELECT routine_name AS n, routine_type AS t FROM information_schema.routines"
    " WHERE routine_schema = %s ORDER BY n",
    "SELECT event_name AS n, 'EVENT' AS t FROM information_schema.events"
    " WHERE event_schema = %s ORDER BY n",
)
_SHOWN_AS = {"BASE TABLE": "TABLE", "SYSTEM VERSIONED": "TABLE", "SYSTEM VIEW": "VIEW"}
# Which value of the row of SHOW CREATE … is the definition; the second one unless named here.
_DEFINITION_AT = {
    **dict.fromkeys(("PROCEDURE", "FUNCTION", "TRIGGER", "PACKAGE", "PACKAGE BODY"), 2),
    "EVENT": 3,
}
# What an account without the privilege to see a definition gets.
_HIDDEN = frozenset({"", "error 1142", "error 1143", "error 1227", "error 1305", "error 1370"})


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


@dataclass(frozen=True)
class Difference:
    """What is not as the last migration run left it.

    Attributes:
        sentences: one for each object, with its name and how it differs.
        unseen: objects that are expected and that this account is not allowed to look at.
    """

    sentences: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


async def definitions(
    runner: QueryRunner, schema: str, *, without: frozenset[str], show: Show | None = None
) -> dict[str, str]:
    """Read the definition of every object of a schema.

    Args:
        runner: where to ask.
        schema: its name.
        without: names of tables to leave out.
        show: runs the SHOW CREATE statements; one after the other by ``runner`` when left out.

    Returns:
        Such as ``table gene`` → its CREATE statement.
    """
    objects = await list_objects(runner, schema, without=without)
    found: dict[str, str] = {}
    ask = show or _one_by_one(runner)
    for at in range(0, len(objects), _AT_ONCE):
        some = objects[at : at + _AT_ONCE]
        answers = await ask([show_create(kind, schema, name) for kind, name in some])
        for (kind, name), answer in zip(some, answers, strict=True):
            found[f"{kind.lower()} {name}"] = _definition(schema, kind, answer)
    return found


async def list_objects(
    runner: QueryRunner, schema: str, *, without: frozenset[str] = frozenset()
) -> list[tuple[str, str]]:
    """List every object of a schema as (kind, name), each kind in order of the names.

    Args:
        runner: where to ask.
        schema: its name.
        without: names of tables to leave out.

    Returns:
        Kinds as SHOW CREATE has them, such as TABLE, VIEW, TRIGGER, PROCEDURE or EVENT.
    """
    objects: list[tuple[str, str]] = []
    for listing in _LISTINGS:
        for row in await runner.fetch_all(listing, (schema,)):
            name, kind = str(row["n"]), _SHOWN_AS.get(str(row["t"]), str(row["t"]))
            if listing is not _TABLES or name not in without:
                objects.append((kind, name))
    return objects


def show_create(kind: str, schema: str, name: str) -> str:
    """Return the statement that shows how an object is defined."""
    return f"SHOW CREATE {kind} {quoted(schema, name)}"


def shown_definition(kind: str, row: Sequence[str | None]) -> str | None:
    """Pick the definition from the row of a SHOW CREATE statement.

    Returns:
        None where the account lacks the privilege to see it.
    """
    at = _DEFINITION_AT.get(kind, 1)
    return row[at] if len(row) > at else None


def _one_by_one(runner: QueryRunner) -> Show:
    async def show(statements: Sequence[str]) -> list[Sequence[str | None] | int]:
        answers: list[Sequence[str | None] | int] = []
        for statement in statements:
            try:
                rows = await runner.fetch_all(statement)
            except (SysnddError, pymysql.err.Error) as error:
                number = _number(error)
                if not 0 < number < _OF_THE_CLIENT:
                    raise
                answers.append(number)
            else:
                answers.append(list(rows[0].values()) if rows else [])
        return answers

    return show


def _number(error: BaseException | None) -> int:
    while error is not None:
        if isinstance(error, pymysql.err.Error) and error.args and isinstance(error.args[0], int):
            return error.args[0]
        error = error.__cause__
    return 0


def _definition(schema: str, kind: str, answer: Sequence[str | None] | int) -> str:
    if isinstance(answer, int):
        # A view whose table was dropped can't be shown; that it can't is part of its state.
        return f"error {answer}"
    text = str(shown_definition(kind, answer) or "")
    text = _DEFINER.sub("", _COUNTER.sub("", text))
    return text.replace(f"`{schema}`.", "")


async def expected(runner: QueryRunner, platform: str, schema: str) -> Snapshot | None:
    """Return what was recorded of a schema, or None when nothing comparable was.

    Another version of the server may word the same definition in another way.

    Args:
        runner: where to ask.
        platform: name of the platform schema.
        schema: name of the schema it was recorded of.
    """
    try:
        rows = await runner.fetch_all(
            f"SELECT name, definition FROM {quoted(platform, TABLE)} "
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
    """Say what of a schema is not as the last migration run left it.

    Args:
        runner: where to ask; its account may be one that sees tables only.
        platform: name of the platform schema.
        schema: name of the schema to look at.
    """
    wanted = await expected(runner, platform, schema)
    if wanted is None:
        return Difference()
    found = await definitions(runner, schema, without=OWN)
    kinds = {name.split(None, 1)[0] for name in found}
    unseen = {name for name, text in found.items() if text in _HIDDEN}
    # A kind of which nothing is to be seen: gone altogether, or none of this account's business.
    unseen |= {
        name for name in wanted.definitions if name.split(None, 1)[0] not in kinds | {"table"}
    }
    before = Snapshot({k: v for k, v in wanted.definitions.items() if k not in unseen})
    now = Snapshot({k: v for k, v in found.items() if k not in unseen})
    return Difference(
        tuple(f"In {schema}, {text}." for text in differences(before, now)),
        tuple(sorted(unseen & wanted.definitions.keys())),
    )


def differences(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Yield one sentence for each object that differs, definitions first."""
    for name in sorted(before.definitions.keys() | after.definitions.keys()):
        old, new = before.definitions.get(name), after.definitions.get(name)
        if old is None:
            yield f"{name} appeared"
        elif new is None:
            yield f"{name} disappeared"
        elif old != new:
            yield f"{name} changed: {first_difference(old, new)}"
    for name in sorted(before.contents.keys() & after.contents.keys()):
        (rows, checksum), (rows_now, checksum_now) = before.contents[name], after.contents[name]
        if rows != rows_now:
            yield f"table {name} has {rows_now} rows instead of {rows}"
        elif checksum != checksum_now:
            yield f"the rows of table {name} have other values"


def first_difference(old: str, new: str) -> str:
    """Say how two definitions differ: a line that is gone, and one that has come."""
    before = [line.strip(" ,") for line in old.splitlines()]
    after = [line.strip(" ,") for line in new.splitlines()]
    gone = next((line for line in before if line not in after), None)
    come = next((line for line in after if line not in before), None)
    if gone is None and come is None:
        return "the same lines in another order"
    return f"{gone or 'nothing'} → {come or 'nothing'}"


def quoted(schema: str, name: str) -> str:
    """Return ``schema.name`` as an identifier."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in (schema, name))
