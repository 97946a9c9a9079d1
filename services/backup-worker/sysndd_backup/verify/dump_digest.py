"""The digest of a dump: a hash for each part, without legitimate differences between dumps.

Not hashed are comments (date, host, schema), the schema's name, definers, what a client adds for
the session that loads the dump, which differs between versions (MariaDB 11.8 adds COMMIT and
NOTE_VERBOSITY), and whether an event is enabled, because events must not run in a scratch schema.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import IO

from sysndd_backup.dump.scanner import DumpScan, object_of
from sysndd_backup.load.definers import find_unfinished_header, strip_schema_qualifier
from sysndd_backup.server.server import rewrite_schema_name, strip_schema_name

_DEFINER = re.compile(rb"DEFINER=`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?")
_DEFINES = (b"CREATE DEFINER=", b"/*!50003 CREATE*/", b"/*!50106 CREATE*/", b"/*!50013 DEFINER=")
_VIEW = b"/*!50001 VIEW "
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
# MySQL prints the character set of a column only if it was defined with one. A column with the
# default of its table is dumped with its collation only, but has both after a load.
_COLUMN = b"  `"
_REPEATED_CHARSET = re.compile(rb" CHARACTER SET (\w+)(?= COLLATE \1_)")
_SESSION = re.compile(
    rb"(?:/\*M?!\d+ )?(?:SET (?:@OLD_\w+ ?=|\w+ ?= ?@OLD_|AUTOCOMMIT ?=)|COMMIT;"
    rb"|(?:UN)?LOCK TABLES\b|ALTER TABLE `(?:[^`]|``)+` (?:DIS|EN)ABLE KEYS)",
    re.IGNORECASE,
)
_ROWS = "rows of the table "
_DEFINITION_BYTES = 16 << 10
_SHOWN = 200
_CHUNK = 1 << 20


def normalize_line(line: bytes) -> bytes:
    """Normalize a line that begins a statement: definer, schema name and event status."""
    if line.startswith(_DEFINES):
        line = _DEFINER.sub(b"DEFINER=CURRENT_USER", strip_schema_qualifier(line), count=1)
        if line.startswith(_EVENT):
            line = _EVENT_STATUS.sub(rb"\1DISABLE", line, count=1)
    elif line.startswith(b"ALTER DATABASE "):
        # Without a name, the statement applies to the default schema.
        line = _ALTER_DATABASE.sub(b"ALTER DATABASE ", line, count=1)
    return line


@dataclass(frozen=True)
class Part:
    """The hash of a part, and the beginning of its definition; rows have none."""

    sha256: str
    definition: bytes


class DumpDigest:
    """A ``Visitor`` that normalizes a dump and hashes each of its parts.

    Args:
        schema: Name of the schema that was dumped, which views may contain.
        into: Name of the schema that the normalized dump is loaded into.
        write: Receives the normalized dump, which can be loaded; None to only hash it.
        excluded: Tables without rows whose triggers are hashed with their structure, because a
            client that does not read their rows omits the heading between the two.
    """

    def __init__(
        self,
        schema: str,
        *,
        into: str = "",
        write: Callable[[bytes], object] | None = None,
        excluded: Iterable[str] = (),
    ) -> None:
        self._omitted = {_data_of(table.replace("`", "``")) for table in excluded}
        self._parts: dict[str, hashlib._Hash] = {}
        self._definitions: dict[str, bytearray] = {}
        self._part = "settings at the beginning"
        self._schema = schema
        self._into = into
        self._write = write
        self._header = b""

    def line(self, line: bytes, *, begins: bool) -> None:
        """Hash a line as part of an object."""
        if self._header:
            line, begins, self._header = self._header + b"\n" + line, True, b""
        if begins and find_unfinished_header(line) is not None:
            # The header of the trigger continues in the next line.
            self._header = line
            return
        if begins:
            part = _part_of(line)
            self._part = self._part if part is None or part in self._omitted else part
            line = normalize_line(line)
        if begins and line.startswith(_VIEW):
            line = self._write_view(line)
        elif self._write is not None:
            self._write(line + b"\n")
        if line and not (begins and (line.startswith(b"--") or _SESSION.match(line))):
            if line[:3] == _COLUMN:
                line = _REPEATED_CHARSET.sub(b"", line)
            self._add(self._part, line + b"\n")
            text = self._definitions.setdefault(self._part, bytearray())
            text += line[: _DEFINITION_BYTES - len(text)] + b"\n"

    def _write_view(self, line: bytes) -> bytes:
        """Write the definition of a view; return what is hashed of it.

        A server qualifies names with the schema or not, depending on whether it finds the definer.
        """
        # Latin-1 maps every byte to a character, so other bytes do not change.
        text = line.decode("latin-1")
        if self._write is not None:
            changed = rewrite_schema_name(text, self._schema, self._into)
            self._write(changed.encode("latin-1") + b"\n")
        return strip_schema_name(text, self._schema).encode("latin-1")

    def rows(self, table: str, data: bytes, count: int) -> None:
        """Hash rows as part of their table."""
        if self._write is not None:
            self._write(data)
        self._add(_rows_of(table), data)

    def parts(self) -> dict[str, Part]:
        """Return the parts, by their description."""
        return {
            name: Part(digest.hexdigest(), bytes(self._definitions.get(name, b"")))
            for name, digest in self._parts.items()
        }

    def _add(self, part: str, data: bytes) -> None:
        digest = self._parts.get(part)
        if digest is None:
            digest = self._parts[part] = hashlib.sha256()
        digest.update(data)


def _part_of(line: bytes) -> str | None:
    """Describe the part that a line begins; None if it belongs to the current part."""
    if (title := _TITLE.match(line)) is not None:
        kind, name = title[2].decode(), title[3].decode(errors="replace")
        if title[1].startswith(b"Dumping"):
            return _data_of(name)
        return f"structure of the {kind} {name}"
    if (title := _OBJECTS.match(line)) is not None:
        return title[1].decode()
    created = object_of(line)
    return None if created is None or created[0] in ("table", "trigger") else " ".join(created)


def _data_of(table: str) -> str:
    """Return the part after the heading of a table's data, without the rows."""
    return f"triggers of the table {table}"


