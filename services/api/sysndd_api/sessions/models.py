"""Bodies and replies of sign-in and of sessions."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr

from sysndd_api.http import RequestModel
from sysndd_core.db.database import utc


class LoginRequest(RequestModel):
    """User name or e-mail address, and the password."""

    login: str = Field(min_length=1, max_length=254)
    password: SecretStr = Field(min_length=1, max_length=128)


class UserView(BaseModel):
    """An account as others may see it."""

    user_id: int
    user_name: str
    email: str
    role: str
    state: str


class LoginReply(BaseModel):
    """The session's token, shown once; send it as ``Authorization: Bearer``."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name (RFC 6750)
    expires_at: datetime
    user: UserView


class SessionView(BaseModel):
    """An open session; ``current`` is the one that asks."""

    id: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    remote: str | None
    user_agent: str | None
    current: bool

    @classmethod
    def from_row(cls, row: dict[str, Any], current: str | None) -> "SessionView":
        """Build it from a row of the store."""
        times = {name: utc(row[name]) for name in ("created_at", "last_seen_at", "expires_at")}
        return cls.model_validate(row | times | {"current": row["id"] == current})


class SessionList(BaseModel):
    """Every open session of one account, the newest first."""

    data: list[SessionView]
    total: int


class SessionsEnded(BaseModel):
    """How many were open."""

    ended: int
