"""Opening, finding and ending sessions."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sysndd_api.accounts.store import UserStore
from sysndd_api.audit.service import Audit
from sysndd_api.auth import (
    Access,
    Actor,
    PasswordHashing,
    Role,
    new_token,
    token_hash,
)
from sysndd_api.sessions.store import SessionStore
from sysndd_core.database import Database, Row
from sysndd_core.errors import NotAllowed, NotSignedIn, SessionNotFound, WrongCredentials
from sysndd_core.outbox import utc

_SESSION_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class SignedIn:
    """A fresh session: the token in clear, which exists nowhere else."""

    token: str
    expires_at: datetime
    user: dict[str, Any]


class Sessions:
    """What can be done with sessions.

    Args:
        hours: after which a session ends, however busy it is.
    """

    def __init__(
        self,
        database: Database,
        users: UserStore,
        store: SessionStore,
        hashing: PasswordHashing,
        audit: Audit,
        *,
        hours: int,
    ) -> None:
        self._database = database
        self._users = users
        self._store = store
        self._hashing = hashing
        self._audit = audit
        self._hours = hours

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
            await self._store.delete_expired(tx)
            expires_at = await self._store.insert(
                tx,
                token_hash(token),
                user["user_id"],
                hours=self._hours,
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
            await self._store.delete(tx, token_hash(token))
            await self._audit.write(tx, actor, "sign_out")

    async def authenticate(self, token: str | None, access: Access, *, remote: str | None) -> Actor:
        """Tell who holds ``token`` and whether the access level admits them.

        Raises:
            NotSignedIn: no token, or no living session of an active account has it.
            NotAllowed: the role is not enough.
        """
        if not token:
            raise NotSignedIn()
        user = await self._store.find(token_hash(token))
        if user is None:
            raise NotSignedIn("The session has ended or never was; sign in again.")
        actor = Actor(
            user["user_id"], user["user_name"], Role(user["role"]), remote, user["session_id"]
        )
        if access is Access.ADMINISTRATOR and actor.role is not Role.ADMINISTRATOR:
            raise NotAllowed()
        return actor

    async def of_user(self, user_id: int) -> list[Row]:
        """List the open sessions of an account, the newest first."""
        return await self._store.of_user(user_id)

    async def end(self, actor: Actor, session_id: str) -> None:
        """End one of the actor's own sessions.

        Raises:
            SessionNotFound: it has ended already, or is somebody else's.
        """
        assert actor.user_id is not None
        if not _SESSION_ID.fullmatch(session_id):
            raise SessionNotFound()
        async with self._database.transaction() as tx:
            if not await self._store.delete_one(tx, actor.user_id, session_id):
                raise SessionNotFound()
            await self._audit.write(tx, actor, "end_session", obj=session_id)

    async def end_all(self, actor: Actor) -> int:
        """End every session of the actor, also the one that asks; return how many that were."""
        assert actor.user_id is not None
        async with self._database.transaction() as tx:
            ended = await self._store.delete_of_user(tx, actor.user_id)
            await self._audit.write(tx, actor, "end_sessions", detail={"ended": ended})
        return ended
