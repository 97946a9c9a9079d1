"""Reads the text of a dump as it passes by: its statements, its rows, and what it holds.

MariaDB's client writes each row on a line of its own, MySQL's puts a whole extended INSERT on one
line. In both, line breaks inside values are escaped. Rows are nearly all of a dump, so they are
never cut into lines here: they are found and counted by searches that run in C.
"""

import re
from typing import Protocol

from sysndd_backup.server.server import Inventory

TRAILER = b"-- Dump completed"
"""How the last line of a complete dump begins."""

_IDENTIFIER = rb"`((?:[^`]|``)+)`"
_INSERT = re.compile(
    rb"INSERT INTO "
    + _IDENTIFIER
    + rb" (?:\(`(?:[^`]|``)+`(?:, ?`(?:[^`]|``)+`)*\) )?VALUES(?=[\n ])"
)
_END_OF_ROW_LINES = b";\n"
_SAMPLE = 8192
_SELDOM = 100
# A role as definer has no host.
_DEFINER = rb"DEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?"
_OBJECT = re.compile(
    b"|".join(
        (
            rb"CREATE (?P<table>TABLE) " + _IDENTIFIER + rb" \(",
            rb"/\*!50001 (?P<view>VIEW) " + _IDENTIFIER + rb" AS ",
            rb"CREATE (?:" + _DEFINER + rb" )?"
            rb"(?P<routine>PROCEDURE|FUNCTION|PACKAGE BODY|PACKAGE) " + _IDENTIFIER,
            rb"/\*!50003 CREATE\*/ (?:/\*!50017 " + _DEFINER + rb"\*/ )?"
            rb"/\*!50003 (?P<trigger>TRIGGER)\s",
            rb"/\*!50106 CREATE\*/ (?:/\*!50117 " + _DEFINER + rb"\*/ )?"
            rb"/\*!50106 (?P<event>EVENT) " + _IDENTIFIER,
        )
    )
)
_MAY_BEGIN = (b"CREATE ", b"/*!50001 VIEW ", b"/*!50003 CREATE*/", b"/*!50106 CREATE*/")


class Visitor(Protocol):
    """Receives what a scan finds."""

    def line(self, line: bytes, *, begins: bool) -> None:
        """Take a line that is no row, without its line break.

        ``begins`` is false for the further lines of a trigger's, routine's or event's body.
        """

    def rows(self, table: str, data: bytes, count: int) -> None:
        """Take a run of an INSERT's bytes, as they are in the dump, in which ``count`` rows begin."""


class DumpScan:
    """Takes a dump's bytes in pieces of any size; passes all of them to ``visitor``, in order.

    Args:
        visitor: called as soon as possible; a run of rows is at most as long as a piece.
    """

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._rest = b""
        self._table: str | None = None
        self._values: _ValueList | None = None
        self._in_body = False
        self._begins = True

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        data = self._rest + chunk
        at = 0
        while True:
            if self._table is None:
                to = self._take_line(data, at)
            elif self._values is None:
                to = self._take_row_lines(data, at, self._table)
            else:
                to = self._take_values(data, at, self._table, self._values)
            if to == at:
                break
            at = to
        self._rest = data[at:]

    def finish(self) -> None:
        """Take what follows the last line break."""
        rest, self._rest = self._rest, b""
        if self._table is not None:
            self._visitor.rows(self._table, rest, 0)
        elif rest:
            self._pass_line(rest)

    def _take_line(self, data: bytes, at: int) -> int:
        if not self._in_body and data.startswith(b"INSERT INTO `", at):
            match = _INSERT.match(data, at)
            if match is not None:
                self._table = match.group(1).replace(b"``", b"`").decode()
                one_line = data.startswith(b" ", match.end())
                self._values = _ValueList() if one_line else None
                self._visitor.rows(self._table, match.group(), 1 if one_line else 0)
                return match.end()
        end = data.find(b"\n", at)
        if end < 0:
            return at
        self._pass_line(data[at:end])
        return end + 1

    def _pass_line(self, line: bytes) -> None:
        self._visitor.line(line, begins=self._begins)
        if line.startswith(b"DELIMITER "):
            self._in_body = line != b"DELIMITER ;"
            self._begins = True
        else:
            self._begins = not self._in_body or line.endswith(b";;")

    def _take_row_lines(self, data: bytes, at: int, table: str) -> int:
        """Take MariaDB's lines of rows; ``at`` is never behind the break before the next row."""
        end = _end_of_row_lines(data, at)
        if end >= 0:
            run = data[at : end + len(_END_OF_ROW_LINES)]
            self._table = None
            # The last break ends the statement; every other one is before a row.
            self._visitor.rows(table, run, _breaks(run) - 1)
            return at + len(run)
        # The end may continue in the next piece. A piece that is passed on whole is not copied.
        to = max(at, len(data) - data.endswith(b";"))
        if to > at:
            run = data[at:to]
            self._visitor.rows(table, run, _breaks(run))
        return to

    def _take_values(self, data: bytes, at: int, table: str, values: "_ValueList") -> int:
        end = data.find(b"\n", at)
        if end >= 0:
            self._table = None
            self._visitor.rows(table, data[at : end + 1], values.count(data[at:end]))
            return end + 1
        to = values.place_to_cut(data, at)
        if to > at:
            self._visitor.rows(table, data[at:to], values.count(data[at:to]))
        return to


