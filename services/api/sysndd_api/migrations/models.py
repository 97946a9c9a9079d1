"""Response bodies of the migrations: the migrator's ledger, journal and last plan."""

from datetime import datetime

from pydantic import BaseModel


class StatementView(BaseModel):
    """The result of one statement, or of statements that committed together."""

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
        lock: Class of the lock, as in ``sysndd-migrator plan`` (docs/migrator.md).
        table: The locked table, with ``rows`` and ``bytes`` as estimated by the server.
        error: Why it failed on an empty clone, or why it was not run.
    """

    line: int
    sql: str
    lock: str
    table: str | None = None
    rows: int | None = None
    bytes: int | None = None
    error: str | None = None


class PlanWarning(BaseModel):
    """A finding of ``sysndd-migrator lint``, and what to write instead."""

    line: int
    rule: str
    message: str
    instead: str


class PlanView(BaseModel):
    """What ``sysndd-migrator plan`` measured for a pending file, on empty clones of live tables.

    ``server`` is the version of the server that was measured.
    """

    measured_at: datetime
    server: str
    statements: list[PlannedStatement]
    warnings: list[PlanWarning]


class MigrationView(BaseModel):
    """One file. ``state`` is applied, failed, pending or missing (applied, but deleted since).

    ``text`` is the SQL of a pending file; ``plan`` is None until exactly this text was measured.
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
    """All files of both schemas; those of the platform schema come last.

    ``managed`` is false if ``SCHEMA_MODE`` is ``observe``: then the application has no migrations.
    """

    data: list[MigrationView]
    total: int
    pending: int
    managed: bool
