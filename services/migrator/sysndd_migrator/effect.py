"""What a statement changed: the proof that a migration had its effect, and the trace after a kill.

A statement that says which table it is about is judged by that table's definition alone, with one
SHOW CREATE TABLE; anything else by ``fingerprint``.
"""

import hashlib
import re
from dataclasses import dataclass

import pymysql.err

from sysndd_migrator.fingerprint import definition, fingerprint, kinds_in, names_in
from sysndd_migrator.script import Script
from sysndd_migrator.session import Outcome, Session
from sysndd_migrator.units import Kind, Unit, plain

_NAME = r"(?:`(?:[^`]|``)+`|[0-9A-Za-z_$\u0080-\uffff]+)"
_QUALIFIED = rf"{_NAME}(?:\s*\.\s*{_NAME})?"
_TABLE = re.compile(
    rf"(create|alter|drop)\s+(?:or\s+replace\s+)?(?:online\s+|ignore\s+)*table\s+"
    rf"(?:if\s+(?:not\s+)?exists\s+)?({_QUALIFIED})(?!\s*[,.])(?![^\s(;])",
    re.IGNORECASE,
)
_INDEX = re.compile(
    rf"(create|drop)\s+(?:or\s+replace\s+)?(?:(?:unique|fulltext|spatial)\s+)?index\s+"
    rf"(?:if\s+(?:not\s+)?exists\s+)?{_NAME}\s+(?:using\s+\w+\s+)?on\s+({_QUALIFIED})(?=[\s(]|\Z)",
    re.IGNORECASE,
)
_NAMED = re.compile(
    rf"(?:create|alter|drop|rename)\b[^('\"]*?\b(table|view|sequence|trigger|procedure|function|"
    rf"event|database|schema)s?\s+(?:if\s+(?:not\s+)?exists\s+)?({_QUALIFIED})",
    re.IGNORECASE,
)
# Their effect is not in any definition; that they ran is all there is to see.
_UNSEEN = re.compile(
    r"(grant|revoke|analyze|optimize|repair|check|truncate|install|uninstall|flush|set"
    r"|(?:create|alter|drop|rename)\s+(?:user|role)|(?:create|alter|drop)\s+server)\b",
    re.IGNORECASE,
)
# Committed by the server before they start, so a transaction that is open then is durable first.
_COMMITS_FIRST = re.compile(
    r"(?:create|alter|drop|rename|truncate)\s+(?:or\s+replace\s+)?(?:online\s+|ignore\s+)*"
    r"(?:table|(?:(?:unique|fulltext|spatial)\s+)?index)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Target:
    """The one table a statement is about: verb, name as written, and whether it is an index."""

    verb: str
    name: str
    index: bool


def commits_first(unit: Unit) -> bool:
    """Tell whether the server commits what is open before it starts on this unit."""
    return unit.kind is Kind.DEFINITION and bool(_COMMITS_FIRST.match(plain(unit.statements[0])))


def provable(unit: Unit) -> bool:
    """Tell whether a look at the schema can prove later that this unit was done."""
    return unit.kind is Kind.DEFINITION and not _UNSEEN.match(plain(unit.statements[0]))


def target_of(unit: Unit) -> Target | None:
    """Return the one table that a definition is about, or None when it may be more than one."""
    if unit.kind is not Kind.DEFINITION:
        return None
    text = plain(unit.statements[0])
    if match := _TABLE.match(text):
        return Target(match[1].lower(), match[2], index=False)
    if match := _INDEX.match(text):
        return Target(match[1].lower(), match[2], index=True)
    return None


async def look(session: Session, schema: str, script: Script, unit: Unit) -> str:
    """Hash the definitions that a unit may change.

    Args:
        session: the session that runs it.
        schema: the schema the file belongs to.
        script: the file.
        unit: what is going to be sent, or was.

    Returns:
        64 hexadecimal digits, or ``-`` when the one table it is about does not exist.
    """
    if target := target_of(unit):
        return await _table(session, target.name)
    if unit.kind is Kind.DEFINITION:
        statement = unit.statements[0]
        return await fingerprint(
            session, schema, names_in([statement.canonical]), kinds=kinds_in(plain(statement))
        )
    # EXECUTE runs what other statements of the file put together; CALL may do anything.
    names = names_in(statement.canonical for statement in script.statements)
    everything = plain(unit.statements[0]).lower().startswith("call")
    return await fingerprint(session, schema, names, everything=everything)


ABSENT = "-"


async def _table(session: Session, name: str) -> str:
    try:
        shown = await definition(session, name)
    except pymysql.err.ProgrammingError as error:
        if error.args[0] in {1146, 1049, 1051}:
            return ABSENT
        raise
    return hashlib.sha256(f"table {name}\n{shown}".encode()).hexdigest()


async def changed_objects(
    session: Session, schema: str, script: Script, unit: Unit, *, before: str, outcome: Outcome
) -> str:
    """Name what a definition or an opaque statement changed; empty when that is nothing.

    Args:
        session, schema, script, unit: as for ``look``.
        before: what ``look`` saw before.
        outcome: what the server answered.
    """
    text = plain(unit.statements[0])
    if match := _UNSEEN.match(text):
        return " ".join(match[1].lower().split())
    target = target_of(unit)
    proved = (
        target is not None
        and not target.index
        and not outcome.warnings
        and {"create": before == ABSENT, "drop": before != ABSENT}.get(target.verb, False)
    )
    if not proved and await look(session, schema, script, unit) == before:
        return ""
    if target is not None:
        return f"table {_bare(target.name)}"
    named = _NAMED.match(text)
    return f"{named[1].lower()} {_bare(named[2])}" if named else text.split(None, 1)[0].lower()


def _bare(name: str) -> str:
    return name.replace("`", "")
