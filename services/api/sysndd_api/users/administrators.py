"""The reset of a lost password of a site Administrator on the command line."""

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
    """Sets passwords of site Administrators, without a signed-in account."""

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

    async def set_password(self, user_name: str, password: str) -> None:
        """Set the password of a site Administrator; revoke the sessions and pending links.

        Raises:
            Conflict: There is no active site Administrator with this name.
        """
        encoded = await self._hashing.hash(password)
        async with self._database.transaction() as tx:
            found = await self._store.lock_by_name(tx, user_name, user_name)
            if found is None or (found.role, found.state) != (Role.ADMINISTRATOR, "active"):
                raise Conflict(
                    f"There is no operator and no active site Administrator named {user_name}."
                )
            await self._users.set_password(tx, found.key.id, encoded)
            await self._sessions.delete_of(tx, found.key)
            await self._tokens.revoke(tx, found.key)
            await self._mails.notice(tx, "password_changed", found.email, found.user_name)
            await self._audit.write(tx, COMMAND_LINE, "set_password", object_name=user_name)
