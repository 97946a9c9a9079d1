"""The work that load workers share: pieces of tables' rows, and keys of tables whose rows are loaded.

The largest table comes first, its rows in pieces: adding its keys is the longest single step of a
load, so it begins as early as possible, while another worker loads the rows of the other tables.
"""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from sysndd_backup.load.plan import Span, TablePlan


@dataclass(frozen=True)
class Rows:
    """A piece of a table's rows: whole statements."""

    table: TablePlan
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Keys:
    """The keys of a table whose rows are all loaded."""

    table: TablePlan


class LoadQueue:
    """Hands out work that can be done now. Every method may be called from any thread.

    Args:
        tables: all created already.
    """

    def __init__(self, tables: Iterable[TablePlan]) -> None:
        self._lock = threading.Lock()
        self._rows: deque[Rows] = deque()
        self._keys: deque[Keys] = deque()
        self._left: dict[str, int] = {}
        for table in sorted(tables, key=lambda one: -one.row_bytes):
            pieces = _pieces(table)
            self._rows.extend(pieces)
            self._left[table.name] = len(pieces)
            if not pieces:
                self._keys.append(Keys(table))

    def take(self) -> Rows | Keys | None:
        """Return the next piece of work, None when none is left."""
        with self._lock:
            if self._keys:
                return self._keys.popleft()
            return self._rows.popleft() if self._rows else None

    def loaded(self, table: TablePlan) -> None:
        """Record that one of a table's pieces is committed."""
        with self._lock:
            self._left[table.name] -= 1
            if not self._left[table.name]:
                self._keys.append(Keys(table))


def _pieces(table: TablePlan) -> list[Rows]:
    """Split a table's rows; without a primary key their order matters, so they stay one piece."""
    if not table.rows:
        return []
    if not table.definition.ordered_by_key:
        return [Rows(table, tuple(table.rows))]
    return [Rows(table, (span,)) for span in table.rows]
