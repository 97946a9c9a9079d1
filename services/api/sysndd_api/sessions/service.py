"""Opens, finds and ends sessions."""

import asyncio
import re
from dataclasses import dataclass
from datetime import datetime

from sysndd_api.accounts.people import Found, People
from sysndd_api.accounts.token_store import TokenStore
from sysndd_api.audit.service import Audit
from sysndd_api.security.access import (
    Access,
    Account,
    Actor,
    OperatorRole,
    Role,
    actor_from,
    anyone,
    new_token,
    token_hash,
)
from sysndd_api.security.passwords import PasswordHashing
from sysndd_api.security.rate_limits import client_of
from sysndd_api.security.sign_in_limits import RateLimits, minimum_duration
from sysndd_api.sessions.models import OpenSession, SessionOwner
from sysndd_api.sessions.store import KnownClientStore, SessionStore
from sysndd_core.accounts import AccountKey
from sysndd_core.db.database import Database
from sysndd_core.errors import (
    InvalidCredentials,
    NotAllowed,
    NotSignedIn,
    SessionNotFound,
    SysnddError,
)

_MINIMUM_REJECTION_SECONDS = 0.15
"""Minimum duration of a rejected sign-in, whatever the reason."""

_SESSION_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class SignedIn:
    """A new session, with its token in clear text, which is not stored."""

    token: str
    expires_at: datetime
    account: Account
    operator_role: OperatorRole | None


class Sessions:
    """Signs accounts in and out, and authenticates requests.

    Args:
        site_administrators: Whether the site's Administrators have the operator role administrator
            (``SITE_ADMINISTRATOR_SIGN_IN``).
    """

    def __init__(
        self,
        *,
        database: Database,
        store: SessionStore,
        clients: KnownClientStore,
        people: People,
        tokens: TokenStore,
        hashing: PasswordHashing,
        rate_limits: RateLimits,
        audit: Audit,
        hours: int,
        site_administrators: bool,
    ) -> None:
        self._database = database
        self._store = store
        self._clients = clients
        self._people = people
        self._tokens = tokens
        self._hashing = hashing
        self._rate_limits = rate_limits
        self._audit = audit
        self._hours = hours
        self._site_administrators = site_administrators

    async def sign_in(
        self, login: str, password: str, *, remote: str | None, user_agent: str | None
    ) -> SignedIn:
        """Open a session of an operator or of a site user.

        If both have this login, the password decides.

        Raises:
            InvalidCredentials: The login is unknown, the password is wrong, or the account is not
                active. The response and its duration are the same for all of these.
            SchemaChanging, SchemaDamaged: The same, while the site's accounts cannot be read.
                Operators can sign in.
            TooManyAttempts: A rate limit is exceeded.
            SignInBusy: Too many password hashes are pending.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        found = await self._people.by_login(login)
        await self._rate_limits.sign_in(login, remote, accounts=found.accounts)
        account = await self._with_password(found, password)
        if account is None:
            rejection: SysnddError = found.site_error or InvalidCredentials()
            async with minimum_duration(_MINIMUM_REJECTION_SECONDS - (loop.time() - started)):
                await self._audit.record(anyone(remote, login), "sign_in", outcome=rejection.code)
            raise rejection
        signed_in = await self._open(account, password, remote=remote, user_agent=user_agent)
        await self._rate_limits.sign_in_succeeded(login, remote)
        return signed_in

    async def _with_password(self, found: Found, password: str) -> Account | None:
        """Return the active account with this password.

        As many hashes are computed for an unknown login as for a known one. No database connection
        is held in the meantime.
        """
        accounts = found.accounts if await self._people.has_site_accounts() else [found.operator]
        matching = [
            await self._hashing.verify(password, account.password_hash if account else None)
            for account in accounts
        ]
        for account, matches in zip(accounts, matching, strict=True):
            if account is not None and matches and account.state == "active":
                return account
        return None

    async def _open(
        self, account: Account, password: str, *, remote: str | None, user_agent: str | None
    ) -> SignedIn:
        key, stored = account.key, account.password_hash
        assert stored is not None
        rehashed = await self._hashing.hash(password) if self._hashing.is_outdated(stored) else None
        token = new_token()
        store = self._people.store(key.realm)
        async with self._database.transaction() as tx:
            # The account may have been reset or deactivated while the hash was computed.
            now = await store.lock(tx, key.id)
            if now is None or (now.password_hash, now.state) != (stored, "active"):
                raise InvalidCredentials()
            if rehashed is not None:
                await store.set_password(tx, key.id, rehashed)
            await self._store.delete_expired(tx)
            await self._tokens.delete_old(tx)
            expires_at = await self._store.insert(
                tx,
                token_hash(token),
                key,
                hours=self._hours,
                remote=remote,
                user_agent=user_agent,
            )
            await store.touch_login(tx, key.id)
            await self._clients.note(tx, key, client_of(remote))
            await self._audit.write(tx, actor_from(account, remote), "sign_in")
        owner = await self._store.find(token_hash(token))
        role = self._actor(owner, remote).operator_role if owner is not None else None
        return SignedIn(token, expires_at, now, role)

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
        actor = self._actor(owner, remote)
        if not actor.may(access):
            if audit_as is not None:
                await self._audit.record(
                    actor, "access", outcome=NotAllowed.code, object_name=audit_as[:255]
                )
            raise NotAllowed()
        return actor

    def _actor(self, owner: SessionOwner, remote: str | None) -> Actor:
        return Actor(
            owner.key,
            owner.user_name,
            owner.role,
            self._operator_role(owner.role, also_operator=owner.also_operator),
            remote,
            owner.session_id,
        )

    def _operator_role(
        self, role: Role | OperatorRole, *, also_operator: bool
    ) -> OperatorRole | None:
        if isinstance(role, OperatorRole):
            return role
        # If a login exists in both realms, only the operator's password gives access.
        admitted = self._site_administrators and not also_operator
        return OperatorRole.ADMINISTRATOR if admitted and role is Role.ADMINISTRATOR else None

    async def own_account(self, actor: Actor) -> Account:
        """Return the account of the actor.

        Raises:
            NotSignedIn: The account no longer exists.
        """
        account = await self._people.by_key(actor.key)
        if account is None:
            raise NotSignedIn()
        return account

    async def of_actor(self, actor: Actor) -> list[OpenSession]:
        """Return the valid sessions of the actor's account, newest first."""
        return await self._store.of_account(await self.own_account(actor))

    async def of(self, key: AccountKey) -> list[OpenSession]:
        """Return the valid sessions of an account, newest first; empty if it does not exist."""
        account = await self._people.by_key(key)
        return await self._store.of_account(account) if account is not None else []

    async def end(self, actor: Actor, session_id: str) -> None:
        """End one of the actor's own sessions.

        Raises:
            SessionNotFound: It has ended, or belongs to another account.
        """
        assert actor.key is not None
        if not _SESSION_ID.fullmatch(session_id):
            raise SessionNotFound()
        async with self._database.transaction() as tx:
            if not await self._store.delete_one(tx, actor.key, session_id):
                raise SessionNotFound()
            await self._audit.write(tx, actor, "end_session", object_name=session_id)

    async def end_all(self, actor: Actor) -> int:
        """End all sessions of the actor, including the current one; return their number."""
        assert actor.key is not None
        async with self._database.transaction() as tx:
            ended = await self._store.delete_of(tx, actor.key)
            await self._audit.write(tx, actor, "end_sessions", detail={"ended": ended})
        return ended
