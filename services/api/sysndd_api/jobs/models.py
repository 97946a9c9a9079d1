"""Jobs as administrators see them."""

import json
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from sysndd_core.database import Row
from sysndd_core.outbox import utc


class JobError(BaseModel):
    """Why a job ended without its effect: a stable code and a sentence."""

    code: str
    detail: str


class JobView(BaseModel):
    """One job's row."""

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
    requested_by: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> "JobView":
        """Build it from the ``job`` table's columns."""
        failed = row["error_code"] is not None
        created = utc(row["created_at"])
        assert created is not None
        return cls(
            id=row["id"],
            kind=row["kind"],
            state=row["state"],
            step=row["step"],
            percent=row["percent"],
            message=row["message"],
            attempt=row["attempt"],
            payload=json.loads(row["payload"]),
            result=json.loads(row["result"]) if row["result"] else None,
            error=JobError(code=row["error_code"], detail=row["error"] or "") if failed else None,
            requested_by=row["requested_by"],
            created_at=created,
            started_at=utc(row["started_at"]),
            finished_at=utc(row["finished_at"]),
        )


class JobAccepted(BaseModel):
    """Answer to a request that became a job; poll ``status_url``."""

    job_id: str
    status_url: str
