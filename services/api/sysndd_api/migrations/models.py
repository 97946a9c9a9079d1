"""The ledger and the journal of the migrator, as administrators see them."""

from datetime import datetime

from pydantic import BaseModel


class StatementView(BaseModel):
    """One statement, or the statements that committed together, and what came of it."""

    position: int
    last_position: int
    line: int
    kind: str
    rows_changed: int | None
    warnings: int | None
    objects: str | None
    started_at: datetime
    finished_at: datetime | None
    error: str | None


class MigrationView(BaseModel):
    """One file. ``state`` is applied, failed, pending or missing (applied, and no longer there).

    ``text`` is the SQL of a pending file.
    """

    filename: str
    schema_name: str
    state: str
    applied_at: datetime | None = None
    duration_ms: int | None = None
    statement_count: int | None = None
    applied_by: str | None = None
    tool_version: str | None = None
    checksum: str | None = None
    changed_since: bool = False
    error: str | None = None
    statements: list[StatementView] = []
    text: str | None = None


class MigrationList(BaseModel):
    """Every file of both schemas, the platform's last."""

    data: list[MigrationView]
    total: int
    pending: int
