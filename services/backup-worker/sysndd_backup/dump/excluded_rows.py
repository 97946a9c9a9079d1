"""Tables whose rows ``BACKUP_EXCLUDE_ROWS`` leaves out of a backup, and the filter that does it.

The rows are removed from the output of one run of the dump client, so the backup stays a single
consistent snapshot. The structure of the tables is kept. See docs/decisions/017.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sysndd_backup.dump.scanner import Visitor
from sysndd_backup.server.server import Inventory, Server
from sysndd_core.db.database import Database
from sysndd_core.errors import ExcludedRowsReferenced
from sysndd_core.sql.table_patterns import TablePatterns

_SHOWN_KEYS = 5
# The arguments of a program are limited to about 2 MB (execve(2)).
_MAX_OPTIONS = 1000


@dataclass(frozen=True)
class ExcludedRows:
    """The tables whose rows one backup leaves out.

    Attributes:
        tables: Names of the tables, not quoted.
        unmatched: Patterns that match no table.
        client_options: Options with which the dump client does not read the rows; without them,
            the rows are only filtered.
    """

    tables: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    client_options: tuple[str, ...] = ()

    def data_bytes(self, inventory: Inventory) -> int:
        """Return the size in bytes of the tables whose rows the backup contains."""
        return inventory.data_bytes - sum(inventory.bytes_per_table[name] for name in self.tables)


async def find_excluded_rows(
    database: Database, server: Server, inventory: Inventory, patterns: TablePatterns
) -> ExcludedRows:
    """Find the tables that match, and check that the backup could be restored without their rows.

    Args:
        database: The connection pool; the schema is that of its settings.
        server: Vendor and version of the server.
        inventory: The objects of the schema. Views never match.
        patterns: The patterns of ``BACKUP_EXCLUDE_ROWS``.

    Raises:
        ExcludedRowsReferenced: A table whose rows are kept has a foreign key that refers to a table
            whose rows are left out. A restore would reject its rows as orphans. This holds for an
            empty table too, because the next backup may find rows in it.
    """
    if not patterns.patterns:
        return ExcludedRows()
    schema = database.settings.name
    row = await database.fetch_one("SELECT @@lower_case_table_names AS mode")
    case_sensitive = row is not None and row["mode"] == 0
    tables = patterns.select(inventory.tables, case_sensitive=case_sensitive)
    references = await _references(database, tables, case_sensitive=case_sensitive)
    if references:
        raise ExcludedRowsReferenced(_refusal(references, patterns, case_sensitive))
    return ExcludedRows(
        tables=tables,
        unmatched=patterns.unmatched(inventory.tables, case_sensitive=case_sensitive),
        client_options=_client_options(server, schema, tables, inventory.tables),
    )


@dataclass(frozen=True)
class _Reference:
    name: str
    child: str
    parent: str


async def _references(
    database: Database, tables: tuple[str, ...], *, case_sensitive: bool
) -> list[_Reference]:
    """Return the foreign keys of other tables that refer to one of the tables."""
    schema = database.settings.name
    rows = await database.fetch_all(
        "SELECT DISTINCT constraint_name AS name, table_name AS child,"
        " referenced_table_name AS parent FROM information_schema.key_column_usage"
        " WHERE table_schema = %s AND referenced_table_schema = %s"
        " ORDER BY table_name, constraint_name",
        (schema, schema),
    )
    # With lower_case_table_names = 2, a foreign key may name its table in another case.
    excluded = {table if case_sensitive else table.casefold(): table for table in tables}

    def listed(name: str) -> str | None:
        return excluded.get(name if case_sensitive else name.casefold())

    return [
        _Reference(row["name"], row["child"], parent)
        for row in rows
        if (parent := listed(row["parent"])) is not None and listed(row["child"]) is None
    ]


def _refusal(references: list[_Reference], patterns: TablePatterns, case_sensitive: bool) -> str:
    keys = [
        f"{one.name} of {one.child} refers to {one.parent} (excluded by"
        f" {patterns.matching(one.parent, case_sensitive=case_sensitive)})"
        for one in references
    ]
    more = f"; and {len(keys) - _SHOWN_KEYS} more" if len(keys) > _SHOWN_KEYS else ""
    children = ", ".join(dict.fromkeys(one.child for one in references))
    return (
        "Backup refused: it could not be restored, because foreign keys refer to rows that"
        f" BACKUP_EXCLUDE_ROWS leaves out: {'; '.join(keys[:_SHOWN_KEYS])}{more}. Exclude the rows"
        f" of {children} too, or remove the referenced tables from BACKUP_EXCLUDE_ROWS."
    )


def _client_options(
    server: Server, schema: str, excluded: tuple[str, ...], tables: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the options with which the dump client does not read the rows, if that is safe.

    Only MariaDB's client has such an option. It compares names without regard to case, so with the
    name of one table it silently omits the rows of another (observed with 10.11 and 11.8).
    """
    kept = {table.lower() for table in tables if table not in excluded}
    distinct = all(table.isascii() for table in tables) and not kept & {
        table.lower() for table in excluded
    }
    if server.vendor != "MariaDB" or not distinct or len(excluded) > _MAX_OPTIONS:
        return ()
    return tuple(f"--ignore-table-data={schema}.{table}" for table in excluded)


class RowFilter:
    """A ``Visitor`` that removes the rows of some tables from a dump.

    Args:
        tables: Names of the tables, not quoted.
        visitor: Receives the rest, as if the tables were empty.
        write: Receives the bytes of the rest.
    """

    def __init__(
        self, tables: Iterable[str], visitor: Visitor, write: Callable[[bytes], object]
    ) -> None:
        self._tables = frozenset(tables)
        self._visitor = visitor
        self._write = write

    def line(self, line: bytes, *, begins: bool) -> None:
        """Pass on a line without rows."""
        self._visitor.line(line, begins=begins)
        self._write(line + b"\n")

    def rows(self, table: str, data: bytes, count: int) -> None:
        """Pass on rows, except those of the tables."""
        if table not in self._tables:
            self._visitor.rows(table, data, count)
            self._write(data)
