"""Administration of accounts. A new role or state revokes the account's sessions immediately."""

from typing import Any

from sysndd_api.accounts.mail import AccountMails
from sysndd_api.accounts.service import Accounts
from sysndd_api.accounts.store import UserStore
from sysndd_api.accounts.token_store import TokenStore
from sysndd_api.audit.service import Audit
from sysndd_api.security.access import Account, Actor, Role
from sysndd_api.sessions.store import SessionStore
from sysndd_api.users.models import AccountView, UserQuery
from sysndd_api.users.store import AdministrationStore
from sysndd_api.web.numeric_id import numeric_id
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import (
    AccountStateConflict,
    LastAdministrator,
    TokenKeyMissing,
    UserNotFound,
)


class Users:
    """Lists, approves, deactivates and reactivates accounts, and changes their roles."""

    def __init__(
        self,
        *,
        database: Database,
        store: AdministrationStore,
        accounts: Accounts,
        users: UserStore,
        sessions: SessionStore,
        tokens: TokenStore,
        mails: AccountMails,
        audit: Audit,
    ) -> None:
        self._database = database
        self._store = store
        self._accounts = accounts
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._mails = mails
        self._audit = audit

    async def page(self, query: UserQuery) -> tuple[list[AccountView], int]:
        """Return one page of accounts and the number of all that match."""
        return await self._store.page(query)

    async def get(self, user_id: str) -> AccountView:
        """Return one account.

        Args:
            user_id: The ID as it appears in the URL.

        Raises:
            UserNotFound: No account has this ID, or it is not a number.
        """
        user = await self._store.get(_number(user_id))
        if user is None:
            raise UserNotFound()
        return user

    async def by_name(self, user_name: str) -> str:
        """Return the ID of the account with a user name or address, for the command line.

        Raises:
            UserNotFound: No account has this name.
        """
        found = await self._users.by_login(user_name)
        if found is None:
            raise UserNotFound(f"There is no account named {user_name}.")
        return str(found.key.id)

    async def approve(self, actor: Actor, user_id: str) -> None:
        """Activate an account whose address is confirmed; idempotent.

        Raises:
            UserNotFound: No account has this ID.
            AccountStateConflict: The address is not confirmed, or the account is deactivated.
        """
        async with self._database.transaction() as tx:
            user = await self._lock(tx, user_id)
            if user.state == "active":
                return
            if user.state != "awaiting_approval":
                raise AccountStateConflict(f"The account is {user.state}.")
            await self._store.set_state(tx, user.key.id, "active")
            await self._mails.notice(tx, "approved", user.email, user.user_name)
            await self._audit.write(tx, actor, "approve_user", object_name=user.user_name)

    async def deactivate(self, actor: Actor, user_id: str) -> None:
        """Deactivate an account, and revoke its sessions and pending links; idempotent.

        Raises:
            UserNotFound: No account has this ID.
            LastAdministrator: It is the only active account that could administer the platform.
        """
        async with self._database.transaction() as tx:
            await self._store.lock_administrators(tx)
            user = await self._lock(tx, user_id)
            if user.state == "deactivated":
                return
            await self._check_not_last_administrator(tx, user)
            await self._store.set_state(tx, user.key.id, "deactivated")
            await self._tokens.revoke(tx, user.key)
            ended = await self._sessions.delete_of(tx, user.key)
            await self._audit.write(
                tx,
                actor,
                "deactivate_user",
                object_name=user.user_name,
                detail={"sessions_ended": ended},
            )

    async def reactivate(self, actor: Actor, user_id: str) -> None:
        """Reactivate a deactivated account; idempotent.

        Raises:
            UserNotFound: No account has this ID.
        """
        async with self._database.transaction() as tx:
            user = await self._lock(tx, user_id)
            if user.state != "deactivated":
                return
            state = await self._store.reactivate(tx, user.key.id)
            await self._audit.write(
                tx, actor, "reactivate_user", object_name=user.user_name, detail={"state": state}
            )

    async def change_role(self, actor: Actor, user_id: str, role: Role) -> None:
        """Change the role of an account and revoke its sessions.

        All administrators are notified of a new administrator.

        Raises:
            UserNotFound: No account has this ID.
            LastAdministrator: It is the only active account that could administer the platform.
        """
        async with self._database.transaction() as tx:
            await self._store.lock_administrators(tx)
            user = await self._lock(tx, user_id)
            if user.role == role:
                return
            await self._check_not_last_administrator(tx, user)
            await self._store.set_role(tx, user.key.id, role)
            ended = await self._sessions.delete_of(tx, user.key)
            if role is Role.ADMINISTRATOR:
                await self._notify_administrators(tx, actor, user)
            detail = {"from": user.role, "to": str(role), "sessions_ended": ended}
            await self._audit.write(
                tx, actor, "change_role", object_name=user.user_name, detail=detail
            )

    async def resend_confirmation(self, actor: Actor, user_id: str) -> None:
        """Resend the email that confirms the account's address.

        Raises:
            UserNotFound: No account has this ID.
            TokenKeyMissing: TOKEN_KEY is not set, so links cannot be created.
            AccountStateConflict: The address is already confirmed.
        """
        if not self._tokens.can_issue:
            raise TokenKeyMissing()
        async with self._database.transaction() as tx:
            user = await self._lock(tx, user_id)
            if not await self._accounts.send_link(tx, user.email):
                raise AccountStateConflict(f"The account is {user.state}.")
            await self._audit.write(tx, actor, "resend_confirmation", object_name=user.user_name)

    async def end_sessions(self, actor: Actor, user_id: str) -> int:
        """Revoke all sessions of an account; return their number.

        Raises:
            UserNotFound: No account has this ID.
        """
        async with self._database.transaction() as tx:
            user = await self._lock(tx, user_id)
            ended = await self._sessions.delete_of(tx, user.key)
            detail: dict[str, Any] = {"ended": ended}
            await self._audit.write(
                tx, actor, "end_sessions", object_name=user.user_name, detail=detail
            )
        return ended

    async def _lock(self, tx: Transaction, user_id: str) -> Account:
        user = await self._users.lock(tx, _number(user_id))
        if user is None:
            raise UserNotFound()
        return user

    async def _check_not_last_administrator(self, tx: Transaction, user: Account) -> None:
        # The caller holds the lock on transaction_guard, so the count cannot change concurrently.
        active = [one.key for one in await self._store.administrators(tx)]
        if active == [user.key] and not await self._store.operator_administrators(tx):
            raise LastAdministrator()

    async def _notify_administrators(self, tx: Transaction, actor: Actor, user: Account) -> None:
        recipients = {one.email for one in await self._store.administrators(tx)} | {user.email}
        recipients |= set(await self._store.operator_administrators(tx))
        for email in sorted(recipients):
            await self._mails.notice(
                tx, "new_administrator", email, user.user_name, granted_by=actor.user_name
            )


def _number(user_id: str) -> int:
    number = numeric_id(user_id)
    if number is None:
        raise UserNotFound()
    return number
