"""Digests of a dump, part by part, without what legitimately differs from one dump to the next.

Left out are comments (date, host, schema), the schema's name, the definer of a stored object, and
whether an event is enabled: a copy that exists only to be compared must never run one.
"""

import hashlib
import re
from collections.abc import Callable
from typing import IO

from sysndd_backup.dump.scanner import DumpScan, object_of
from sysndd_backup.load.definers import find_unfinished_header, strip_schema_qualifier

_DEFINER = re.compile(rb"DEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?")
_DEFINES = (b"CREATE DEFINER=", b"/*!50003 CREATE*/", b"/*!50106 CREATE*/", b"/*!50013 DEFINER=")
_EVENT = b"/*!50106 CREATE*/"
_EVENT_STATUS = re.compile(
    rb"( ON COMPLETION (?:NOT )?PRESERVE )(?:ENABLE|DISABLE(?: ON (?:SLAVE|REPLICA))?)\b"
)
_ALTER_DATABASE = re.compile(rb"ALTER DATABASE `(?:[^`]|``)+` ")
_TITLE = re.compile(
    rb"-- (Table structure for|Dumping data for|Temporary (?:table|view) structure for"
    rb"|Final view structure for) (table|view) `(.+)`$"
)
_OBJECTS = re.compile(rb"-- Dumping (\w+) for database ")
# MySQL shows a column's character set only where the column was made with one of its own. One made
# from the table's default is dumped with its collation alone, and has both when that is loaded.
_COLUMN = b"  `"
_REPEATED_CHARSET = re.compile(rb" CHARACTER SET (\w+)(?= COLLATE \1_)")
_CHUNK = 1 << 20


def normalize_line(line: bytes) -> bytes:
    """Return a line that begins a statement without definer, schema name and event status."""
    if line.startswith(_DEFINES):
        line = _DEFINER.sub(b"DEFINER=CURRENT_USER", strip_schema_qualifier(line), count=1)
        if line.startswith(_EVENT):
            line = _EVENT_STATUS.sub(rb"\1DISABLE", line, count=1)
    elif line.startswith(b"ALTER DATABASE "):
        # Without a name it means the schema that is in use.
        line = _ALTER_DATABASE.sub(b"ALTER DATABASE ", line, count=1)
    return line


class DumpDigest:
    """A ``Visitor`` that hashes a dump part by part, and may pass the normalized text on.

    Args:
        write: takes the normalized text, ready to be loaded; None to hash only.
    """

    def __init__(self, write: Callable[[bytes], object] | None = None) -> None:
        self._parts: dict[str, hashlib._Hash] = {}
        self._part = "the settings at the beginning"
        self._write = write
        self._header = b""

    def line(self, line: bytes, *, begins: bool) -> None:
        """Hash a line, in the part that it begins or belongs to."""
        if self._header:
            line, begins, self._header = self._header + b"\n" + line, True, b""
        if begins and find_unfinished_header(line) is not None:
            # Its header continues in the next line.
            self._header = line
            return
        if begins:
            self._part = _part_of(line) or self._part
            line = normalize_line(line)
        if self._write is not None:
            self._write(line + b"\n")
        if line and not (begins and line.startswith(b"--")):
            self._add(
                _REPEATED_CHARSET.sub(b"", line) + b"\n" if line[:3] == _COLUMN else line + b"\n"
            )

    def rows(self, table: str, data: bytes, count: int) -> None:
        """Hash rows."""
        if self._write is not None:
            self._write(data)
        self._add(data)

    def digests(self) -> dict[str, str]:
        """Return a hash for each part, by what the part is."""
        return {part: digest.hexdigest() for part, digest in self._parts.items()}

    def _add(self, data: bytes) -> None:
        digest = self._parts.get(self._part)
        if digest is None:
            digest = self._parts[self._part] = hashlib.sha256()
        digest.update(data)


def _part_of(line: bytes) -> str | None:
    """Say which part of a dump a line begins, None when the part continues."""
    if (title := _TITLE.match(line)) is not None:
        what = "rows or triggers" if title[1].startswith(b"Dumping") else "structure"
        return f"{what} of the {title[2].decode()} {title[3].decode(errors='replace')}"
    if (title := _OBJECTS.match(line)) is not None:
        return title[1].decode()
    made = object_of(line)
    return None if made is None or made[0] in ("table", "trigger") else " ".join(made)


class NormalizedReader:
    """Reads a dump as its normalized text, hashing both on the way.

    Args:
        source: the unpacked dump; closed by its owner.

    Attributes:
        plain: SHA-256 of the dump as it is.
        digest: of what was read so far.
    """

    def __init__(self, source: IO[bytes]) -> None:
        self.plain = hashlib.sha256()
        self._ready = bytearray()
        self.digest = DumpDigest(self._ready.extend)
        self._scan = DumpScan(self.digest)
        self._source = source

    def read(self, size: int = _CHUNK, /) -> bytes:
        """Return some text, at most a little more than one piece of the source; empty at the end.

        Raises:
            What the source raises where it is damaged.
        """
        while not self._ready:
            chunk = self._source.read(size)
            if not chunk:
                self._scan.finish()
                break
            self.plain.update(chunk)
            self._scan.feed(chunk)
        text = bytes(self._ready)
        self._ready.clear()
        return text


def difference(first: dict[str, str], second: dict[str, str]) -> str | None:
    """Name the first part that is not the same in two dumps, None when all are."""
    for part in [*first, *second]:
        if first.get(part) != second.get(part):
            return part
    return None
