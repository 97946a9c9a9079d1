"""Bodies and replies of sign-in."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, SecretStr

from sysndd_api.http import RequestModel


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
