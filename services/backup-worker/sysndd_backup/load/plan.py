"""Plans a parallel load: finds the positions of the rows of each table in one pass over a dump.

Only dumps in the format of the vendors' clients have a plan. If a statement cannot safely be moved,
there is no plan, and the dump is loaded serially.
"""

import re
from dataclasses import dataclass, field, replace

from sysndd_backup.load.deferred_keys import TableDefinition, defer_keys

_IGNORED = re.compile(rb"|-- .*|--|/\*M?!999999\\- enable the sandbox mode \*/ ?")
_SETTING = re.compile(rb"/\*M?!\d{5,6} SET [^;]*\*/ ?;|SET @?\w+ *= *@{0,2}\w+;")
_NAMES = re.compile(rb"/\*!\d+ SET NAMES (\w+) \*/;")
_QUOTED = re.compile(rb"'(?:[^'\\]|\\.|'')*'")
_COLLATION = re.compile(rb"\bCOLLATE[ =](\w+)|\bcollation_connection += (\w+)")
_AROUND_ROWS = re.compile(
    rb"LOCK TABLES `(?:[^`]|``)+` WRITE;|UNLOCK TABLES;|set autocommit=0;|(?i:commit);"
    # MariaDB's client since version 11.
    rb"|SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0;|SET AUTOCOMMIT=@OLD_AUTOCOMMIT;"
    rb"|/\*!40000 ALTER TABLE `(?:[^`]|``)+` (?:DIS|EN)ABLE KEYS \*/;|DROP TABLE IF EXISTS `[^;]*;",
)
_VIEW_PLACEHOLDER = (b"/*!50001 CREATE VIEW `", b"/*!50001 CREATE TABLE `")
_DROP_PLACEHOLDER = re.compile(rb"/\*!50001 DROP (?:VIEW|TABLE) IF EXISTS `(?:[^`]|``)+`\*/;")
_MAX_TABLES = 20_000
_MAX_SPANS = 200_000
_MAX_DEFINITION_BYTES = 1 << 20
_END_OF_STATEMENT = b";\n"
_PART_BYTES = 16 << 20


