"""The application's migrations, run with the vendor's client, and the fingerprint of a schema."""

import subprocess
from pathlib import Path
from typing import Any

from tests.support.servers import DatabaseServer

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "db" / "migrations"
FILES = tuple(sorted(DIRECTORY.glob("[0-9][0-9][0-9]_*.sql")))

# The definitions in a schema, without timestamps. Ordinal positions are omitted: a column that was
# dropped by hand is added again at the end, which is not a relevant difference.
_FINGERPRINT = {
    "tables": "SELECT TABLE_NAME, ENGINE, TABLE_COLLATION, TABLE_COMMENT"
    " FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'BASE TABLE'",
    "columns": "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA,"
    " COLLATION_NAME, COLUMN_COMMENT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s",
    "indexes": "SELECT TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE"
    " FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s",
    "constraints": "SELECT TABLE_NAME, CONSTRAINT_NAME, CONSTRAINT_TYPE"
    " FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = %s",
    "checks": "SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS"
    " WHERE CONSTRAINT_SCHEMA = %s",
    "foreign keys": "SELECT CONSTRAINT_NAME, REFERENCED_TABLE_NAME, DELETE_RULE, UPDATE_RULE"
    " FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s",
    "views": "SELECT TABLE_NAME, VIEW_DEFINITION, SECURITY_TYPE FROM information_schema.VIEWS"
    " WHERE TABLE_SCHEMA = %s",
    "triggers": "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION,"
    " ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s",
    "routines": "SELECT ROUTINE_NAME, ROUTINE_TYPE, ROUTINE_DEFINITION, SECURITY_TYPE,"
    " SQL_DATA_ACCESS, ROUTINE_COMMENT FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s",
}


def apply(server: DatabaseServer, schema: str, *files: Path) -> None:
    """Run files with the vendor's client, which stops at the first error."""
    command = [*server.client_command(), schema]
    for file in files:
        done = subprocess.run(
            command,
            input=file.read_bytes(),
            capture_output=True,
            check=False,
            env=server.client_environ,
        )
        assert done.returncode == 0, f"{file.name}: {done.stderr.decode()}"


def fingerprint(server: DatabaseServer, schema: str) -> dict[str, list[Any]]:
    """Return every definition in a schema, and a checksum of the rows of each table."""
    found: dict[str, list[Any]] = {}
    # One connection for all queries: opening one costs more than any of them.
    with server.connect(schema) as connection, connection.cursor() as cursor:
        for name, query in _FINGERPRINT.items():
            cursor.execute(query, (schema,))
            found[name] = sorted(cursor.fetchall(), key=repr)
        tables = ", ".join(f"`{table}`" for table, *_ in found["tables"])
        cursor.execute(f"CHECKSUM TABLE {tables}")
        found["rows"] = [(name.split(".")[1], checksum) for name, checksum in cursor.fetchall()]
    return found
