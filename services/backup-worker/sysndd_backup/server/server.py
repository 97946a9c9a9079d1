"""What the worker must know of the database server and of the objects in a schema."""

import re
from dataclasses import dataclass

from sysndd_core.db.database import Database, is_mariadb
from sysndd_core.sql.identifiers import qualified_name, quote_name


@dataclass(frozen=True)
class Server:
    """Vendor (``MariaDB`` or ``MySQL``) and the version string of the server."""

    vendor: str
    version: str


@dataclass(frozen=True)
class Inventory:
    """Which objects a schema holds, by information_schema, and the bytes of its data."""

    tables: tuple[str, ...]
    views: tuple[str, ...]
    trigger_count: int
    routines: tuple[tuple[str, str], ...]
    events: tuple[str, ...]
    data_bytes: int

    def objects(self) -> tuple[object, ...]:
        """Return all but the bytes, to compare with another moment's."""
        return self.tables, self.views, self.trigger_count, self.routines, self.events


async def identify(database: Database) -> Server:
    """Ask the server for its vendor and version."""
    row = await database.fetch_one("SELECT VERSION() AS version")
    assert row is not None
    version = str(row["version"])
    return Server("MariaDB" if is_mariadb(version) else "MySQL", version)


async def take_inventory(database: Database, schema: str) -> Inventory:
    """List the objects of a schema.

    Args:
        database: the process's pool.
        schema: plain name, not quoted.
    """
    async with database.connection() as connection:
        tables = await connection.fetch_all(
            "SELECT table_name AS name, table_type AS kind, COALESCE(data_length, 0) AS bytes"
            " FROM information_schema.tables WHERE table_schema = %s ORDER BY table_name",
            (schema,),
        )
        triggers = await connection.fetch_one(
            "SELECT COUNT(*) AS n FROM information_schema.triggers WHERE trigger_schema = %s",
            (schema,),
        )
        routines = await connection.fetch_all(
            "SELECT routine_type AS kind, routine_name AS name FROM information_schema.routines"
            " WHERE routine_schema = %s ORDER BY routine_name",
            (schema,),
        )
        events = await connection.fetch_all(
            "SELECT event_name AS name FROM information_schema.events"
            " WHERE event_schema = %s ORDER BY event_name",
            (schema,),
        )
    return Inventory(
        tables=tuple(row["name"] for row in tables if row["kind"] == "BASE TABLE"),
        views=tuple(row["name"] for row in tables if row["kind"] == "VIEW"),
        trigger_count=int(triggers["n"]) if triggers else 0,
        routines=tuple((row["kind"], row["name"]) for row in routines),
        events=tuple(row["name"] for row in events),
        data_bytes=sum(int(row["bytes"]) for row in tables),
    )


async def count_rows(database: Database, schema: str) -> dict[str, int]:
    """Return the number of rows of every base table.

    Args:
        database: a pool whose statements may take long.
        schema: plain name.
    """
    counts: dict[str, int] = {}
    for table in (await take_inventory(database, schema)).tables:
        row = await database.fetch_one(f"SELECT COUNT(*) AS n FROM {qualified_name(schema, table)}")
        counts[table] = int(row["n"]) if row else 0
    return counts


def rewrite_schema_name(sql: str, schema: str, into: str) -> str:
    """Replace the schema's name in a view's definition.

    Args:
        sql: the definition as the server writes it; text in quotes stays as it is.
        schema: plain name of the schema in it.
        into: plain name of the schema to put there.
    """
    prefix, replacement = re.escape(quote_name(schema) + "."), quote_name(into) + "."
    return re.sub(rf"('(?:[^'\\]|\\.|'')*')|{prefix}", lambda match: match[1] or replacement, sql)
