"""Scans a dump as a stream: finds statements and rows, and counts rows and objects.

MariaDB's client writes each row on a separate line, and MySQL's writes an extended INSERT on one
line. Both escape line breaks in values. Rows are most of a dump, so they are not split into lines:
searches that run in C find and count them.
"""

import re
from typing import Protocol

from sysndd_backup.server.server import Inventory

TRAILER = b"-- Dump completed"
"""Beginning of the last line of a complete dump."""

_IDENTIFIER = rb"`((?:[^`]|``)+)`"
_INSERT = re.compile(
    rb"INSERT INTO "
    + _IDENTIFIER
    + rb" (?:\(`(?:[^`]|``)+`(?:, ?`(?:[^`]|``)+`)*\) )?VALUES(?=[\n ])"
)
_END_OF_ROW_LINES = b";\n"
_SAMPLE = 8192
_RARE = 100
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
    """Receives the lines and rows of a dump."""

    def line(self, line: bytes, *, begins: bool) -> None:
        """Process a line that contains no rows.

        Args:
            line: The line, without its line break.
            begins: False for the second and later lines of a trigger, routine or event.
        """

    def rows(self, table: str, data: bytes, count: int) -> None:
        """Process a part of an INSERT statement.

        Args:
            table: Name of the table, not quoted.
            data: The bytes, as in the dump.
            count: Number of rows that begin in ``data``.
        """


class DumpScan:
    """Scans a dump that arrives in chunks of any size.

    Args:
        visitor: Receives all bytes in order; one call receives at most one chunk of rows.
    """

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._rest = b""
        self._table: str | None = None
        self._values: _ValueList | None = None
        self._in_body = False
        self._begins = True

    def feed(self, chunk: bytes) -> None:
        """Scan the next chunk."""
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
        """Process the bytes after the last line break."""
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
        """Process rows in MariaDB's format; ``at`` is at or before the break before a row."""
        end = _end_of_row_lines(data, at)
        if end >= 0:
            run = data[at : end + len(_END_OF_ROW_LINES)]
            self._table = None
            # The last break ends the statement; each of the others precedes a row.
            self._visitor.rows(table, run, _count_breaks(run) - 1)
            return at + len(run)
        # A semicolon may continue in the next chunk. Slicing a complete chunk does not copy it.
        to = max(at, len(data) - data.endswith(b";"))
        if to > at:
            run = data[at:to]
            self._visitor.rows(table, run, _count_breaks(run))
        return to

    def _take_values(self, data: bytes, at: int, table: str, values: "_ValueList") -> int:
        end = data.find(b"\n", at)
        if end >= 0:
            self._table = None
            self._visitor.rows(table, data[at : end + 1], values.count(data[at:end]))
            return end + 1
        to = values.split_position(data, at)
        if to > at:
            self._visitor.rows(table, data[at:to], values.count(data[at:to]))
        return to


def _end_of_row_lines(data: bytes, at: int) -> int:
    """Find a semicolon before a line break, which always ends the statement; -1 without one.

    A search for a single byte is much faster than one for two bytes. Where semicolons are rare,
    which is usual, this takes a tenth of the time.
    """
    if data.count(b";", at, at + _SAMPLE) < _RARE:
        for _ in range(_SAMPLE):
            at = data.find(b";", at)
            if at < 0 or data.startswith(b"\n", at + 1):
                return at
            at += 1
    return data.find(_END_OF_ROW_LINES, at)


def _count_breaks(run: bytes) -> int:
    """Count line breaks; ``bytes.count`` takes twice as long."""
    return len(run) - len(run.replace(b"\n", b""))


class _ValueList:
    """Counts the second and later rows of ``VALUES (…),(…)``, across quoted values."""

    def __init__(self) -> None:
        self._quoted = 0

    def count(self, text: bytes) -> int:
        """Return the number of rows that begin in the next part, without the first row."""
        # An escape has one byte after its backslash, and a run of backslashes starts with one.
        parts = text.replace(b"\\\\", b"").replace(b"\\'", b"").split(b"'")
        outside = b"'".join(parts[self._quoted :: 2])
        self._quoted = (self._quoted + len(parts) - 1) % 2
        return outside.count(b"),(")

    @staticmethod
    def split_position(data: bytes, at: int) -> int:
        """Return the last position at which a split breaks neither an escape nor ``),(``."""
        to = len(data)
        while to > at and data[to - 1] in b"\\),(":
            to -= 1
        return to


def object_of(line: bytes) -> tuple[str, str] | None:
    """Return kind and name of the object that a line creates, or None.

    Args:
        line: A line that begins a statement.

    Returns:
        The kind, such as ``table``, ``view`` or ``trigger``, and the name, not quoted. The name of
        a trigger is empty, because its statement has no canonical format.
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
    """A ``Visitor`` that counts rows and objects.

    Attributes:
        rows_per_table: Number of rows of each table that has any.
        objects: Kind and name of each object, once for each time it is created.
        last_line: The last line that is not blank, which is the trailer of a complete dump.
    """

    def __init__(self) -> None:
        self.rows_per_table: dict[str, int] = {}
        self.objects: list[tuple[str, str]] = []
        self.last_line = b""

    def line(self, line: bytes, *, begins: bool) -> None:
        """Record the object that the line creates."""
        if not line:
            return
        self.last_line = line
        if begins and (found := object_of(line)) is not None:
            self.objects.append(found)

    def rows(self, table: str, data: bytes, count: int) -> None:
        """Add the number of rows."""
        self.rows_per_table[table] = self.rows_per_table.get(table, 0) + count

    def rows_of(self, tables: tuple[str, ...]) -> dict[str, int]:
        """Return the number of rows of each table in ``tables``."""
        return {table: self.rows_per_table.get(table, 0) for table in tables}

    def count(self, *kinds: str) -> int:
        """Return the number of objects of the given kinds."""
        return sum(kind in kinds for kind, _ in self.objects)

    def difference(self, inventory: Inventory) -> str | None:
        """Describe the first difference from information_schema; None if there is none."""
        listed = inventory.named()
        named = {found for found in self.objects if found[0] != "trigger"}
        for kind, name in sorted(listed - named):
            return f"the {kind} {name} is missing"
        for kind, name in sorted(named - listed):
            return f"it contains the {kind} {name}, which the schema does not have"
        if self.count("trigger") != inventory.trigger_count:
            return f"it contains {self.count('trigger')} of {inventory.trigger_count} triggers"
        for table in sorted(set(self.rows_per_table) - set(inventory.tables)):
            return f"it contains rows of the unknown table {table}"
        return None