def _end_of_row_lines(data: bytes, at: int) -> int:
    """Find a semicolon before a line break: inside of values a break is escaped.

    A search for two bytes looks at each byte, one for a single byte does not: where semicolons are
    rare, as nearly everywhere, this takes a tenth of the time.
    """
    if data.count(b";", at, at + _SAMPLE) < _SELDOM:
        for _ in range(_SAMPLE):
            at = data.find(b";", at)
            if at < 0 or data.startswith(b"\n", at + 1):
                return at
            at += 1
    return data.find(_END_OF_ROW_LINES, at)


def _breaks(run: bytes) -> int:
    """Count line breaks; counting them directly takes twice as long."""
    return len(run) - len(run.replace(b"\n", b""))


class _ValueList:
    """Counts the further rows of one ``VALUES (…),(…)``, knowing what is inside quotes."""

    def __init__(self) -> None:
        self._quoted = 0

    def count(self, text: bytes) -> int:
        """Take the next part of the list; return how many rows begin in it, but for the first."""
        # Escapes hold one byte after a backslash, and runs of backslashes begin with an escape.
        pieces = text.replace(b"\\\\", b"").replace(b"\\'", b"").split(b"'")
        outside = b"'".join(pieces[self._quoted :: 2])
        self._quoted = (self._quoted + len(pieces) - 1) % 2
        return outside.count(b"),(")

    @staticmethod
    def place_to_cut(data: bytes, at: int) -> int:
        """Return where ``data`` may be cut without cutting an escape or ``),(`` in two."""
        to = len(data)
        while to > at and data[to - 1] in b"\\),(":
            to -= 1
        return to


def object_of(line: bytes) -> tuple[str, str] | None:
    """Return kind (``table``, ``view``, ``trigger``, …) and name of what a line creates.

    Args:
        line: one that begins a statement. Of a trigger the name is empty: the server gives the
            statement back as it was typed, so it may be written in many ways.
    """
    if not line.startswith(_MAY_BEGIN):
        return None
    match = _OBJECT.match(line)
    if match is None:
        return None
    kind = next(word for word in match.groupdict().values() if word is not None)
    assert match.lastindex is not None
    name = b"" if match["trigger"] else match.group(match.lastindex).replace(b"``", b"`")
    return kind.decode().lower(), name.decode(errors="replace")


class DumpStatistics:
    """A ``Visitor`` that counts.

    Attributes:
        rows_per_table: number of rows for each table that had any.
        objects: kind and name of each object, once for each time it is made.
        last_line: the last line that was not blank: the trailer, in a complete dump.
    """

    def __init__(self) -> None:
        self.rows_per_table: dict[str, int] = {}
        self.objects: list[tuple[str, str]] = []
        self.last_line = b""

    def line(self, line: bytes, *, begins: bool) -> None:
        """Note what the line creates."""
        if not line:
            return
        self.last_line = line
        if begins and (found := object_of(line)) is not None:
            self.objects.append(found)

    def rows(self, table: str, data: bytes, count: int) -> None:
        """Add up."""
        self.rows_per_table[table] = self.rows_per_table.get(table, 0) + count

    def rows_of(self, tables: tuple[str, ...]) -> dict[str, int]:
        """Return the number of rows for each of ``tables``."""
        return {table: self.rows_per_table.get(table, 0) for table in tables}

    def count(self, *kinds: str) -> int:
        """Count the objects of some kinds."""
        return sum(kind in kinds for kind, _ in self.objects)

    def difference(self, inventory: Inventory) -> str | None:
        """Say how the dump differs from what information_schema lists, None when it does not."""
        listed = [("table", name) for name in inventory.tables]
        listed += [("view", name) for name in inventory.views]
        listed += [(kind.lower(), name) for kind, name in inventory.routines]
        listed += [("event", name) for name in inventory.events]
        named = [found for found in self.objects if found[0] != "trigger"]
        for one in sorted(set(listed) - set(named)):
            return f"the {one[0]} {one[1]} is missing"
        for one in sorted(set(named) - set(listed)):
            return f"it holds the {one[0]} {one[1]}, which the schema does not have"
        if self.count("trigger") != inventory.trigger_count:
            return f"it holds {self.count('trigger')} of {inventory.trigger_count} triggers"
        for table in sorted(set(self.rows_per_table) - set(inventory.tables)):
            return f"it holds rows of the unknown table {table}"
        return None
