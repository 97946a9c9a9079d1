"""Queries of the health report."""

import json

from sysndd_api.health.expected_tables import Existing, Recorded, Swap
from sysndd_core.db.database import Connection, Database
from sysndd_core.db.schema_objects import RUNNING, TABLE
from sysndd_core.db.schema_version import LEDGER
from sysndd_core.sql.identifiers import qualified_name

_SWAPS = 20
"""An undo follows its restore, so the latest swaps suffice."""


class HealthStore:
    """Reads the server's version and the table ``worker``.

    Each worker process updates its row every ten seconds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def server_version(self) -> str | None:
        """Return the version of the database server."""
        row = await self._database.fetch_one("SELECT VERSION() AS version")
        return row["version"] if row else None

    async def workers_seen_within(self, seconds: int) -> dict[str, int]:
        """Count the workers seen within a number of seconds, by queue."""
        rows = await self._database.fetch_all(
            f"SELECT queue, COUNT(*) AS n FROM {self._database.ops}.worker"
            " WHERE seen_at > UTC_TIMESTAMP(6) - INTERVAL %s SECOND GROUP BY queue",
            (seconds,),
        )
        return {row["queue"]: row["n"] for row in rows}


class SchemaStore:
    """Reads what the application schema has, and the records of what it must have."""

    def __init__(self, database: Database) -> None:
        self._application = database.settings.name
        self._objects = qualified_name(database.settings.ops_name, TABLE)
        self._journal = f"{database.ops}.restore_journal"

    async def existing(self, connection: Connection) -> Existing:
        """Return the tables and views of the application schema."""
        rows = await connection.fetch_all(
            "SELECT table_name AS name, table_type AS kind, @@lower_case_table_names AS case_mode"
            " FROM information_schema.tables WHERE table_schema = %s",
            (self._application,),
        )
        return Existing(
            names=frozenset(str(row["name"]) for row in rows),
            tables=tuple(
                sorted(str(row["name"]) for row in rows if row["kind"] not in ("VIEW", "SEQUENCE"))
            ),
            ignores_case=any(row["case_mode"] for row in rows),
        )

    async def has_schema(self, connection: Connection) -> bool:
        """Return whether the application schema exists."""
        sql = "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s"
        return bool(await connection.fetch_all(sql, (self._application,)))

    async def recorded(self, connection: Connection) -> Recorded | None:
        """Return the objects after the last migration run; None if there was none."""
        rows = await connection.fetch_all(
            f"SELECT name, recorded_at FROM {self._objects} WHERE schema_name = %s AND (name = %s"
            " OR SUBSTRING_INDEX(name, ' ', 1) IN ('table', 'view', 'sequence'))",
            (self._application, RUNNING),
        )
        if not rows:
            return None
        recorded_at = max(row["recorded_at"] for row in rows)
        if any(row["name"] == RUNNING for row in rows):
            return Recorded(recorded_at, None)
        kinds = [str(row["name"]).partition(" ") for row in rows]
        return Recorded(
            recorded_at,
            # The migrator keeps its own table out of the record.
            frozenset({LEDGER, *(name for _, _, name in kinds)}),
            views=frozenset(name for kind, _, name in kinds if kind == "view"),
        )

    async def swaps(self, connection: Connection) -> list[Swap]:
        """Return the latest completed restores and undos, in their order."""
        rows = await connection.fetch_all(
            f"SELECT purpose, started_at, finished_at, row_counts FROM {self._journal}"
            " WHERE live = %s AND outcome = 'done' ORDER BY id DESC LIMIT %s",
            (self._application, _SWAPS),
        )
        return [
            Swap(
                is_undo=row["purpose"] == "undo",
                started_at=row["started_at"],
                finished_at=row["finished_at"],
                tables=frozenset(json.loads(row["row_counts"] or "null") or ()),
            )
            for row in reversed(rows)
        ]

    async def read(self, connection: Connection, name: str, *, is_view: bool) -> None:
        """Read one row of a table, or open a view without executing it.

        Raises:
            SchemaDamaged: It does not exist, or cannot be read.
        """
        table = qualified_name(self._application, name)
        sql = f"SHOW COLUMNS FROM {table}" if is_view else f"SELECT 1 FROM {table} LIMIT 1"
        await connection.fetch_all(sql)
