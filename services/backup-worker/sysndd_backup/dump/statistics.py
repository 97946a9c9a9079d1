"""What a dump holds: its objects by name, its rows per table, and its last line."""

import re

from sysndd_backup.server.server import Inventory

_NAME = rb"`((?:[^`]|``)+)`"
# A role as definer has no host.
_DEFINER = rb"DEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?"
_OBJECT = re.compile(
    b"|".join(
        (
            rb"CREATE (?P<table>TABLE) " + _NAME + rb" \(",
            rb"/\*!50001 (?P<view>VIEW) " + _NAME + rb" AS ",
            rb"CREATE (?:" + _DEFINER + rb" )?"
            rb"(?P<routine>PROCEDURE|FUNCTION|PACKAGE BODY|PACKAGE) " + _NAME,
            rb"/\*!50003 CREATE\*/ (?:/\*!50017 " + _DEFINER + rb"\*/ )?"
            rb"/\*!50003 (?P<trigger>TRIGGER)\s",
            rb"/\*!50106 CREATE\*/ (?:/\*!50117 " + _DEFINER + rb"\*/ )?"
            rb"/\*!50106 (?P<event>EVENT) " + _NAME,
        )
    )
)
_MAY_BEGIN = (b"CREATE ", b"/*!50001 VIEW ", b"/*!50003 CREATE*/", b"/*!50106 CREATE*/")


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


class Census:
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
