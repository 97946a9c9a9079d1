"""Roles, the access levels of routes, actors, and session tokens."""

import hashlib
import secrets
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The roles of an account."""

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
    """The signed-in account that sends a request, or the operator on the command line.

    Attributes:
        user_id: None for the command line.
        remote: The client's address, as given by the trusted proxy.
        session_id: Public ID of the session; None for the command line.
    """

    user_id: int | None
    user_name: str
    role: Role
    remote: str | None = None
    session_id: str | None = None


def anyone(remote: str | None, name: str = "anyone") -> Actor:
    """Return the actor of a request without a session."""
    return Actor(user_id=None, user_name=name[:64], role=Role.VIEWER, remote=remote)


COMMAND_LINE = Actor(user_id=None, user_name="sysndd-admin", role=Role.ADMINISTRATOR)


def new_token() -> str:
    """Return a new, opaque session token of 256 bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal, which is what the database stores.

    A token has 256 random bits, so it needs no salt. The result is not bytes, because aiomysql
    0.3.2 cannot escape bytes with PyMySQL 1.2; the store uses ``UNHEX(%s)``.
    """
    return hashlib.sha256(token.encode()).hexdigest()
