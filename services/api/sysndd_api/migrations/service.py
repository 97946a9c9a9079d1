"""What was applied to both schemas, and what is not yet."""

import asyncio
import json
from pathlib import Path
from typing import Any

from sysndd_api.migrations.models import MigrationList, MigrationView, PlanView, StatementView
from sysndd_api.migrations.store import MigrationStore
from sysndd_core.db.database import Database, Row, utc
from sysndd_core.db.schema_version import MigrationFile, checksum, list_migrations, migration_number

_LONGEST_TEXT = 20_000
"""Characters of a pending file that are shown."""


class Migrations:
    """Reads; only ``sysndd-migrator`` applies.

    Args:
        database: the process's pool.
        store: ledger and journal.
        directory: the application's migrations.
    """

    def __init__(self, database: Database, store: MigrationStore, directory: Path) -> None:
        self._store = store
        self._directory = directory
        self._application = database.settings.name
        self._platform = database.settings.ops_name

    async def list_all(self) -> MigrationList:
        """List every file of the directory and every row of both ledgers."""
        files = (await asyncio.to_thread(list_migrations, self._directory)).files
        application = await self._views(self._application, files)
        platform = await self._views(self._platform, ())
        everything = [*application, *platform]
        pending = sum(one.state in ("pending", "failed") for one in application)
        return MigrationList(data=everything, total=len(everything), pending=pending)

    async def _views(self, schema: str, files: tuple[MigrationFile, ...]) -> list[MigrationView]:
        rows = {str(row["filename"]): row for row in await self._store.ledger(schema)}
        runs = [row["run_id"] for row in rows.values() if row["run_id"]]
        statements: dict[str, list[StatementView]] = {}
        for row in await self._store.statements(runs):
            times = {"started_at": utc(row["started_at"]), "finished_at": utc(row["finished_at"])}
            statements.setdefault(row["run_id"], []).append(StatementView(**row | times))
        there = {file.filename: file for file in files}
        plans = {str(row["filename"]): row for row in await self._store.plans(schema)}
        names = sorted(
            there.keys() | rows.keys(), key=lambda name: (migration_number(name) or 0, name)
        )
        views = [
            await asyncio.to_thread(_view, schema, name, rows.get(name), there, statements)
            for name in names
        ]
        return [_planned(view, plans.get(view.filename)) for view in views]


def _planned(view: MigrationView, row: Row | None) -> MigrationView:
    """Add what was measured, if it was this text that was measured."""
    if view.text is None or row is None or row["checksum"] != view.checksum:
        return view
    measured = {"measured_at": utc(row["measured_at"]), "server": row["server"]}
    plan = PlanView.model_validate(json.loads(row["document"]) | measured)
    return view.model_copy(update={"plan": plan})


def _view(
    schema: str,
    name: str,
    row: Row | None,
    files: dict[str, MigrationFile],
    statements: dict[str, list[StatementView]],
) -> MigrationView:
    data = files[name].path.read_bytes() if name in files else None
    text = data.decode("utf-8", "replace")[:_LONGEST_TEXT] if data is not None else None
    if row is None:
        return MigrationView(
            filename=name, schema_name=schema, state="pending", text=text,
            checksum=checksum(data) if data is not None else None,
        )  # fmt: skip
    applied = bool(row["success"])
    # The platform's own files are inside the migrator; only the application's can be compared.
    missing = data is None and bool(files)
    values: dict[str, Any] = {
        "duration_ms": row["duration_ms"],
        "statement_count": row["statements"],
        "applied_by": row["applied_by"],
        "tool_version": row["tool_version"],
        "checksum": row["checksum"],
        "error": row["error"],
    }
    return MigrationView(
        filename=name,
        schema_name=schema,
        state="failed" if not applied else "missing" if missing else "applied",
        applied_at=utc(row["applied_at"]),
        changed_since=data is not None and checksum(data) != row["checksum"],
        statements=statements.get(row["run_id"] or "", []),
        text=text if not applied else None,
        **values,
    )
