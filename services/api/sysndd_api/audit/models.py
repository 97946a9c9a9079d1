"""The audit log as administrators see it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class AuditEvent(BaseModel):
    """One event; ``object`` is what the action was done to."""

    id: int
    happened_at: datetime
    action: str
    outcome: str
    actor_id: int | None
    actor_name: str | None
    remote: str | None
    object: str | None
    request_id: str | None
    detail: dict[str, Any] | None
