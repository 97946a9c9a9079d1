"""Stored sessions, and the request and response bodies of sign-in."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, SecretStr

from sysndd_api.accounts.models import UserView
from sysndd_api.security.access import OperatorRole, Role
from sysndd_api.web.models import RequestModel
from sysndd_core.accounts import AccountKey


@dataclass(frozen=True)
class SessionOwner:
    """The active account that a valid session belongs to.

    Attributes:
        also_operator: Whether a site user has the user name or address of an operator.
    """

    key: AccountKey
    user_name: str
    role: Role | OperatorRole
    session_id: str
    also_operator: bool = False


@dataclass(frozen=True)
class OpenSession:
    """A valid session; ``id`` is public, times are UTC."""

    id: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    remote: str | None
    user_agent: str | None


class LoginRequest(RequestModel):
    """User name or email address, and the password."""

    login: str = Field(min_length=1, max_length=254)
    password: SecretStr = Field(min_length=1, max_length=128)


class LoginReply(BaseModel):
    """The session token, which is shown once; send it as ``Authorization: Bearer``."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name (RFC 6750)
    expires_at: datetime
    user: UserView


class SessionView(BaseModel):
    """A session; ``current`` marks the session of this request."""

    id: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    remote: str | None
    user_agent: str | None
    current: bool

    @classmethod
    def of(cls, session: OpenSession, current: str | None) -> "SessionView":
        """Build it from a stored session and the ID of the session of this request."""
        return cls(**asdict(session), current=session.id == current)


class SessionList(BaseModel):
    """All valid sessions of one account, newest first."""

    data: list[SessionView]
    total: int


class SessionsEnded(BaseModel):
    """Number of sessions that were ended."""

    ended: int
