"""The tasks that load workers share: parts of the rows of tables, and keys of loaded tables.

The largest table comes first, because adding its keys is the longest single step of a load. It then
starts as early as possible, while another worker loads the rows of other tables.
"""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from sysndd_backup.load.plan import Span, TablePlan


@dataclass(frozen=True)
class Rows:
    """A part of the rows of a table, in complete statements."""

    table: TablePlan
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Keys:
    """The deferred keys of a table whose rows are all loaded."""

    table: TablePlan


class LoadQueue:
    """The tasks that are ready. All methods are thread-safe.

    Args:
        tables: Plans of the tables, which already exist.
    """

    def __init__(self, tables: Iterable[TablePlan]) -> None:
        self._lock = threading.Lock()
        self._rows: deque[Rows] = deque()
        self._keys: deque[Keys] = deque()
        self._left: dict[str, int] = {}
        for table in sorted(tables, key=lambda plan: -plan.row_bytes):
            parts = _split(table)
            self._rows.extend(parts)
            self._left[table.name] = len(parts)
            if not parts:
                self._keys.append(Keys(table))

    def take(self) -> Rows | Keys | None:
        """Return the next task, or None if no task is left."""
        with self._lock:
            if self._keys:
                return self._keys.popleft()
            return self._rows.popleft() if self._rows else None

    def loaded(self, table: TablePlan) -> None:
        """Record that a part of a table's rows is committed."""
        with self._lock:
            self._left[table.name] -= 1
            if not self._left[table.name]:
                self._keys.append(Keys(table))


def _split(table: TablePlan) -> list[Rows]:
    """Split the rows of a table; without a primary key, a single part preserves their order."""
    if not table.rows:
        return []
    if not table.definition.ordered_by_key:
        return [Rows(table, tuple(table.rows))]
    return [Rows(table, (span,)) for span in table.rows]
