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


class PlannedStatement(BaseModel):
    """One statement of a pending file, and the lock that it takes.

    Attributes:
        lock: its class, as ``sysndd-migrator plan`` names it (docs/migrator.md).
        table: the table that is locked, with ``rows`` and ``bytes`` as the server estimates them.
        error: what it failed with on an empty clone, or why it was not tried.
    """

    line: int
    sql: str
    lock: str
    table: str | None = None
    rows: int | None = None
    bytes: int | None = None
    error: str | None = None


class PlanWarning(BaseModel):
    """What ``sysndd-migrator lint`` says about a line, and what to write instead."""

    line: int
    rule: str
    message: str
    instead: str


class PlanView(BaseModel):
    """What ``sysndd-migrator plan`` measured of a pending file, on empty clones of the live tables.

    ``server`` is the version that answered.
    """

    measured_at: datetime
    server: str
    statements: list[PlannedStatement]
    warnings: list[PlanWarning]


class MigrationView(BaseModel):
    """One file. ``state`` is applied, failed, pending or missing (applied, and no longer there).

    ``text`` is the SQL of a pending file; ``plan`` is None until somebody has measured that text.
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
    plan: PlanView | None = None


class MigrationList(BaseModel):
    """Every file of both schemas, the platform's last."""

    data: list[MigrationView]
    total: int
    pending: int
