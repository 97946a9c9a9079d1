"""Shell-style patterns of table names, as in ``BACKUP_EXCLUDE_ROWS``.

Source of the pattern language: the Python module ``fnmatch``, which follows POSIX, "Pattern
Matching Notation".
"""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass

_VALID = re.compile(r"(?:[\w$ *?-]|\[!?[\w$ -]+\])+")
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True)
class TablePatterns:
    """Patterns of table names: ``*`` matches any characters, ``?`` one, ``[…]`` one of a set.

    Attributes:
        patterns: The patterns, such as ``objectcache`` or ``*_cache``.
    """

    patterns: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str | None) -> "TablePatterns":
        """Split a comma-separated list.

        Args:
            text: The list; None or an empty text is an empty list.

        Raises:
            ValueError: An entry is empty or not a pattern of a table name; the message names it.
        """
        if not text or not text.strip():
            return cls()
        entries = [part.strip() for part in text.split(",")]
        for number, entry in enumerate(entries, 1):
            _check_entry(number, entry)
        return cls(tuple(dict.fromkeys(entries)))

    def matching(self, table: str, *, case_sensitive: bool) -> str | None:
        """Return the first pattern that matches a table, or None.

        Args:
            table: Name of the table, not quoted.
            case_sensitive: Whether the server distinguishes names by case, which it does if
                ``lower_case_table_names`` is 0.
        """
        name = table if case_sensitive else table.casefold()
        for pattern in self.patterns:
            if fnmatch.fnmatchcase(name, pattern if case_sensitive else pattern.casefold()):
                return pattern
        return None

    def select(self, tables: Iterable[str], *, case_sensitive: bool) -> tuple[str, ...]:
        """Return the tables that a pattern matches, in their order."""
        return tuple(
            table
            for table in tables
            if self.matching(table, case_sensitive=case_sensitive) is not None
        )

    def unmatched(self, tables: Iterable[str], *, case_sensitive: bool) -> tuple[str, ...]:
        """Return the patterns that match none of the tables."""
        names = tuple(tables)
        return tuple(
            pattern
            for pattern in self.patterns
            if not TablePatterns((pattern,)).select(names, case_sensitive=case_sensitive)
        )


def _check_entry(number: int, entry: str) -> None:
    shown = entry[:_SHOWN_CHARACTERS]
    if not entry:
        raise ValueError(f"entry {number} is empty. Separate the table names by single commas")
    if "." in entry:
        raise ValueError(
            f"entry {number} ({shown}) contains a period. Name tables of DB_NAME without the"
            " schema; ? matches a period in a table name"
        )
    if "%" in entry:
        raise ValueError(
            f"entry {number} ({shown}) contains %, which is no wildcard here. Write * instead"
        )
    if _VALID.fullmatch(entry) is None:
        raise ValueError(
            f"entry {number} ({shown}) is not the name or pattern of a table. Use letters, digits,"
            " _, $, -, spaces, and the wildcards *, ? and [abc]; ? matches any other character"
        )
