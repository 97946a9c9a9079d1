"""Plans a parallel load: finds, in one pass over a dump, where the rows of its tables are.

Only a dump in the format of the vendors' own clients is planned. Where a statement can't safely be
moved, there is no plan: the file is then loaded as it is, from top to bottom.
"""

import re
from dataclasses import dataclass, field, replace

from sysndd_backup.load.deferred_keys import TableDefinition, defer_keys

_NOTHING = re.compile(rb"|-- .*|--|/\*M?!999999\\- enable the sandbox mode \*/ ?")
_SETTING = re.compile(rb"/\*M?!\d{5,6} SET [^;]*\*/ ?;|SET @?\w+ *= *@{0,2}\w+;")
_NAMES = re.compile(rb"/\*!\d+ SET NAMES (\w+) \*/;")
_QUOTED = re.compile(rb"'(?:[^'\\]|\\.|'')*'")
_COLLATION = re.compile(rb"\bCOLLATE[ =](\w+)|\bcollation_connection += (\w+)")
_AROUND_ROWS = re.compile(
    rb"LOCK TABLES `(?:[^`]|``)+` WRITE;|UNLOCK TABLES;|set autocommit=0;|(?i:commit);"
    # MariaDB's client from 11.x on.
    rb"|SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;|SET AUTOCOMMIT=@OLD_AUTOCOMMIT;"
    rb"|/\*!40000 ALTER TABLE `(?:[^`]|``)+` (?:DIS|EN)ABLE KEYS \*/;|DROP TABLE IF EXISTS `[^;]*;",
)
_VIEW_STANDS_IN = (b"/*!50001 CREATE VIEW `", b"/*!50001 CREATE TABLE `")
_VIEW_GOES = re.compile(rb"/\*!50001 DROP (?:VIEW|TABLE) IF EXISTS `(?:[^`]|``)+`\*/;")
_TABLES = 20_000
_SPANS = 200_000
_DEFINITION_BYTES = 1 << 20
_END_OF_STATEMENT = b";\n"
_PIECE_BYTES = 16 << 20


