"""Request and response bodies for the administration of accounts."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from sysndd_api.security.access import Role
from sysndd_api.web.models import PageQuery, RequestModel
from sysndd_core.db.database import utc

State = Literal["unconfirmed", "awaiting_approval", "active", "deactivated"]


class UserQuery(PageQuery):
    """Filters of the account list; ``search`` matches user name, address, first and family name."""

    search: str | None = Field(None, max_length=100)
    role: Role | None = None
    state: State | None = None
    sort: Literal["user_name", "-user_name", "created_at", "-created_at", "email", "-email"] = (
        "user_name"
    )


class AccountView(BaseModel):
    """An account without its password."""

    user_id: int
    user_name: str
    email: str
    first_name: str | None
    family_name: str | None
    orcid: str | None
    comment: str | None
    role: Role
    state: State
    created_at: datetime
    confirmed_at: datetime | None
    last_login_at: datetime | None

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "AccountView":
        """Build it from a row of the table ``user``."""
        times = {name: utc(row[name]) for name in ("created_at", "confirmed_at", "last_login_at")}
        return cls.model_validate(row | times)


class RoleRequest(RequestModel):
    """The new role of an account."""

    role: Role
