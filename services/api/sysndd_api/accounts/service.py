"""Accounts, and the first administrator."""

from typing import Any

from sysndd_api.accounts.store import UserStore
from sysndd_api.audit.service import Audit
from sysndd_api.auth import COMMAND_LINE, PasswordHashing, Role
from sysndd_api.sessions.store import SessionStore
from sysndd_core.database import Database
from sysndd_core.errors import Conflict, NotSignedIn


class Accounts:
    """What can be done with accounts."""

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
