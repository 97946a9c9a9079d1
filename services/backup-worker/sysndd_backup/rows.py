"""Counts rows per table in a dump while it passes by."""

import re

_INSERT = re.compile(rb"INSERT INTO `((?:[^`]|``)+)` (?:\([^)]*\) )?VALUES ?")
_STRING = re.compile(rb"'(?:[^'\\]|\\.)*'", re.DOTALL)


class RowCounter:
    """Feed it a dump's bytes; ``rows`` holds the number of rows for each table that had any.

    MariaDB's client writes each row on a line of its own, MySQL's puts a whole extended INSERT on
    one line. In both, line breaks inside values are escaped, so a physical line is a unit.
    """

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.last_line = b""
        """The last line that was not blank: the trailer, in a complete dump."""
        self._rest = b""
        self._table: str | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._line(line)

    def finish(self) -> None:
        """Take what follows the last line break."""
        self._line(self._rest)
        self._rest = b""

    def _line(self, line: bytes) -> None:
        if not line:
            return
        self.last_line = line
        if self._table is not None and line.startswith(b"("):
            self.rows[self._table] += 1
            if line.endswith(b";"):
                self._table = None
            return
        if not line.startswith(b"INSERT INTO "):
            return
        match = _INSERT.match(line)
        if match is None:
            return
        table = match.group(1).replace(b"``", b"`").decode()
        self.rows.setdefault(table, 0)
        values = line[match.end() :]
        if values:
            self.rows[table] += _STRING.sub(b"", values).count(b"),(") + 1
        else:
            self._table = table
