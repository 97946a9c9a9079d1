"""Counts the rows of every table of a schema."""

from sysndd_backup.server.server import quoted
from sysndd_core.db.database import Database


async def count_rows(database: Database, schema: str) -> dict[str, int]:
    """Return the number of rows for each base table.

    Args:
        database: a pool whose statements may take long.
        schema: plain name.
    """
    rows = await database.fetch_all(
        "SELECT table_name AS name FROM information_schema.tables"
        " WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        (schema,),
    )
    counted: dict[str, int] = {}
    for row in rows:
        found = await database.fetch_one(
            f"SELECT COUNT(*) AS n FROM {quoted(schema)}.{quoted(row['name'])}"
        )
        counted[row["name"]] = int(found["n"]) if found else 0
    return counted
