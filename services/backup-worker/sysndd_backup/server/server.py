"""Vendor and version of the database server, and the objects of a schema."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pymysql.err

from sysndd_core.db.database import Database, is_mariadb
from sysndd_core.db.schema_version import current_version
from sysndd_core.errors import DatabaseBusy, DatabaseUnavailable, SysnddError
from sysndd_core.logging import get_logger
from sysndd_core.sql.identifiers import qualified_name, quote_name

log = get_logger(__name__)


@dataclass(frozen=True)
class Server:
    """Vendor (``MariaDB`` or ``MySQL``) and version string of the server."""

    vendor: str
    version: str


@dataclass(frozen=True)
class Inventory:
    """The objects of a schema in information_schema, and the size of each table in bytes."""

    tables: tuple[str, ...]
    views: tuple[str, ...]
    trigger_count: int
    routines: tuple[tuple[str, str], ...]
    events: tuple[str, ...]
    bytes_per_table: Mapping[str, int]

    @property
    def data_bytes(self) -> int:
        """The size of all tables in bytes."""
        return sum(self.bytes_per_table.values())

    def objects(self) -> tuple[object, ...]:
        """Return the objects without the size, to compare two inventories."""
        return self.tables, self.views, self.trigger_count, self.routines, self.events

    def named(self) -> set[tuple[str, str]]:
        """Return kind and name of each object except triggers, as in a dump's statistics."""
        return {
            *(("table", name) for name in self.tables),
            *(("view", name) for name in self.views),
            *((kind.lower(), name) for kind, name in self.routines),
            *(("event", name) for name in self.events),
        }


async def identify(database: Database) -> Server:
    """Return vendor and version of the server."""
    row = await database.fetch_one("SELECT VERSION() AS version")
    assert row is not None
    version = str(row["version"])
    return Server("MariaDB" if is_mariadb(version) else "MySQL", version)


async def take_inventory(database: Database, schema: str) -> Inventory:
    """List the objects of a schema.

    Args:
        database: The connection pool.
        schema: Name of the schema, not quoted.
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
        bytes_per_table={row["name"]: int(row["bytes"]) for row in tables},
    )


async def readable_version(database: Database, schema: str) -> str | None:
    """Return the latest migration in a schema's ledger; None if there is none, or it is damaged.

    Args:
        database: The connection pool.
        schema: Name of the schema, not quoted.

    Raises:
        DatabaseBusy, DatabaseUnavailable: The server does not respond.
    """
    try:
        return await current_version(database, application=schema)
    except (DatabaseBusy, DatabaseUnavailable):
        raise
    except (pymysql.err.Error, SysnddError) as error:
        log.warning("ledger_not_read", schema=schema, reason=str(error))
        return None


async def count_rows(database: Database, schema: str) -> dict[str, int]:
    """Return the number of rows of each base table.

    Args:
        database: A connection pool with a long statement timeout.
        schema: Name of the schema, not quoted.
    """
    tables = (await take_inventory(database, schema)).tables
    return {table: await count_table(database, schema, table) for table in tables}


async def count_table(database: Database, schema: str, table: str) -> int:
    """Return the number of rows of a table."""
    row = await database.fetch_one(f"SELECT COUNT(*) AS n FROM {qualified_name(schema, table)}")
    return int(row["n"]) if row else 0


def rewrite_schema_name(sql: str, schema: str, into: str) -> str:
    """Replace the schema's name in the definition of a view, except in string literals.

    Args:
        sql: The definition as the server writes it.
        schema: Name of the schema to replace, not quoted.
        into: Name of the new schema, not quoted.
    """
    return _replace_qualifier(sql, schema, quote_name(into) + ".")


def strip_schema_name(sql: str, schema: str) -> str:
    """Remove the schema's name from the definition of a view, except in string literals.

    Args:
        sql: The definition as the server writes it.
        schema: Name of the schema, not quoted.
    """
    return _replace_qualifier(sql, schema, "")


def _replace_qualifier(sql: str, schema: str, replacement: str) -> str:
    prefix = re.escape(quote_name(schema) + ".")
    return re.sub(rf"('(?:[^'\\]|\\.|'')*')|{prefix}", lambda match: match[1] or replacement, sql)
