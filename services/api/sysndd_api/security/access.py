"""Who is asking: roles, the access level of each route, and session tokens."""

import hashlib
import secrets
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Roles as SysNDD has them."""

    ADMINISTRATOR = "Administrator"
    CURATOR = "Curator"
    REVIEWER = "Reviewer"
    VIEWER = "Viewer"


class Access(StrEnum):
    """Who may call a route."""

    ANYONE = "anyone"
    SIGNED_IN = "signed in"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class Actor:
    """The signed-in person behind a request, or the operator at the command line.

    Attributes:
        user_id: None for the command line.
        remote: address of the client, as the trusted proxy gave it.
        session_id: public id of the session; None for the command line.
    """

    user_id: int | None
    user_name: str
    role: Role
    remote: str | None = None
    session_id: str | None = None


def anyone(remote: str | None, name: str = "anyone") -> Actor:
    """Return the actor of a request that nobody has signed in for."""
    return Actor(user_id=None, user_name=name[:64], role=Role.VIEWER, remote=remote)


COMMAND_LINE = Actor(user_id=None, user_name="sysndd-admin", role=Role.ADMINISTRATOR)


def new_token() -> str:
    """Return an opaque session token of 256 bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return what is stored of a token, in hexadecimal.

    The token has 256 bits of its own, so no salt is needed. Not bytes, because aiomysql 0.3.2 can't
    escape bytes with PyMySQL 1.2; the store says ``UNHEX(%s)``.
    """
    return hashlib.sha256(token.encode()).hexdigest()
