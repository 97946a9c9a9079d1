"""Administrators created on the command line, and the reset of a lost administrator password."""

from sysndd_api.accounts.mail import AccountMails
from sysndd_api.accounts.store import UserStore
from sysndd_api.accounts.token_store import TokenStore
from sysndd_api.audit.service import Audit
from sysndd_api.security.access import COMMAND_LINE, Role
from sysndd_api.security.passwords import PasswordHashing
from sysndd_api.sessions.store import SessionStore
from sysndd_api.users.store import AdministrationStore
from sysndd_core.db.database import Database
from sysndd_core.errors import Conflict


class Administrators:
    """Creates administrators and sets their passwords, without a signed-in account."""

    def __init__(
        self,
        *,
        database: Database,
        store: AdministrationStore,
        users: UserStore,
        sessions: SessionStore,
        tokens: TokenStore,
        hashing: PasswordHashing,
        mails: AccountMails,
        audit: Audit,
    ) -> None:
        self._database = database
        self._store = store
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._hashing = hashing
        self._mails = mails
        self._audit = audit

    async def create_administrator(self, user_name: str, email: str, password: str) -> bool:
        """Create an active administrator; idempotent. All others are notified by email.

        Returns:
            True if it was created. False if exactly this account already exists; its password is
            not changed.

        Raises:
            Conflict: The name or address belongs to another account, or to an account that is not
                an active administrator. Existing accounts are never taken over or promoted.
        """
        encoded = await self._hashing.hash(password)
        async with self._database.transaction() as tx:
            found = await self._store.lock_by_name(tx, user_name, email)
            if found is None:
                others = await self._store.administrators(tx)
                await self._store.insert_administrator(
                    tx, user_name=user_name, email=email, password_hash=encoded
                )
                for one in others:
                    await self._mails.notice(
                        tx,
                        "new_administrator",
                        one.email,
                        user_name,
                        granted_by=COMMAND_LINE.user_name,
                    )
                await self._audit.write(
                    tx, COMMAND_LINE, "create_administrator", object_name=user_name
                )
                return True
        same = (found.user_name.lower(), found.email.lower()) == (
            user_name.lower(),
            email.lower(),
        )
        if same and found.role == Role.ADMINISTRATOR and found.state == "active":
            return False
        raise Conflict(
            f"An account with this name or address already exists: {found.user_name},"
            f" {found.role}, {found.state}."
        )

    async def set_password(self, user_name: str, password: str) -> None:
        """Set an administrator's password, and revoke the account's sessions and pending links.

        Raises:
            Conflict: There is no active administrator with this name.
        """
        encoded = await self._hashing.hash(password)
        async with self._database.transaction() as tx:
            found = await self._store.lock_by_name(tx, user_name, user_name)
            if found is None or (found.role, found.state) != (Role.ADMINISTRATOR, "active"):
                raise Conflict(f"There is no active administrator named {user_name}.")
            await self._users.set_password(tx, found.user_id, encoded)
            await self._sessions.delete_of_user(tx, found.user_id)
            await self._tokens.revoke(tx, found.user_id)
            await self._mails.notice(tx, "password_changed", found.email, found.user_name)
            await self._audit.write(tx, COMMAND_LINE, "set_password", object_name=user_name)
