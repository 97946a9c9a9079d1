"""Lists applied and pending migrations of both schemas."""

import asyncio
from pathlib import Path

from sysndd_api.migrations.models import MigrationList, MigrationView, StatementView
from sysndd_api.migrations.store import LedgerEntry, MeasuredPlan, MigrationStore
from sysndd_core.db.database import Database
from sysndd_core.db.schema_version import MigrationFile, checksum, list_migrations, migration_number

_MAX_TEXT = 20_000
"""Maximum number of characters of a pending file that are returned."""


class Migrations:
    """Reads migrations; only ``sysndd-migrator`` applies them.

    Args:
        database: The connection pool.
        store: Reads the ledger and the journal.
        directory: The application's migrations.
    """

    def __init__(self, database: Database, store: MigrationStore, directory: Path) -> None:
        self._store = store
        self._directory = directory
        self._application = database.settings.name
        self._platform = database.settings.ops_name
        self._managed = database.settings.is_managed

    async def list_all(self) -> MigrationList:
        """Return every file of the directory and every row of both ledgers."""
        application: list[MigrationView] = []
        if self._managed:
            files = (await asyncio.to_thread(list_migrations, self._directory)).files
            application = await self._views(self._application, files)
        platform = await self._views(self._platform, ())
        views = [*application, *platform]
        pending = sum(one.state in ("pending", "failed") for one in application)
        return MigrationList(data=views, total=len(views), pending=pending, managed=self._managed)

    async def _views(self, schema: str, files: tuple[MigrationFile, ...]) -> list[MigrationView]:
        entries = {entry.filename: entry for entry in await self._store.ledger(schema)}
        statements = await self._store.statements(
            entry.run_id for entry in entries.values() if entry.run_id
        )
        there = {file.filename: file for file in files}
        plans = {plan.filename: plan for plan in await self._store.plans(schema)}
        names = sorted(
            there.keys() | entries.keys(), key=lambda name: (migration_number(name) or 0, name)
        )
        views = [
            await asyncio.to_thread(_view, schema, name, entries.get(name), there, statements)
            for name in names
        ]
        return [_with_plan(view, plans.get(view.filename)) for view in views]


def _with_plan(view: MigrationView, measured: MeasuredPlan | None) -> MigrationView:
    """Add the plan, if it was measured for exactly this text."""
    if view.text is None or measured is None or measured.checksum != view.checksum:
        return view
    return view.model_copy(update={"plan": measured.plan})


def _view(
    schema: str,
    name: str,
    entry: LedgerEntry | None,
    files: dict[str, MigrationFile],
    statements: dict[str, list[StatementView]],
) -> MigrationView:
    data = files[name].path.read_bytes() if name in files else None
    text = data.decode("utf-8", "replace")[:_MAX_TEXT] if data is not None else None
    if entry is None:
        return MigrationView(
            filename=name,
            schema_name=schema,
            state="pending",
            text=text,
            checksum=checksum(data) if data is not None else None,
        )
    # The platform's files are part of the migrator, so only the application's can be compared.
    missing = data is None and bool(files)
    return MigrationView(
        filename=name,
        schema_name=schema,
        state="failed" if not entry.success else "missing" if missing else "applied",
        applied_at=entry.applied_at,
        duration_ms=entry.duration_ms,
        statement_count=entry.statements,
        applied_by=entry.applied_by,
        tool_version=entry.tool_version,
        checksum=entry.checksum,
        changed_since=data is not None and checksum(data) != entry.checksum,
        error=entry.error,
        statements=statements.get(entry.run_id or "", []),
        text=text if not entry.success else None,
    )
