"""Runs files statement by statement in a scratch schema, to measure how each locks its table.

A server reveals which algorithm an ALTER can use only by rejecting the others, and the result is
the same for an empty copy of the table. So each ALTER is sent with the least blocking algorithm
first; the first accepted one is the class of the statement. The scratch schema then has the state
that the next statement expects.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

import pymysql.err

from sysndd_core.logging import get_logger
from sysndd_migrator.apply.session_cleanup import session_cleanup_statements
from sysndd_migrator.files.outside import reaches_outside
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.splitter import Statement
from sysndd_migrator.files.units import Kind, kind_of
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.server.session import Session, server_error
from sysndd_migrator.server.snapshot import Snapshot

log = get_logger(__name__)


NOT_RUN = "not run, because it "
"""Start of the error of a statement that was not run."""


class LockClass(StrEnum):
    """The effect of a statement on other clients of its table."""

    INSTANT = "INSTANT"
    INPLACE = "INPLACE"
    INPLACE_SHARED = "INPLACE, writes wait"
    COPY = "COPY"
    NEW = "NEW"
    DEFINITION = "DEFINITION"
    ROWS = "ROWS"
    SESSION = "SESSION"
    UNKNOWN = "UNKNOWN"


# Algorithm, lock, class; least blocking first.
_TRIES = (
    ("INSTANT", None, LockClass.INSTANT),
    ("INPLACE", "NONE", LockClass.INPLACE),
    ("INPLACE", "SHARED", LockClass.INPLACE_SHARED),
    ("COPY", None, LockClass.COPY),
)
# Not supported (without and with a reason), and algorithms or locks unknown to an older grammar.
_TRY_NEXT = frozenset({1800, 1801, 1845, 1846})

_NAME = r"((?:`(?:[^`]|``)+`|[\w$]+)(?:\s*\.\s*(?:`(?:[^`]|``)+`|[\w$]+))?)"
_ALTER = re.compile(
    rf"\Aalter\s+(?:online\s+)?(?:ignore\s+)?table\s+(?:if\s+exists\s+)?{_NAME}", re.IGNORECASE
)
_INDEX = re.compile(
    r"\A(?:create(?:\s+or\s+replace)?\s+(?:unique\s+|fulltext\s+|spatial\s+)?|drop\s+)index\b.*?\bon\s+"
    + _NAME,
    re.IGNORECASE | re.DOTALL,
)
_DROP_INDEX = re.compile(rf"\Adrop\s+index\s+{_NAME}\s+on\s+{_NAME}\s*\Z", re.IGNORECASE)
_NAMED_ALGORITHM = re.compile(r"\balgorithm\s*=?\s*(instant|inplace|nocopy|copy)\b", re.IGNORECASE)
_TABLE = re.compile(
    rf"\A(?:create(?:\s+or\s+replace)?|drop|rename|truncate)\s+(?:table\s+)?"
    rf"(?:if\s+(?:not\s+)?exists\s+)?{_NAME}",
    re.IGNORECASE,
)
_TABLE_STATEMENT = re.compile(
    r"\A(?:create(?:\s+or\s+replace)?|drop|rename)\s+table\b|\Atruncate\b", re.IGNORECASE
)
_PREPARE = re.compile(r"\Aprepare\s+(\S+)\s+from\s+(.+)\Z", re.IGNORECASE | re.DOTALL)
_EXECUTE = re.compile(r"\Aexecute\s+(?!immediate\b)(\S+)\s*\Z", re.IGNORECASE)
_IMMEDIATE = re.compile(r"\Aexecute\s+immediate\s+(.+)\Z", re.IGNORECASE | re.DOTALL)
_REBUILDS = re.compile(r"\A(?:optimize|repair)\b", re.IGNORECASE)


@dataclass(frozen=True)
class ClassifiedStatement:
    """One statement and its lock class.

    Attributes:
        position: Position in the file, from 1.
        statement: The statement as it is in the file.
        sent: Text that is sent; for EXECUTE the prepared text.
        lock: Lock class.
        table: Table to which the class applies, or None.
        error: The server's error, or why the statement was not run; None if it succeeded.
    """

    position: int
    statement: Statement
    sent: str
    lock: LockClass
    table: str | None = None
    error: str | None = None


class LockClassRun:
    """A scratch schema in which files are run in order.

    Args:
        session: A separate connection.
        schema: Name of the scratch schema.
        schemas: Names, in lower case, that no statement may use as a qualifier.
        interruption: The request to stop.
    """

    def __init__(
        self,
        session: Session,
        schema: str,
        schemas: Collection[str],
        interruption: Interruption,
    ) -> None:
        self._session = session
        self._schema = schema
        self._schemas = schemas
        self._interruption = interruption
        self._prepared: dict[str, str] = {}

    async def clone(self, live: Snapshot) -> None:
        """Create the objects of a live schema, without rows and events."""
        await self._session.use(self._schema)
        await self._session.execute("SET SESSION foreign_key_checks = 0")
        # Triggers last. A view needs the views it reads, so repeat while one more succeeds.
        todo = [
            text
            for kind in ("table", "sequence", "view", "function", "procedure", "trigger")
            for name, text in live.definitions.items()
            if name.startswith(f"{kind} ")
        ]
        while todo:
            left = [text for text in todo if not await self._try(text)]
            if len(left) == len(todo):
                log.warning("clone_failed", statements=[text[:80] for text in left])
                break
            todo = left
        await self._session.execute("SET SESSION foreign_key_checks = 1")

    async def _try(self, text: str) -> bool:
        try:
            await self._session.run(text)
        except pymysql.err.Error:
            return False
        return True

    async def run(self, script: Script, *, done: Collection[int] = ()) -> list[ClassifiedStatement]:
        """Run a file's statements.

        Args:
            script: The file.
            done: Positions that an earlier run completed; they are skipped.

        Raises:
            AmbiguousFile: The file is ambiguous.
            Interrupted: A stop was requested.
        """
        await self._session.reset(self._schema)
        self._prepared = {}
        found = []
        for position, statement in enumerate(script.statements, start=1):
            self._interruption.check()
            if position in done:
                continue
            with self._interruption.killing(self._session.thread_id):
                found.append(await self._one(position, statement))
        await self._session.reset(self._schema)
        for text in session_cleanup_statements(script.statements):
            await self._session.execute(text)
        return found

    async def _one(self, position: int, statement: Statement) -> ClassifiedStatement:
        outside = reaches_outside(statement, self._schemas)
        if outside:
            return ClassifiedStatement(
                position,
                statement,
                statement.text,
                LockClass.UNKNOWN,
                error=f"{NOT_RUN}{outside}",
            )
        sent = statement.text
        try:
            sent = await self._text_of(statement)
            table, lock = await self._send(statement, sent)
        except pymysql.err.Error as error:
            number, reason = server_error(error)
            kind = _class_by_text(sent, kind_of(statement))
            return ClassifiedStatement(
                position, statement, sent, kind, _table_of(sent), f"{reason} (error {number})"
            )
        return ClassifiedStatement(position, statement, sent, lock, table)

    async def _text_of(self, statement: Statement) -> str:
        text = statement.plain
        if match := _PREPARE.match(text):
            self._prepared[match[1].lower()] = await self._value(match[2])
        elif match := _IMMEDIATE.match(text):
            return await self._value(match[1])
        elif (match := _EXECUTE.match(text)) and match[1].lower() in self._prepared:
            return self._prepared[match[1].lower()]
        return statement.text

    async def _value(self, expression: str) -> str:
        row = (await self._session.fetch_all(f"SELECT {expression} AS v"))[0]
        return str(row["v"]).strip().rstrip(";")

    async def _send(self, statement: Statement, sent: str) -> tuple[str | None, LockClass]:
        if dropped := _DROP_INDEX.match(sent):
            # MariaDB's DROP INDEX accepts no ALGORITHM; this is the equivalent ALTER.
            sent = f"ALTER TABLE {dropped[2]} DROP INDEX {dropped[1]}"
        altered, indexed = _ALTER.match(sent), _INDEX.match(sent)
        match = altered or indexed
        if match is None:
            await self._session.run(statement.text)
            return _table_of(sent), _class_by_text(sent, kind_of(statement))
        table = _unquoted(match[1])
        named = _NAMED_ALGORITHM.search(sent)
        if named:
            await self._session.run(sent)
            algorithm = named[1].upper()
            return table, LockClass.INPLACE if algorithm == "NOCOPY" else LockClass(algorithm)
        separator = ", " if altered else " "
        for algorithm, lock, lock_class in _TRIES:
            clause = f"{separator}ALGORITHM={algorithm}"
            clause += f"{separator}LOCK={lock}" if lock else ""
            try:
                await self._session.run(sent + clause)
            except pymysql.err.Error as error:
                if server_error(error)[0] not in _TRY_NEXT:
                    break
                continue
            return table, lock_class
        # The algorithm is not the problem: raise the error of the statement itself.
        await self._session.run(sent)
        return table, LockClass.UNKNOWN


def _class_by_text(sent: str, kind: Kind) -> LockClass:
    if _ALTER.match(sent) or _INDEX.match(sent):
        return LockClass.UNKNOWN
    if _TABLE_STATEMENT.match(sent):
        return LockClass.NEW if sent[:6].lower() == "create" else LockClass.DEFINITION
    if _REBUILDS.match(sent):
        return LockClass.COPY
    return {
        Kind.DATA: LockClass.ROWS,
        Kind.DEFINITION: LockClass.DEFINITION,
        Kind.OPAQUE: _opaque(sent),
    }.get(kind, LockClass.SESSION)


def _opaque(sent: str) -> LockClass:
    # The portable guards prepare `DO 0` if there is nothing to do.
    first = re.split(r"\W", sent, maxsplit=1)[0].lower()
    if first in {"do", "set", "select", "begin", "commit", "start", "rollback"}:
        return LockClass.SESSION
    if first in {"insert", "update", "delete", "replace"}:
        return LockClass.ROWS
    return LockClass.DEFINITION if first in {"create", "alter", "drop"} else LockClass.UNKNOWN


def _table_of(sent: str) -> str | None:
    match = _ALTER.match(sent) or _INDEX.match(sent)
    if match is None and _TABLE_STATEMENT.match(sent):
        match = _TABLE.match(sent)
    return _unquoted(match[1]) if match else None


def _unquoted(name: str) -> str:
    return name.strip("`").replace("``", "`")
