"""Registering and confirming, and the first administrator."""

from typing import Any

import pymysql.err

from sysndd_api.account_parts import AccountParts
from sysndd_api.accounts.models import RegisterRequest
from sysndd_api.accounts.store import as_often
from sysndd_api.attempts import same_time
from sysndd_api.auth import COMMAND_LINE, Actor, Role, anyone
from sysndd_api.passwords import check_password
from sysndd_core.db.database import Row, Transaction
from sysndd_core.errors import Conflict, LinkNotValid, LinksNotPossible, NotSignedIn
from sysndd_core.mail.link_tokens import TokenPurpose

EVEN_SECONDS = 0.4
"""What an answer takes that must not tell whether an address is known; longer than any of them."""


class Accounts:
    """What can be done with accounts."""

    def __init__(self, parts: AccountParts) -> None:
        self._database = parts.database
        self._users = parts.users
        self._sessions = parts.sessions
        self._tokens = parts.tokens
        self._hashing = parts.hashing
        self._mails = parts.mails
        self._attempts = parts.attempts
        self._audit = parts.audit
        self._settings = parts.settings

    async def register(self, wanted: RegisterRequest, *, remote: str | None) -> None:
        """Make an account and mail its link, or tell the owner of the address why there is none.

        Raises:
            PasswordRefused, TooManyAttempts, LinksNotPossible, SignInBusy: for every address alike.
        """
        password = wanted.password.get_secret_value()
        check_password(password, own=(wanted.user_name, wanted.email))
        if not self._tokens.can_issue:
            raise LinksNotPossible()
        async with same_time(EVEN_SECONDS):
            found = await self._users.by_email(wanted.email)
            await self._attempts.ask("register", remote, account=found)
            may_mail = await self._attempts.may_mail("register", wanted.email)
            # Both always, so that they take the same time for everybody.
            encoded = await self._hashing.hash(password)
            waiting = found["password_hash"] if found and found["state"] == "unconfirmed" else None
            same = await self._hashing.verify(password, waiting)
            agreed = waiting if same else None
            for attempt in (1, 2):
                try:
                    await self._register(wanted, encoded, agreed, remote, may_mail=may_mail)
                    return
                except pymysql.err.IntegrityError:
                    # Somebody took name or address in between; the second time it is found.
                    if attempt == 2:
                        raise

    async def _register(
        self,
        wanted: RegisterRequest,
        encoded: str,
        agreed: str | None,
        remote: str | None,
        *,
        may_mail: bool,
    ) -> None:
        actor = anyone(remote, wanted.user_name)
        async with self._database.transaction() as tx:
            found = await self._users.lock_by_email(tx, wanted.email)
            name_taken = await self._users.has_name(tx, wanted.user_name)
            outcome = "ok"
            # Every course of it has three statements here, the longest one's insert, token, mail.
            if found is not None and found["state"] == "unconfirmed":
                outcome = "again"
                await self._again(tx, found, agreed, may_mail=may_mail)
            elif found is not None:
                outcome = "address_known"
                await as_often(tx, 2)
                if may_mail:
                    await self._mails.notice(
                        tx, "registered_again", found["email"], found["user_name"]
                    )
            elif name_taken:
                outcome = "name_taken"
                await as_often(tx, 2)
                if may_mail:
                    await self._mails.notice(tx, "name_taken", wanted.email, wanted.user_name)
            else:
                values = wanted.model_dump(exclude={"password"}) | {"password_hash": encoded}
                user_id = await self._users.insert(tx, values)
                if may_mail:
                    await self._link(tx, values | {"user_id": user_id})
            await self._audit.write(tx, actor, "register", outcome=outcome, obj=wanted.email)
        if not may_mail:
            await self._mails.nothing()

    async def _again(
        self, tx: Transaction, user: Row, agreed: str | None, *, may_mail: bool
    ) -> None:
        """Register an address once more that nobody has confirmed.

        With another password it may be another person: then neither password is good, because the
        one who reads the mails would otherwise open an account for the other.
        """
        if user["password_hash"] is not None and user["password_hash"] != agreed:
            await self._users.set_password(tx, user["user_id"], None)
            user = user | {"password_hash": None}
        else:
            await as_often(tx, 1)
        if may_mail:
            await self._link(tx, user)

    async def _link(self, tx: Transaction, user: Row) -> None:
        """Mail a link that confirms the account's address."""
        minutes = self._settings.confirm_hours * 60
        purpose = TokenPurpose.CONFIRM
        token_id = await self._tokens.issue(tx, purpose, user["user_id"], minutes=minutes)
        again = user["password_hash"] is None
        await self._mails.link(tx, user, purpose, token_id, minutes=minutes, again=again)

    async def resend(self, email: str, *, remote: str | None) -> None:
        """Mail the link once more to an address that nobody has confirmed.

        Raises:
            TooManyAttempts, LinksNotPossible: for every address alike.
        """
        if not self._tokens.can_issue:
            raise LinksNotPossible()
        async with same_time(EVEN_SECONDS):
            user = await self._users.by_email(email)
            await self._attempts.ask("resend", remote, account=user)
            may_mail = await self._attempts.may_mail("confirm", email)
            async with self._database.transaction() as tx:
                sent = await self.send_link(tx, email) if may_mail else False
                await as_often(tx, 0 if sent else 2)
                outcome = "ok" if sent else "nothing_sent"
                await self._audit.write(tx, anyone(remote), "resend", outcome=outcome, obj=email)
            if not sent:
                await self._mails.nothing()

    async def send_link(self, tx: Transaction, email: str) -> bool:
        """Mail the link that confirms an address; tell whether there was anything to confirm."""
        user = await self._users.lock_by_email(tx, email)
        if user is None or user["state"] != "unconfirmed":
            return False
        await self._link(tx, user)
        return True

    async def confirm(self, token: str, *, remote: str | None) -> str:
        """Use a token up and open its account.

        Returns:
            ``active``, ``awaiting_approval`` or ``already_active``.

        Raises:
            LinkNotValid: used for another account's state, expired, made for something else, forged.
            TooManyAttempts.
        """
        await self._attempts.ask("confirm", remote)
        purpose = TokenPurpose.CONFIRM
        async with (
            self._audit.refusals(anyone(remote), "confirm", LinkNotValid),
            self._database.transaction() as tx,
        ):
            fresh = await self._tokens.use(tx, token, purpose)
            row = await self._tokens.find(tx, token, purpose)
            user = await self._users.lock(tx, row["user_id"]) if row is not None else None
            # An id is given out again after a restore; a token older than its account is not its.
            if row is None or user is None or row["created_at"] < user["created_at"]:
                raise LinkNotValid()
            return await self._confirm(tx, user, remote, fresh=fresh)

    async def _confirm(self, tx: Transaction, user: Row, remote: str | None, *, fresh: bool) -> str:
        if user["state"] == "active":
            return "already_active"
        if user["state"] == "awaiting_approval":
            return "awaiting_approval"
        if not fresh or user["state"] != "unconfirmed":
            raise LinkNotValid()
        state = "awaiting_approval" if self._settings.approval else "active"
        await self._users.confirm(tx, user["user_id"], state)
        await self._tokens.revoke(tx, user["user_id"], TokenPurpose.CONFIRM)
        actor = Actor(user["user_id"], user["user_name"], Role(user["role"]), remote)
        await self._audit.write(
            tx, actor, "confirm", obj=user["user_name"], detail={"state": state}
        )
        return state

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
        """Create an active Administrator; safe to repeat. The others are told by mail.

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
                others = await self._users.administrators(tx)
                await self._users.insert_administrator(
                    tx, user_name=user_name, email=email, password_hash=encoded
                )
                for one in others:
                    await self._mails.notice(
                        tx,
                        "new_administrator",
                        one["email"],
                        user_name,
                        granted_by=COMMAND_LINE.user_name,
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
        """Set an Administrator's password; all its sessions and pending links end.

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
            await self._tokens.revoke(tx, found["user_id"])
            await self._mails.notice(tx, "password_changed", found["email"], found["user_name"])
            await self._audit.write(tx, COMMAND_LINE, "set_password", obj=user_name)
