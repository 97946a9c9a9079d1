"""Roles, the access levels of routes, accounts, actors, and session tokens."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sysndd_core.accounts import AccountKey


class Role(StrEnum):
    """The roles of site users."""

    ADMINISTRATOR = "Administrator"
    CURATOR = "Curator"
    REVIEWER = "Reviewer"
    VIEWER = "Viewer"


class OperatorRole(StrEnum):
    """The roles of operators; each one includes the ones after it."""

    ADMINISTRATOR = "administrator"
    """May do everything."""

    MAINTAINER = "maintainer"
    """Reads everything; creates, verifies and imports backups, runs dry runs, tests email, and
    cancels their own jobs."""

    VIEWER = "viewer"
    """Reads health, backups, jobs and migrations; no personal data and no audit log."""


class Access(StrEnum):
    """Who may call a route."""

    ANYONE = "anyone"
    SIGNED_IN = "signed in"
    VIEWER = "viewer"
    MAINTAINER = "maintainer"
    ADMINISTRATOR = "administrator"


_ADMITTED = {
    Access.VIEWER: frozenset(OperatorRole),
    Access.MAINTAINER: frozenset({OperatorRole.ADMINISTRATOR, OperatorRole.MAINTAINER}),
    Access.ADMINISTRATOR: frozenset({OperatorRole.ADMINISTRATOR}),
}
"""The operator roles that each level admits; other levels do not depend on the role."""


@dataclass(frozen=True)
class Account:
    """One account; times are UTC without a time zone, as the server returns them.

    Attributes:
        key: Realm and ID.
        password_hash: Encoded with its parameters; None if no password is accepted.
        role: A ``Role`` for site users, an ``OperatorRole`` for operators.
        state: For site users ``unconfirmed``, ``awaiting_approval``, ``active`` or
            ``deactivated``; for operators ``invited``, ``active`` or ``disabled``.
    """

    key: AccountKey
    user_name: str
    email: str
    password_hash: str | None
    role: Role | OperatorRole
    state: str
    created_at: datetime


@dataclass(frozen=True)
class Actor:
    """The signed-in account that sends a request, or the command line.

    Attributes:
        key: The account; None for the command line and for requests without a session.
        role: The role of the account in its realm.
        operator_role: What it may do on the platform; None for a site user.
        remote: The client's address, as given by the trusted proxy.
        session_id: Public ID of the session; None for the command line.
    """

    key: AccountKey | None
    user_name: str
    role: Role | OperatorRole
    operator_role: OperatorRole | None = None
    remote: str | None = None
    session_id: str | None = None

    def may(self, access: Access) -> bool:
        """Return whether an access level admits a signed-in actor."""
        admitted = _ADMITTED.get(access)
        return admitted is None or self.operator_role in admitted


def actor_from(account: Account, remote: str | None) -> Actor:
    """Return an account as the actor of a request that it proved to come from it."""
    role = account.role if isinstance(account.role, OperatorRole) else None
    return Actor(account.key, account.user_name, account.role, role, remote)


def anyone(remote: str | None, name: str = "anyone") -> Actor:
    """Return the actor of a request without a session."""
    return Actor(key=None, user_name=name[:64], role=Role.VIEWER, remote=remote)


COMMAND_LINE = Actor(
    key=None,
    user_name="sysndd-admin",
    role=OperatorRole.ADMINISTRATOR,
    operator_role=OperatorRole.ADMINISTRATOR,
)


def new_token() -> str:
    """Return a new, opaque session token of 256 bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal, which is what the database stores.

    A token has 256 random bits, so it needs no salt. The result is not bytes, because aiomysql
    0.3.2 cannot escape bytes with PyMySQL 1.2; the store uses ``UNHEX(%s)``.
    """
    return hashlib.sha256(token.encode()).hexdigest()
