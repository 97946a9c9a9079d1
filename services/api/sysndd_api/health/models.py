"""Response bodies of the health routes."""

from typing import Any, Literal

from pydantic import BaseModel


class Live(BaseModel):
    """The process runs."""

    status: Literal["pass"] = "pass"


class Ready(BaseModel):
    """Whether the instance accepts requests; ``reason`` names the problem if not."""

    status: Literal["pass", "fail"]
    reason: str | None = None
    pending_migrations: int | None = None


class HealthReport(BaseModel):
    """``application/health+json``; ``checks`` is included only for administrators.

    Attributes:
        pending_migrations: None if the database is unavailable.
        queue_depth: Number of queued and running jobs and emails; None likewise.
    """

    status: Literal["pass", "warn", "fail"]
    version: str
    pending_migrations: int | None
    queue_depth: int | None
    checks: dict[str, dict[str, Any]] | None = None
