"""Units: the statements of a file that are run, recorded and, after a kill, resumed together.

The server commits at each change of a definition, but rows can share a transaction with their
record. So a file is divided into units that are either done and recorded, or not done:

- ``definition``: one statement that commits by itself (CREATE, ALTER, GRANT, …). If it is killed,
  only the schema shows whether it was done.
- ``data``: consecutive INSERT, UPDATE, …: one transaction together with their record.
- ``transaction``: from START TRANSACTION to COMMIT, as in the file.
- ``tables_locked``: from LOCK TABLES to UNLOCK TABLES; cannot share a transaction with its record.
- ``opaque``: may do either (CALL, EXECUTE, …): run in a transaction, checked like a definition.
- ``session``: changes this connection only (SET, PREPARE, …): repeated when a file is resumed.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sysndd_migrator.files.splitter import Statement


class Kind(StrEnum):
    """How a unit commits."""

    DEFINITION = "definition"
    DATA = "data"
    TRANSACTION = "transaction"
    TABLES_LOCKED = "tables_locked"
    OPAQUE = "opaque"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Unit:
    """Statements that are recorded together.

    Attributes:
        kind: How they commit.
        first: Position of the first statement in the file, from 1.
        statements: The statements.
    """

    kind: Kind
    first: int
    statements: tuple[Statement, ...]

    @property
    def last(self) -> int:
        """Position of the last statement in the file, from 1."""
        return self.first + len(self.statements) - 1


_SESSION_SET = re.compile(
    r"set\s+(?!global\b|persist\b|persist_only\b|password\b|role\b|default\s+role\b|statement\b"
    r"|resource\b|@@global\.|@@persist)",
    re.IGNORECASE,
)
_BEGIN = re.compile(r"(?:begin(?:\s+work)?|start\s+transaction\b.*)\Z", re.IGNORECASE | re.DOTALL)
_END = re.compile(r"(?:commit|rollback)(?:\s+work)?(?:\s+(?:no\s+)?release)?\Z", re.IGNORECASE)
_LOCK = re.compile(r"lock\s+tables?\b", re.IGNORECASE)
_UNLOCK = re.compile(r"unlock\s+tables?\b", re.IGNORECASE)
_INTO_VARIABLE = re.compile(r"\binto\s+@\w", re.IGNORECASE)
_TEMPORARY = re.compile(r"(?:create(?:\s+or\s+replace)?|drop)\s+temporary\b", re.IGNORECASE)
_DATA = frozenset(
    ["insert", "update", "delete", "replace", "with", "select", "values", "table", "load"]
)
_DEFINITION = frozenset(
    [
        "create",
        "alter",
        "drop",
        "rename",
        "truncate",
        "grant",
        "revoke",
        "analyze",
        "optimize",
        "repair",
        "check",
        "install",
        "uninstall",
    ]
)


def kind_of(statement: Statement) -> Kind:
    """Classify one statement by its first words."""
    text = statement.plain
    first = re.split(r"[^\w]", text, maxsplit=1)[0].lower()
    if _SESSION_SET.match(text) or _TEMPORARY.match(text) or first in {"prepare", "deallocate"}:
        return Kind.SESSION
    if first == "use" or re.match(r"drop\s+prepare\b", text, re.IGNORECASE):
        return Kind.SESSION
    if first == "select" and _INTO_VARIABLE.search(text):
        return Kind.SESSION
    if first in _DATA or text.startswith("("):
        return Kind.DATA
    return Kind.DEFINITION if first in _DEFINITION else Kind.OPAQUE


def units_of(statements: Iterable[Statement]) -> Iterator[Unit]:
    """Group a file's statements into units, in order."""
    gathered: list[Statement] = []
    first = 1
    gathering: Kind | None = None
    for position, statement in enumerate(statements, start=1):
        text, kind = statement.plain, kind_of(statement)
        if gathering is Kind.TRANSACTION and kind is Kind.DEFINITION:
            # The server commits here, so the following statements are outside the transaction.
            yield Unit(gathering, first, tuple(gathered))
            gathered, gathering = [], None
        if gathering is Kind.DATA and (kind is not Kind.DATA or _starts_block(text)):
            yield Unit(gathering, first, tuple(gathered))
            gathered, gathering = [], None
        if gathering is None:
            first = position
            gathering = _starts_block(text) or kind
        gathered.append(statement)
        if gathering is Kind.DATA or _block_continues(gathering, text):
            continue
        yield Unit(gathering, first, tuple(gathered))
        gathered, gathering = [], None
    if gathering is not None:
        yield Unit(gathering, first, tuple(gathered))


def _starts_block(text: str) -> Kind | None:
    if _BEGIN.match(text):
        return Kind.TRANSACTION
    return Kind.TABLES_LOCKED if _LOCK.match(text) else None


def _block_continues(gathering: Kind, text: str) -> bool:
    if gathering is Kind.TRANSACTION:
        return not _END.match(text)
    return gathering is Kind.TABLES_LOCKED and not _UNLOCK.match(text)


def ends_transaction(statement: Statement) -> str | None:
    """Return ``commit`` or ``rollback`` if the statement ends a transaction."""
    text = statement.plain
    return text.split(None, 1)[0].lower() if _END.match(text) else None


def uncommitted(units: Iterable[Unit]) -> Statement | None:
    """Return the statement that opens a transaction which the file does not end, or None."""
    last: Unit | None = None
    for unit in units:
        last = unit
    if last is None or last.kind is not Kind.TRANSACTION or ends_transaction(last.statements[-1]):
        return None
    return last.statements[0]


def uses_temporary_tables(statements: Iterable[Statement]) -> bool:
    """Return whether the file uses tables that end with the connection."""
    return any(_TEMPORARY.match(statement.plain) for statement in statements)
