"""Opens, finds and ends sessions."""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime

from sysndd_api.accounts.store import Account, UserStore
from sysndd_api.accounts.token_store import TokenStore
from sysndd_api.audit.service import Audit
from sysndd_api.security.access import Access, Actor, Role, anyone, new_token, token_hash
from sysndd_api.security.passwords import PasswordHashing
from sysndd_api.security.rate_limits import client_of
from sysndd_api.security.sign_in_limits import RateLimits, minimum_duration
from sysndd_api.sessions.models import OpenSession
from sysndd_api.sessions.store import KnownClientStore, SessionStore
from sysndd_core.db.database import Database
from sysndd_core.errors import InvalidCredentials, NotAllowed, NotSignedIn, SessionNotFound

_MINIMUM_REJECTION_SECONDS = 0.15
"""Minimum duration of a rejected sign-in, whatever the reason."""

_SESSION_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class SignedIn:
    """A new session, with its token in clear text, which is not stored."""

    token: str
    expires_at: datetime
    user: Account


class Sessions:
    """Signs accounts in and out, and authenticates requests."""

    def __init__(
        self,
        *,
        database: Database,
        store: SessionStore,
        clients: KnownClientStore,
        users: UserStore,
        tokens: TokenStore,
        hashing: PasswordHashing,
        rate_limits: RateLimits,
        audit: Audit,
        hours: int,
    ) -> None:
        self._database = database
        self._store = store
        self._clients = clients
        self._users = users
        self._tokens = tokens
        self._hashing = hashing
        self._rate_limits = rate_limits
        self._audit = audit
        self._hours = hours

    async def sign_in(
        self, login: str, password: str, *, remote: str | None, user_agent: str | None
    ) -> SignedIn:
        """Open a session.

        Raises:
            InvalidCredentials: The login is unknown, the password is wrong, or the account is not
                active. The response and its duration are the same for all of these.
            TooManyAttempts: A rate limit is exceeded.
            SignInBusy: Too many password hashes are pending.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        user = await self._users.by_login(login)
        await self._rate_limits.sign_in(login, remote, account=user)
        # No database connection is held while the hash is computed.
        matches = await self._hashing.verify(password, user.password_hash if user else None)
        if user is None or not matches or user.state != "active":
            async with minimum_duration(_MINIMUM_REJECTION_SECONDS - (loop.time() - started)):
                who = anyone(remote, login)
                await self._audit.record(who, "sign_in", outcome=InvalidCredentials.code)
            raise InvalidCredentials()
        signed_in = await self._open(user, password, remote=remote, user_agent=user_agent)
        await self._rate_limits.sign_in_succeeded(login, remote)
        return signed_in

    async def _open(
        self, user: Account, password: str, *, remote: str | None, user_agent: str | None
    ) -> SignedIn:
        user_id, stored = user.user_id, user.password_hash
        assert stored is not None
        rehashed = await self._hashing.hash(password) if self._hashing.is_outdated(stored) else None
        token = new_token()
        actor = Actor(user_id, user.user_name, user.role, remote)
        async with self._database.transaction() as tx:
            # The account may have been reset or deactivated while the hash was computed.
            now = await self._users.lock(tx, user_id)
            if now is None or (now.password_hash, now.state) != (stored, "active"):
                raise InvalidCredentials()
            if rehashed is not None:
                await self._users.set_password(tx, user_id, rehashed)
            await self._store.delete_expired(tx)
            await self._tokens.delete_old(tx)
            expires_at = await self._store.insert(
                tx,
                token_hash(token),
                user_id,
                hours=self._hours,
                remote=remote,
                user_agent=user_agent,
            )
            await self._users.touch_login(tx, user_id)
            await self._clients.note(tx, user_id, client_of(remote))
            await self._audit.write(tx, actor, "sign_in")
        return SignedIn(token, expires_at, user)

    async def sign_out(self, actor: Actor, token: str) -> None:
        """End the session of ``token``."""
        async with self._database.transaction() as tx:
            await self._store.delete(tx, token_hash(token))
            await self._audit.write(tx, actor, "sign_out")

    async def authenticate(
        self, token: str | None, access: Access, *, remote: str | None, audit_as: str | None = None
    ) -> Actor:
        """Return the owner of a token, if the access level admits them.

        Args:
            token: The session token, if the request has one.
            access: The access level of the route.
            remote: The client's address.
            audit_as: How the audit log names a denied request; None to record nothing.

        Raises:
            NotSignedIn: The token is missing, or belongs to no valid session.
            NotAllowed: The role does not suffice.
        """
        if not token:
            raise NotSignedIn()
        owner = await self._store.find(token_hash(token))
        if owner is None:
            raise NotSignedIn("The session has ended or does not exist. Sign in again.")
        actor = Actor(owner.user_id, owner.user_name, owner.role, remote, owner.session_id)
        if access is Access.ADMINISTRATOR and actor.role is not Role.ADMINISTRATOR:
            if audit_as is not None:
                await self._audit.record(
                    actor, "access", outcome=NotAllowed.code, object_name=audit_as[:255]
                )
            raise NotAllowed()
        return actor

    async def of_user(self, user_id: int) -> list[OpenSession]:
        """Return the valid sessions of an account, newest first."""
        return await self._store.of_user(user_id)

    async def end(self, actor: Actor, session_id: str) -> None:
        """End one of the actor's own sessions.

        Raises:
            SessionNotFound: It has ended, or belongs to another account.
        """
        assert actor.user_id is not None
        if not _SESSION_ID.fullmatch(session_id):
            raise SessionNotFound()
        async with self._database.transaction() as tx:
            if not await self._store.delete_one(tx, actor.user_id, session_id):
                raise SessionNotFound()
            await self._audit.write(tx, actor, "end_session", object_name=session_id)

    async def end_all(self, actor: Actor) -> int:
        """End all sessions of the actor, including the current one; return their number."""
        assert actor.user_id is not None
        async with self._database.transaction() as tx:
            ended = await self._store.delete_of_user(tx, actor.user_id)
            await self._audit.write(tx, actor, "end_sessions", detail={"ended": ended})
        return ended
