"""What a statement changed: to record the effect of a unit, and to detect it after a kill.

For a statement about one table, the definition of that table is compared, with one SHOW CREATE
TABLE. For any other statement, ``fingerprint`` is compared.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

import pymysql.err

from sysndd_core.db.schema_objects import without_counter
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.units import Kind, Unit
from sysndd_migrator.server.fingerprint import fingerprint, groups_in, names_in
from sysndd_migrator.server.session import Rows, Session

# Every character except the ASCII ones that end a name; this form compiles quickly.
_NAME = r"(?:`(?:[^`]|``)+`|[^\x00-#%-/:-@\[-^`{-\x7f]+)"
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
# Their effect is not part of any definition, so that they ran counts as a change.
_UNSEEN = re.compile(
    r"(grant|revoke|analyze|optimize|repair|check|truncate|install|uninstall|flush|set"
    r"|(?:create|alter|drop|rename)\s+(?:user|role)|(?:create|alter|drop)\s+server)\b",
    re.IGNORECASE,
)

ABSENT = "-"
"""The hash of a table that does not exist."""
_NO_SUCH_TABLE = frozenset({1049, 1051, 1146})


@dataclass(frozen=True, slots=True)
class Target:
    """The one table of a statement: verb, name as written, and whether it is about an index."""

    verb: str
    name: str
    index: bool

    @property
    def bare(self) -> str:
        """The name without quotes."""
        return _bare(self.name)


def target_of(unit: Unit) -> Target | None:
    """Return the one table that a definition is about, or None if it may be several."""
    return _target(unit.statements[0].plain) if unit.kind is Kind.DEFINITION else None


@lru_cache(maxsize=256)
def _target(text: str) -> Target | None:
    if match := _TABLE.match(text):
        return Target(match[1].lower(), match[2], index=False)
    if match := _INDEX.match(text):
        return Target(match[1].lower(), match[2], index=True)
    return None


async def definition_hash(session: Session, schema: str, script: Script, unit: Unit) -> str:
    """Hash the definitions that a unit may change.

    Args:
        session: The session that runs it.
        schema: Schema of the file.
        script: The file.
        unit: The unit, before or after it is sent.

    Returns:
        64 hexadecimal digits, or ``-`` if the one table does not exist.
    """
    if target := target_of(unit):
        return await _table_hash(session, target)
    if unit.kind is Kind.DEFINITION:
        statement = unit.statements[0]
        return await fingerprint(
            session, schema, names_in([statement.canonical]), groups=groups_in(statement.plain)
        )
    # EXECUTE runs text of other statements of the file; CALL may change any object.
    names = names_in(statement.canonical for statement in script.statements)
    calls = unit.statements[0].plain.lower().startswith("call")
    return await fingerprint(session, schema, names, every_object=calls)


async def _table_hash(session: Session, target: Target) -> str:
    """Hash the definition of the one table that a statement is about."""
    try:
        result = await session.send(f"SHOW CREATE TABLE {target.name}", rows=Rows.RAW)
    except pymysql.err.Error as error:
        if error.args[:1] and error.args[0] in _NO_SUCH_TABLE:
            return ABSENT
        raise
    text = without_counter(bytes(result.rows[0][1] or b"").decode(errors="surrogateescape"))
    return hashlib.sha256(
        f"table {target.name}\n{text}".encode(errors="surrogateescape")
    ).hexdigest()


def confirmed_by_ok(unit: Unit, before: str) -> bool:
    """Return whether the server's OK alone shows that a definition had its effect.

    Args:
        unit: A unit that was accepted without a warning.
        before: ``definition_hash`` before it was sent.
    """
    target = target_of(unit)
    if target is None or target.index:
        return False
    return {"create": before == ABSENT, "drop": before != ABSENT}.get(target.verb, False)


def changed_objects(unit: Unit, *, same: bool) -> str:
    """Name what a definition or an opaque statement changed; empty if nothing.

    Args:
        unit: The unit that was sent.
        same: Whether the definitions that it may change are unchanged.
    """
    text = unit.statements[0].plain
    if match := _UNSEEN.match(text):
        return " ".join(match[1].lower().split())
    if same:
        return ""
    if target := target_of(unit):
        return f"table {target.bare}"
    named = _NAMED.match(text)
    return f"{named[1].lower()} {_bare(named[2])}" if named else text.split(None, 1)[0].lower()


def _bare(name: str) -> str:
    return name.replace("`", "")
