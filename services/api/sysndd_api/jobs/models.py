"""Response bodies of background jobs."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from sysndd_api.security.access import Access, Actor
from sysndd_api.web.models import PageQuery
from sysndd_core.accounts import Realm
from sysndd_core.db.database import Row, utc
from sysndd_core.jobs.rows import JobState


class JobQuery(PageQuery):
    """Filters of the job list: state and kind."""

    state: JobState | None = None
    kind: str | None = Field(None, max_length=64, pattern=r"^[a-z_]+$")


class JobError(BaseModel):
    """Why a job failed: a stable code and a sentence."""

    code: str
    detail: str


class JobView(BaseModel):
    """One job."""

    id: str
    kind: str
    state: str
    step: str | None
    percent: int
    message: str | None
    attempt: int
    payload: dict[str, Any]
    result: dict[str, Any] | None
    error: JobError | None
    requested_realm: Realm
    requested_by: int | None
    requested_by_name: str | None = None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    requested_by_hidden: bool = Field(False, exclude=True)

    def is_of(self, actor: Actor) -> bool:
        """Return whether an actor requested the job."""
        return actor.key == (self.requested_realm, self.requested_by)

    def seen_by(self, actor: Actor) -> Self:
        """Return the job as an actor may see it: viewers see no personal data of others."""
        if actor.may(Access.MAINTAINER) or self.is_of(actor):
            return self
        result = {name: value for name, value in (self.result or {}).items() if name != "accounts"}
        return self.model_copy(
            update={
                "requested_by": None,
                "requested_by_name": None,
                "requested_by_hidden": self.requested_by is not None,
                "result": result or None,
            }
        )


class StoredJob(JobView):
    """One job, with fields that only the pages show."""

    worker: str | None = Field(exclude=True)
    request_id: str | None = Field(exclude=True)
    cancel_requested: bool = Field(exclude=True)

    @classmethod
    def from_row(cls, row: Row) -> "StoredJob":
        """Build it from the columns of ``job`` and ``requested_by_name``."""
        failed = row["error_code"] is not None
        times = ("created_at", "started_at", "finished_at")
        documents = {
            "payload": json.loads(row["payload"]),
            "result": json.loads(row["result"]) if row["result"] else None,
            "error": {"code": row["error_code"], "detail": row["error"] or ""} if failed else None,
        }
        return cls.model_validate(row | documents | {name: utc(row[name]) for name in times})


@dataclass(frozen=True)
class EndedJob:
    """How long a job took that succeeded or failed."""

    kind: str
    state: str
    seconds: float


class JobLine(BaseModel):
    """One log line of a job."""

    attempt: int
    logged_at: datetime
    level: str
    line: str


class JobLines(BaseModel):
    """The latest log lines of a job, oldest first."""

    data: list[JobLine]


class JobAccepted(BaseModel):
    """Response to a request that submitted a job; poll ``status_url``."""

    job_id: str
    status_url: str
