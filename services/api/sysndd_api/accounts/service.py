"""Sign-in and out, and the first administrator."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sysndd_api.accounts.store import SessionStore, UserStore
from sysndd_api.audit.service import Audit
from sysndd_api.auth import (
    COMMAND_LINE,
    Access,
    Actor,
    PasswordHashing,
    Role,
    new_token,
    token_hash,
)
from sysndd_core.database import Database
from sysndd_core.errors import Conflict, NotAllowed, NotSignedIn, WrongCredentials
from sysndd_core.outbox import utc

SESSION_HOURS = 12


@dataclass(frozen=True)
class SignedIn:
    """A fresh session: the token in clear, which exists nowhere else."""

    token: str
    expires_at: datetime
    user: dict[str, Any]


class Accounts:
    """What can be done with accounts and their sessions."""

    def __init__(
        self,
        database: Database,
        users: UserStore,
        sessions: SessionStore,
        hashing: PasswordHashing,
        audit: Audit,
    ) -> None:
        self._database = database
        self._users = users
        self._sessions = sessions
        self._hashing = hashing
        self._audit = audit

    async def sign_in(
        self, login: str, password: str, *, remote: str | None, user_agent: str | None
    ) -> SignedIn:
        """Open a session.

        Raises:
            WrongCredentials: unknown login, wrong password or an account that is not active; the
                same answer after the same time for all of them.
        """
        user = await self._users.by_login(login)
        # No connection is held while the hash is computed.
        fits = await self._hashing.verify(password, user["password_hash"] if user else None)
        if user is None or not fits or user["state"] != "active":
            who = Actor(None, login[:64], Role.VIEWER, remote)
            await self._audit.record(who, "sign_in", outcome="wrong_credentials")
            raise WrongCredentials()
        token = new_token()
        actor = Actor(user["user_id"], user["user_name"], Role(user["role"]), remote)
        async with self._database.transaction() as tx:
            await self._sessions.delete_expired(tx)
            expires_at = await self._sessions.insert(
                tx,
                token_hash(token),
                user["user_id"],
                hours=SESSION_HOURS,
                remote=remote,
                user_agent=user_agent,
            )
            await self._users.touch_login(tx, user["user_id"])
            await self._audit.write(tx, actor, "sign_in")
        ends = utc(expires_at)
        assert ends is not None
        return SignedIn(token, ends, {key: user[key] for key in user if key != "password_hash"})

    async def sign_out(self, actor: Actor, token: str) -> None:
        """End the session behind ``token``."""
        async with self._database.transaction() as tx:
            await self._sessions.delete(tx, token_hash(token))
            await self._audit.write(tx, actor, "sign_out")

    async def authenticate(self, token: str | None, access: Access, *, remote: str | None) -> Actor:
        """Tell who holds ``token`` and whether the access level admits them.

        Raises:
            NotSignedIn: no token, or no living session of an active account has it.
            NotAllowed: the role is not enough.
        """
        if not token:
            raise NotSignedIn()
        user = await self._sessions.find(token_hash(token))
        if user is None:
            raise NotSignedIn("The session has ended or never was; sign in again.")
        actor = Actor(user["user_id"], user["user_name"], Role(user["role"]), remote)
        if access is Access.ADMINISTRATOR and actor.role is not Role.ADMINISTRATOR:
            raise NotAllowed()
        return actor

    async def profile(self, user_id: int) -> dict[str, Any]:
        """Return an account by its id.

        Raises:
            NotSignedIn: it has just vanished.
        """
        user = await self._users.by_id(user_id)
        if user is None:
            raise NotSignedIn()
        return user

    async def create_administrator(self, user_name: str, email: str, password: str) -> bool:
        """Create an active Administrator; safe to repeat.

        Returns:
            True when it was created, False when this very account is there already; its password
            is then left as it is.

        Raises:
            Conflict: the name or address belongs to another account, or to one that is no active
                Administrator. Accounts are never taken over or promoted in passing.
        """
        encoded = await self._hashing.hash(password)
        async with self._database.transaction() as tx:
            found = await self._users.lock_by_name(tx, user_name, email)
            if found is None:
                await self._users.insert_administrator(
                    tx, user_name=user_name, email=email, password_hash=encoded
                )
                await self._audit.write(tx, COMMAND_LINE, "create_administrator", obj=user_name)
                return True
        same = (found["user_name"].lower(), found["email"].lower()) == (
            user_name.lower(),
            email.lower(),
        )
        if same and found["role"] == Role.ADMINISTRATOR and found["state"] == "active":
            return False
        raise Conflict(
            f"An account with this name or address is there already: {found['user_name']},"
            f" {found['role']}, {found['state']}."
        )

    async def reset_administrator(self, user_name: str, password: str) -> None:
        """Set an Administrator's password and end all its sessions.

        Raises:
            Conflict: there is no active Administrator of that name.
        """
        encoded = await self._hashing.hash(password)
        async with self._database.transaction() as tx:
            found = await self._users.lock_by_name(tx, user_name, user_name)
            if found is None or (found["role"], found["state"]) != (Role.ADMINISTRATOR, "active"):
                raise Conflict(f"There is no active Administrator named {user_name}.")
            await self._users.set_password(tx, found["user_id"], encoded)
            await self._sessions.delete_of_user(tx, found["user_id"])
            await self._audit.write(tx, COMMAND_LINE, "set_password", obj=user_name)