@dataclass(frozen=True)
class Span:
    """A byte range of the decompressed dump, from ``start`` to before ``end``."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """The number of bytes."""
        return self.end - self.start


@dataclass
class TablePlan:
    """The definition of a table and the positions of its rows.

    Attributes:
        rows: Spans of complete statements, each of which can be loaded separately.
    """

    name: str
    definition: TableDefinition
    rows: list[Span] = field(default_factory=list)

    @property
    def row_bytes(self) -> int:
        """The size of its rows in the dump, in bytes."""
        return sum(span.size for span in self.rows)


@dataclass(frozen=True)
class LoadPlan:
    """How two connections load a dump.

    Attributes:
        settings: SET statements at its beginning, for each connection.
        tables: Tables in the order of the dump.
        rest: Views, triggers, routines, events and other statements, to load after the tables.
    """

    settings: tuple[bytes, ...]
    tables: tuple[TablePlan, ...]
    rest: tuple[Span, ...]

    @property
    def row_bytes(self) -> int:
        """The size of all rows in the dump, in bytes."""
        return sum(table.row_bytes for table in self.tables)

    def of_one_table(self, name: str) -> "LoadPlan":
        """Return the plan for a single table, without its foreign keys."""
        tables = tuple(
            replace(table, definition=replace(table.definition, references=None))
            for table in self.tables
            if table.name == name
        )
        return LoadPlan(self.settings, tables, ())


class Planner:
    """A ``Visitor`` that plans the load of a dump.

    Attributes:
        obstacle: Why there is no plan; None if there is one.
        last_line: The last line that is not blank.
        collations: Collations that the definitions use.
    """

    def __init__(self) -> None:
        self.obstacle: str | None = None
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
        """Assign a line to a table's definition, to the settings or to the rest."""
        start, self._at, self._last_two = self._at, self._at + len(line) + 1, b""
        if line:
            self.last_line = line
        self._record_collations(line)
        if self.obstacle is not None:
            return
        if self._definition is not None:
            self._define(line)
        elif begins and line.startswith(b"CREATE TABLE `") and not self._in_view:
            self._definition = [line]
        elif not (begins and self._is_redundant(line)):
            self._add_to_rest(line, Span(start, self._at), begins=begins)

    def rows(self, table: str, data: bytes, count: int) -> None:
        """Record the position of rows."""
        span = Span(self._at, self._at + len(data))
        self._at = span.end
        # Line breaks in values are escaped, so this is always the end of a statement.
        complete = self._last_two == _END_OF_STATEMENT
        self._last_two = (self._last_two + data[-2:])[-2:]
        if self.obstacle is not None:
            return
        plan = self._tables.get(table)
        if self._unknown is not None:
            self.obstacle = f"rows follow {self._unknown[:60]!r}"
        elif plan is None:
            self.obstacle = f"rows of {table} precede its definition"
        elif (
            plan.rows
            and plan.rows[-1].end == span.start
            and not (complete and plan.rows[-1].size >= _PART_BYTES)
        ):
            plan.rows[-1] = Span(plan.rows[-1].start, span.end)
        else:
            plan.rows.append(span)
            self._count_span()

    def plan(self) -> LoadPlan | None:
        """Return the plan, or None if there is an obstacle."""
        names = [found[1] for line in self._settings if (found := _NAMES.fullmatch(line))]
        if self.obstacle is None and names != [b"utf8mb4"]:
            self.obstacle = "its character set is not utf8mb4"
        if self.obstacle is None and not self._tables:
            self.obstacle = "it contains no table"
        if self.obstacle is not None:
            return None
        return LoadPlan(tuple(self._settings), tuple(self._tables.values()), tuple(self._rest))

    def _record_collations(self, line: bytes) -> None:
        if b"COLLAT" not in line and b"collation_connection" not in line:
            return
        if line.startswith((b"  ", b") ")) or _SETTING.fullmatch(line):
            for found in _COLLATION.finditer(_QUOTED.sub(b"", line)):
                self.collations.add((found[1] or found[2]).decode())

    def _count_span(self) -> None:
        self._spans += 1
        if self._spans > _MAX_SPANS:
            self.obstacle = "rows and other statements alternate too often"

    def _define(self, line: bytes) -> None:
        assert self._definition is not None
        self._definition.append(line.removesuffix(b";"))
        if sum(map(len, self._definition[-200:])) > _MAX_DEFINITION_BYTES:
            self.obstacle = "a table definition is too long"
        if not line.endswith(b";"):
            return
        definition, self._definition = defer_keys(self._definition), None
        if definition is None or len(self._tables) >= _MAX_TABLES:
            self.obstacle = "it contains a table definition in an unknown format"
            return
        name = definition.table[1:-1].replace(b"``", b"`").decode(errors="replace")
        if name in self._tables:
            self.obstacle = f"it defines {name} twice"
        self._tables[name] = TablePlan(name, definition)

    def _is_redundant(self, line: bytes) -> bool:
        """Return whether the load does not need a line, or has it as a setting."""
        if _AROUND_ROWS.fullmatch(line):
            return True
        if not self._tables and not self._has_rest() and _SETTING.fullmatch(line):
            self._settings.append(line)
            return True
        return False

    def _has_rest(self) -> bool:
        return self._unknown is not None or self._in_view

    def _add_to_rest(self, line: bytes, span: Span, *, begins: bool) -> None:
        if self._rest and self._rest[-1].end == span.start:
            self._rest[-1] = Span(self._rest[-1].start, span.end)
        else:
            self._rest.append(span)
            self._count_span()
        if line.startswith(b"DELIMITER "):
            self._in_body = line != b"DELIMITER ;"
        elif self._in_body or not begins:
            # A trigger. It follows the rows of its table, so it can be created after all rows.
            return
        elif self._in_view or line.startswith(_VIEW_PLACEHOLDER):
            self._in_view = not line.endswith(b";")
        elif not (
            _IGNORED.fullmatch(line) or _SETTING.fullmatch(line) or _DROP_PLACEHOLDER.match(line)
        ):
            # The statement may depend on the rows before it, so no rows may follow it.
            self._unknown = self._unknown or line
