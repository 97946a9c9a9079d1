"""A migration file: its text, its checksums and its statements."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sysndd_core.db.schema_version import checksum
from sysndd_migrator.errors import AmbiguousFile, InputUnreadable
from sysndd_migrator.files.directives import Directives, read_directives
from sysndd_migrator.files.splitter import Statement, split
from sysndd_migrator.files.units import Unit, uncommitted, units_of


@dataclass(frozen=True)
class Script:
    """A file as it is on disk.

    Attributes:
        number: Its number, which defines the order.
        filename: Its name, as recorded in the ledger.
        path: Its path, for messages.
        data: Its content.
    """

    number: int
    filename: str
    path: str
    data: bytes

    @cached_property
    def checksum(self) -> str:
        """``sha256:…`` of the text, independent of line endings and byte order mark."""
        return checksum(self.data)

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """The statements.

        Raises:
            AmbiguousFile: The file is ambiguous.
        """
        return split(self.data, self.path)

    @cached_property
    def _unit_hashes(self) -> dict[int, str]:
        return {}

    def unit_hash(self, unit: Unit) -> str:
        """Return the hash of a unit's statements: 64 hexadecimal digits."""
        known = self._unit_hashes.get(unit.first)
        if known is None:
            known = statements_checksum(unit.statements).removeprefix("sha256:")
            self._unit_hashes[unit.first] = known
        return known

    @cached_property
    def statements_checksum(self) -> str:
        """``sha256:…`` of the statements, independent of comments and whitespace."""
        return statements_checksum(self.statements)

    @cached_property
    def directives(self) -> Directives:
        """The directives: postconditions, and whether the file may change nothing.

        Raises:
            AmbiguousFile: The file is ambiguous, or a directive is invalid.
        """
        return read_directives(self.data, self.statements, self.path)

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The statements, grouped by how they commit.

        Raises:
            AmbiguousFile: The file is ambiguous, or leaves a transaction open.
        """
        units = tuple(units_of(self.statements))
        opened = uncommitted(units)
        if opened is not None:
            raise AmbiguousFile(
                self.path, opened.line, opened.column, "this transaction is never committed"
            )
        return units


def statements_checksum(statements: Iterable[Statement]) -> str:
    """Hash statements as ``sha256:<hex>`` over their canonical texts."""
    digest = hashlib.sha256()
    for statement in statements:
        digest.update(statement.canonical.encode())
        digest.update(b"\0")
    return f"sha256:{digest.hexdigest()}"


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        InputUnreadable: The file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputUnreadable(f"{path} cannot be read: {error.strerror}.") from error
