"""Write the development data set as SQL to standard output.

    python db/seed/generate.py | mariadb --default-character-set=utf8mb4 sysndd

The SQL runs on MariaDB and MySQL, in one transaction, on a schema that the migrator has brought up to
date. Where an entity, gene or disease is there already it stops before it writes, with error 1146
naming a table called "seed refused: …": plain SQL has no other way to say so on both servers.
"""

import datetime as dt
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

# Run as a file, Python knows this folder only; the package is found from the repository's root.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from db.seed.dataset import DataSet, Table, UserOf, Value, data_set

# Some 100 kB for each statement, far below the smallest max_allowed_packet.
ROWS_PER_INSERT = 200

IS_LOADED = (
    "EXISTS (SELECT 1 FROM entity) OR EXISTS (SELECT 1 FROM gene) OR EXISTS (SELECT 1 FROM disease)"
)
_REFUSAL = "seed refused: there are genes, diseases or entities"


def main() -> None:
    """Print the whole script."""
    # No other session setting matters: literals hold no backslash and use single quotes, and every
    # time is written out.
    sys.stdout.write("SET NAMES utf8mb4;\nSTART TRANSACTION;\n")
    for statement in (*guard(), *statements(data_set()), "COMMIT"):
        sys.stdout.write(f"{statement};\n")


def guard() -> Iterator[str]:
    """Yield the statements that stop a client whose schema holds data already."""
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
            # A backslash escapes or does not, as sql_mode says; without one both readings agree.
            if "\\" in value:
                raise ValueError(f"the data set must not hold a backslash: {value!r}")
            return "'" + value.replace("'", "''") + "'"


if __name__ == "__main__":
    main()
