"""Reads the migrator's ledger, journal and last plan."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sysndd_api.migrations.models import PlanView, StatementView
from sysndd_core.db.database import Database, utc
from sysndd_core.db.schema_version import LEDGER
from sysndd_core.errors import SchemaChanging, SchemaDamaged
from sysndd_core.sql.identifiers import qualified_name


@dataclass(frozen=True)
class LedgerEntry:
    """One file in the ledger of a schema; ``run_id`` refers to its statements."""

    filename: str
    checksum: str
    applied_at: datetime | None
    duration_ms: int | None
    statements: int | None
    success: bool
    applied_by: str | None
    tool_version: str | None
    run_id: str | None
    error: str | None


@dataclass(frozen=True)
class MeasuredPlan:
    """The plan that ``sysndd-migrator plan`` stored for a file with this checksum."""

    filename: str
    checksum: str
    plan: PlanView


class MigrationStore:
    """Reads ``schema_version`` of both schemas and the migrator's tables in the platform schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def ledger(self, schema: str) -> list[LedgerEntry]:
        """Return every row of a schema's ledger; empty if there is no ledger yet."""
        try:
            rows = await self._database.fetch_all(
                "SELECT filename, checksum, applied_at, duration_ms, statements, success,"
                f" applied_by, tool_version, run_id, error FROM {qualified_name(schema, LEDGER)}"
            )
        except (SchemaChanging, SchemaDamaged):
            return []
        return [
            LedgerEntry(
                **row | {"applied_at": utc(row["applied_at"]), "success": bool(row["success"])}
            )
            for row in rows
        ]

    async def statements(self, runs: Iterable[str]) -> dict[str, list[StatementView]]:
        """Return the journal of these runs, by run, in the order of the statements."""
        run_ids = list(runs)
        if not run_ids:
            return {}
        try:
            rows = await self._database.fetch_all(
                "SELECT run_id, position, last_position, line, kind, rows_changed, warnings,"
                " objects, started_at, finished_at, error"
                f" FROM {self._database.ops}.migration_journal"
                f" WHERE run_id IN ({', '.join(['%s'] * len(run_ids))}) ORDER BY run_id, position",
                run_ids,
            )
        except (SchemaChanging, SchemaDamaged):
            return {}
        found: dict[str, list[StatementView]] = {}
        for row in rows:
            times = {"started_at": utc(row["started_at"]), "finished_at": utc(row["finished_at"])}
            found.setdefault(row["run_id"], []).append(StatementView.model_validate(row | times))
        return found

    async def plans(self, schema: str) -> list[MeasuredPlan]:
        """Return the plans that ``sysndd-migrator plan`` stored for a schema."""
        try:
            rows = await self._database.fetch_all(
                "SELECT filename, checksum, measured_at, server, document"
                f" FROM {self._database.ops}.migration_plan WHERE schema_name = %s",
                (schema,),
            )
        except (SchemaChanging, SchemaDamaged):
            return []
        return [
            MeasuredPlan(
                row["filename"],
                row["checksum"],
                PlanView.model_validate(
                    json.loads(row["document"])
                    | {"measured_at": utc(row["measured_at"]), "server": row["server"]}
                ),
            )
            for row in rows
        ]
