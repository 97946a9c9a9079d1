"""Response bodies of the audit log."""

import json
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from sysndd_api.web.models import PageQuery
from sysndd_core.accounts import Realm
from sysndd_core.db.database import Row, utc


class AuditQuery(PageQuery):
    """Filters of the audit log; ``search`` matches the object, and the dates are UTC days."""

    action: str | None = Field(None, max_length=64, pattern=r"^[a-z_]+$")
    outcome: str | None = Field(None, max_length=64, pattern=r"^[a-z_]+$")
    actor: str | None = Field(None, max_length=64)
    search: str | None = Field(None, max_length=100)
    since: date | None = None
    until: date | None = None


class AuditEvent(BaseModel):
    """One audit event; ``object`` is what the action was applied to."""

    id: int
    happened_at: datetime
    action: str
    outcome: str
    actor_realm: Realm
    actor_id: int | None
    actor_name: str | None
    remote: str | None
    object: str | None
    request_id: str | None
    detail: dict[str, Any] | None

    @classmethod
    def from_row(cls, row: Row) -> "AuditEvent":
        """Build it from the columns of ``audit_log``."""
        detail = json.loads(row["detail"]) if row["detail"] else None
        return cls.model_validate(row | {"happened_at": utc(row["happened_at"]), "detail": detail})
