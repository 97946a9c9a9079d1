"""What the health addresses answer."""

from typing import Any, Literal

from pydantic import BaseModel


class Live(BaseModel):
    """The process runs."""

    status: Literal["pass"] = "pass"


class Ready(BaseModel):
    """Whether requests may be sent here; ``reason`` says why not."""

    status: Literal["pass", "fail"]
    reason: str | None = None
    pending_migrations: int | None = None


class HealthReport(BaseModel):
    """``application/health+json``; ``checks`` only for administrators.

    Attributes:
        pending_migrations: None when the database can't be asked.
        queue_depth: jobs and mails that are waiting or in work; None likewise.
    """

    status: Literal["pass", "warn", "fail"]
    version: str
    pending_migrations: int | None
    queue_depth: int | None
    checks: dict[str, dict[str, Any]] | None = None
