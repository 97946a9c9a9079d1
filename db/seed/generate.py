"""Write the development data set as SQL to standard output.

    python db/seed/generate.py | mariadb --default-character-set=utf8mb4 sysndd

The SQL runs on MariaDB and MySQL, in one transaction, on a schema with all migrations applied. If
the schema contains an entity, gene or disease, it stops before it writes, with error 1146 for a
table named "seed refused: …". Plain SQL has no other way to fail with a message on both servers.
"""

import datetime as dt
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

# Python adds only this folder to the path; the package is imported from the repository's root.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from db.seed.dataset import DataSet, Table, UserOf, Value, data_set

# About 100 kB for each statement, far below the smallest max_allowed_packet.
ROWS_PER_INSERT = 200

IS_LOADED = (
    "EXISTS (SELECT 1 FROM entity) OR EXISTS (SELECT 1 FROM gene) OR EXISTS (SELECT 1 FROM disease)"
)
_REFUSAL = "seed refused: the schema has genes, diseases or entities"


def main() -> None:
    """Print the script."""
    # No other session setting matters: literals contain no backslash and use single quotes, and
    # all times are literals.
    sys.stdout.write("SET NAMES utf8mb4;\nSTART TRANSACTION;\n")
    for statement in (*guard(), *statements(data_set()), "COMMIT"):
        sys.stdout.write(f"{statement};\n")


def guard() -> Iterator[str]:
    """Yield the statements that stop the client if the schema contains data."""
    yield f"SET @seed_guard = IF({IS_LOADED}, 'SELECT 1 FROM `{_REFUSAL}`', 'DO 0')"
    yield "PREPARE seed_guard FROM @seed_guard"
    yield "EXECUTE seed_guard"
    yield "DEALLOCATE PREPARE seed_guard"


def statements(data: DataSet) -> Iterator[str]:
    """Yield the statements that insert the data set, without semicolons, in order."""
    for table in data.tables:
        yield from _inserts(table)
    successor = "UPDATE entity SET replaced_by = entity_id + 1, updated_at = updated_at"
    yield f"{successor} WHERE entity_id IN ({', '.join(map(str, data.replaced))})"


def _inserts(table: Table) -> Iterator[str]:
    rows = iter(table.rows)
    while batch := list(islice(rows, ROWS_PER_INSERT)):
        lines = ",\n".join(f"({', '.join(map(_literal, row))})" for row in batch)
        yield f"INSERT INTO `{table.name}` ({', '.join(table.columns)}) VALUES\n{lines}"


def _literal(value: Value) -> str:
    match value:
        case None:
            return "NULL"
        case bool() | int():
            return str(int(value))
        case dt.datetime():
            return f"'{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S.%f}'"
        case UserOf(user_name):
            return f"(SELECT user_id FROM `user` WHERE user_name = {_literal(user_name)})"
        case str():
            # Whether a backslash escapes depends on sql_mode, so the data set contains none.
            if "\\" in value:
                raise ValueError(f"the data set must not contain a backslash: {value!r}")
            return "'" + value.replace("'", "''") + "'"


if __name__ == "__main__":
    main()