def _rows_of(table: str) -> str:
    return f"{_ROWS}{table}"


class NormalizedReader:
    """Reads a dump, normalizes it, and hashes it before and after.

    Args:
        source: The decompressed dump; the caller closes it.
        schema, into: See ``DumpDigest``.
        excluded: See ``DumpDigest``.

    Attributes:
        plain: SHA-256 of the dump before normalization.
        digest: Digest of the normalized dump.
    """

    def __init__(
        self, source: IO[bytes], schema: str, into: str, *, excluded: Iterable[str] = ()
    ) -> None:
        self.plain = hashlib.sha256()
        self._ready = bytearray()
        self.digest = DumpDigest(schema, into=into, write=self._ready.extend, excluded=excluded)
        self._scan = DumpScan(self.digest)
        self._source = source

    def read(self, size: int = _CHUNK, /) -> bytes:
        """Return normalized bytes, about as many as ``size``; none at the end.

        Raises:
            OSError: The source is damaged; or another of ``DECOMPRESSION_ERRORS``.
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


@dataclass(frozen=True)
class Difference:
    """A part that differs between two dumps.

    Attributes:
        part: Description of the part.
        first, second: The first line that differs, of a definition; empty for rows.
    """

    part: str
    first: str
    second: str

    @property
    def in_rows(self) -> bool:
        """Whether rows differ, not a definition."""
        return self.part.startswith(_ROWS)

    def __str__(self) -> str:
        if self.first == self.second:
            return self.part
        return f"{self.part}. Backup: {self.first!r}. Restored copy: {self.second!r}"


def differences(first: dict[str, Part], second: dict[str, Part]) -> list[Difference]:
    """Return the parts that differ between two dumps, in the order of the first one."""
    nothing = Part("", b"")
    found = []
    for name in {**first, **second}:
        one, other = first.get(name, nothing), second.get(name, nothing)
        if one.sha256 != other.sha256:
            found.append(Difference(name, *_first_lines(one.definition, other.definition)))
    return found


def _first_lines(one: bytes, other: bytes) -> tuple[str, str]:
    """Return the first pair of lines that differ."""
    pairs = zip_longest(one.splitlines(), other.splitlines(), fillvalue=b"")
    a, b = next((pair for pair in pairs if pair[0] != pair[1]), (b"", b""))
    return a.decode(errors="replace")[:_SHOWN], b.decode(errors="replace")[:_SHOWN]