@dataclass(frozen=True)
class Span:
    """A range of the unpacked dump: from ``start`` up to, not including, ``end``."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.end - self.start


@dataclass
class TablePlan:
    """One table: how it is created, and where its rows are.

    Attributes:
        rows: each span is of whole statements, so that it can be loaded by itself.
    """

    name: str
    definition: TableDefinition
    rows: list[Span] = field(default_factory=list)

    @property
    def row_bytes(self) -> int:
        """Size of its rows in the dump."""
        return sum(span.size for span in self.rows)


@dataclass(frozen=True)
class LoadPlan:
    """How a dump is loaded by two connections.

    Attributes:
        settings: the SET statements at its beginning, for every connection.
        tables: in the order of the dump.
        rest: views, triggers, routines, events and what else is there, for after the tables.
    """

    settings: tuple[bytes, ...]
    tables: tuple[TablePlan, ...]
    rest: tuple[Span, ...]

    @property
    def row_bytes(self) -> int:
        """Size of all rows in the dump."""
        return sum(table.row_bytes for table in self.tables)

    def of_one_table(self, name: str) -> "LoadPlan":
        """Return the plan of one table alone, without its foreign keys."""
        tables = tuple(
            replace(table, definition=replace(table.definition, references=None))
            for table in self.tables
            if table.name == name
        )
        return LoadPlan(self.settings, tables, ())


class Planner:
    """A ``Visitor`` of the whole dump.

    Attributes:
        refusal: why there can be no plan, None while there can.
        last_line: the last line that was not blank.
        collations: those that definitions name.
    """

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.last_line = b""
        self.collations: set[str] = set()
        self._at = 0
        self._spans = 0
        self._settings: list[bytes] = []
        self._tables: dict[str, TablePlan] = {}
        self._rest: list[Span] = []
        self._unknown: bytes | None = None
        self._definition: list[bytes] | None = None
        self._in_view = False
        self._in_body = False
        self._last_two = b""

    def line(self, line: bytes, *, begins: bool) -> None:
        """Sort a line: part of a table's definition, of the rest, or of neither."""
        start, self._at, self._last_two = self._at, self._at + len(line) + 1, b""
        if line:
            self.last_line = line
        self._note_collations(line)
        if self.refusal is not None:
            return
        if self._definition is not None:
            self._define(line)
        elif begins and line.startswith(b"CREATE TABLE `") and not self._in_view:
            self._definition = [line]
        elif not (begins and self._at_table(line)):
            self._keep(line, Span(start, self._at), begins=begins)

    def rows(self, table: str, data: bytes, count: int) -> None:
        """Record where rows are."""
        span = Span(self._at, self._at + len(data))
        self._at = span.end
        # Breaks in values are escaped, so this is always a statement's end.
        whole = self._last_two == _END_OF_STATEMENT
        self._last_two = (self._last_two + data[-2:])[-2:]
        if self.refusal is not None:
            return
        plan = self._tables.get(table)
        if self._unknown is not None:
            self.refusal = f"rows follow {self._unknown[:60]!r}"
        elif plan is None:
            self.refusal = f"rows of {table} come before its definition"
        elif (
            plan.rows
            and plan.rows[-1].end == span.start
            and not (whole and plan.rows[-1].size >= _PIECE_BYTES)
        ):
            plan.rows[-1] = Span(plan.rows[-1].start, span.end)
        else:
            plan.rows.append(span)
            self._count_span()

    def plan(self) -> LoadPlan | None:
        """Return the plan of what was read, None where there can be none."""
        names = [found[1] for line in self._settings if (found := _NAMES.fullmatch(line))]
        if self.refusal is None and names != [b"utf8mb4"]:
            self.refusal = "it is not in utf8mb4"
        if self.refusal is None and not self._tables:
            self.refusal = "it holds no table"
        if self.refusal is not None:
            return None
        return LoadPlan(tuple(self._settings), tuple(self._tables.values()), tuple(self._rest))

    def _note_collations(self, line: bytes) -> None:
        if b"COLLAT" not in line and b"collation_connection" not in line:
            return
        if line.startswith((b"  ", b") ")) or _SETTING.fullmatch(line):
            for found in _COLLATION.finditer(_QUOTED.sub(b"", line)):
                self.collations.add((found[1] or found[2]).decode())

    def _count_span(self) -> None:
        self._spans += 1
        if self._spans > _SPANS:
            self.refusal = "rows and other statements alternate too often"

    def _define(self, line: bytes) -> None:
        assert self._definition is not None
        self._definition.append(line.removesuffix(b";"))
        if sum(map(len, self._definition[-200:])) > _DEFINITION_BYTES:
            self.refusal = "a definition is very long"
        if not line.endswith(b";"):
            return
        definition, self._definition = defer_keys(self._definition), None
        if definition is None or len(self._tables) >= _TABLES:
            self.refusal = "it holds a definition in an unknown format"
            return
        name = definition.table[1:-1].replace(b"``", b"`").decode(errors="replace")
        if name in self._tables:
            self.refusal = f"it defines {name} twice"
        self._tables[name] = TablePlan(name, definition)

    def _at_table(self, line: bytes) -> bool:
        """Tell whether a line belongs to a table's definition or rows, and need not be kept."""
        if _AROUND_ROWS.fullmatch(line):
            return True
        if not self._tables and not self._rest_has_begun() and _SETTING.fullmatch(line):
            self._settings.append(line)
            return True
        return False

    def _rest_has_begun(self) -> bool:
        return self._unknown is not None or self._in_view

    def _keep(self, line: bytes, span: Span, *, begins: bool) -> None:
        if self._rest and self._rest[-1].end == span.start:
            self._rest[-1] = Span(self._rest[-1].start, span.end)
        else:
            self._rest.append(span)
            self._count_span()
        if line.startswith(b"DELIMITER "):
            self._in_body = line != b"DELIMITER ;"
        elif self._in_body or not begins:
            # A trigger: it comes after the rows of its table, and may as well come after all.
            return
        elif self._in_view or line.startswith(_VIEW_STANDS_IN):
            self._in_view = not line.endswith(b";")
        elif not (_NOTHING.fullmatch(line) or _SETTING.fullmatch(line) or _VIEW_GOES.match(line)):
            # It may depend on the rows before it, so no rows may follow it.
            self._unknown = self._unknown or line
