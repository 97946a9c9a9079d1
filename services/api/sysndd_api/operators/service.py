"""Administration of operators. A new role or state revokes the operator's sessions immediately."""

from typing import Any

import pymysql.err

from sysndd_api.accounts.mail import AccountMails
from sysndd_api.accounts.operator_store import OperatorStore
from sysndd_api.accounts.people import People
from sysndd_api.accounts.token_store import TokenStore
from sysndd_api.audit.service import Audit
from sysndd_api.operators.models import OperatorChange, OperatorQuery, OperatorView
from sysndd_api.operators.store import OperatorAdministrationStore
from sysndd_api.security.access import COMMAND_LINE, Account, Actor, OperatorRole
from sysndd_api.security.passwords import PasswordHashing
from sysndd_api.sessions.store import SessionStore
from sysndd_api.users.store import AdministrationStore
from sysndd_api.web.numeric_id import numeric_id
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import (
    AccountStateConflict,
    Conflict,
    LastAdministrator,
    OperatorNotFound,
    TokenKeyMissing,
)
from sysndd_core.mail.link_tokens import TokenPurpose


class Operators:
    """Lists, invites, creates, changes and disables operators.

    Args:
        invitation_hours: Hours for which the link of an invitation is valid.
    """

    def __init__(
        self,
        *,
        database: Database,
        store: OperatorAdministrationStore,
        operators: OperatorStore,
        people: People,
        guard: AdministrationStore,
        sessions: SessionStore,
        tokens: TokenStore,
        hashing: PasswordHashing,
        mails: AccountMails,
        audit: Audit,
        invitation_hours: int,
    ) -> None:
        self._database = database
        self._store = store
        self._operators = operators
        self._people = people
        self._guard = guard
        self._sessions = sessions
        self._tokens = tokens
        self._hashing = hashing
        self._mails = mails
        self._audit = audit
        self._invitation_minutes = invitation_hours * 60

    async def page(self, query: OperatorQuery) -> tuple[list[OperatorView], int]:
        """Return one page of operators and the number of all that match."""
        return await self._store.page(query)

    async def get(self, operator_id: str) -> OperatorView:
        """Return one operator, with a remark if a site user has the same login.

        Args:
            operator_id: The ID as it appears in the URL.

        Raises:
            OperatorNotFound: No operator has this ID, or it is not a number.
        """
        found = await self._store.get(_number(operator_id))
        if found is None:
            raise OperatorNotFound()
        return found.model_copy(update={"remark": await self._clash(found.user_name, found.email)})

    async def by_name(self, user_name: str) -> str:
        """Return the ID of the operator with a user name or address, for the command line.

        Raises:
            OperatorNotFound: No operator has this name.
        """
        found = await self._operators.by_login(user_name)
        if found is None:
            raise OperatorNotFound(f"There is no operator named {user_name}.")
        return str(found.key.id)

    async def invite(
        self, actor: Actor, user_name: str, email: str, role: OperatorRole
    ) -> OperatorView:
        """Create an operator who chooses a password with an emailed link.

        Raises:
            Conflict: An operator has this name or address.
            TokenKeyMissing: TOKEN_KEY is not set, so links cannot be created.
        """
        if not self._tokens.can_issue:
            raise TokenKeyMissing()
        operator_id = await self._create(actor, user_name, email, role, None)
        return await self.get(str(operator_id))

    async def create(
        self, user_name: str, email: str, role: OperatorRole, password: str
    ) -> tuple[OperatorView, bool]:
        """Create an active operator on the command line; idempotent.

        Returns:
            The operator, and whether it was created: False if exactly this operator exists
            already; the password is not changed then.

        Raises:
            Conflict: The name or address belongs to another operator, or to one with another role
                or state. Existing operators are never taken over or promoted.
        """
        encoded = await self._hashing.hash(password)
        found = await self._operators.by_login(user_name)
        same = found is not None and (
            found.user_name.lower(),
            found.email.lower(),
            found.role,
            found.state,
        ) == (user_name.lower(), email.lower(), role, "active")
        if found is not None and same:
            return await self.get(str(found.key.id)), False
        operator_id = await self._create(COMMAND_LINE, user_name, email, role, encoded)
        return await self.get(str(operator_id)), True

    async def _create(
        self,
        actor: Actor,
        user_name: str,
        email: str,
        role: OperatorRole,
        password_hash: str | None,
    ) -> int:
        try:
            async with self._database.transaction() as tx:
                await self._guard.lock_administrators(tx)
                await self._check_free(tx, user_name, email)
                notified = await self._store.administrators(tx)
                operator_id = await self._store.insert(
                    tx, user_name=user_name, email=email, role=role, password_hash=password_hash
                )
                if password_hash is None:
                    await self._send_invitation(tx, actor, await self._lock(tx, str(operator_id)))
                if role is OperatorRole.ADMINISTRATOR:
                    await self._notify(tx, actor, user_name, {one.email for one in notified})
                await self._audit.write(
                    tx, actor, "create_operator", object_name=user_name, detail={"role": role}
                )
        except pymysql.err.IntegrityError as error:
            raise Conflict("An operator has this name or address.") from error
        return operator_id

    async def _check_free(self, tx: Transaction, user_name: str, email: str) -> None:
        found = await self._store.lock_by_name(tx, user_name, email)
        if found is not None:
            raise Conflict(
                "An operator with this name or address already exists:"
                f" {found.user_name}, {found.role}, {found.state}."
            )

    async def resend_invitation(self, actor: Actor, operator_id: str) -> None:
        """Email a new link to an invited operator; earlier links stop working.

        Raises:
            OperatorNotFound: No operator has this ID.
            AccountStateConflict: The operator has accepted the invitation, or is disabled.
            TokenKeyMissing: TOKEN_KEY is not set, so links cannot be created.
        """
        if not self._tokens.can_issue:
            raise TokenKeyMissing()
        async with self._database.transaction() as tx:
            found = await self._lock(tx, operator_id)
            if found.state != "invited":
                raise AccountStateConflict(f"The operator is {found.state}.")
            await self._tokens.revoke(tx, found.key, TokenPurpose.INVITATION)
            await self._send_invitation(tx, actor, found)
            await self._audit.write(tx, actor, "resend_invitation", object_name=found.user_name)

    async def _send_invitation(self, tx: Transaction, actor: Actor, found: Account) -> None:
        purpose, minutes = TokenPurpose.INVITATION, self._invitation_minutes
        token_id = await self._tokens.issue(tx, purpose, found.key, minutes=minutes)
        await self._mails.link(
            tx,
            purpose,
            token_id,
            key=found.key,
            user_name=found.user_name,
            recipient=found.email,
            minutes=minutes,
            invited_by=actor.user_name,
            role=found.role.value,
        )

    async def change(self, actor: Actor, operator_id: str, change: OperatorChange) -> OperatorView:
        """Change the role, state or address of an operator.

        A new role or state revokes the sessions. All administrators are notified of a new
        administrator, and the previous address of a new address.

        Raises:
            OperatorNotFound: No operator has this ID.
            LastAdministrator: The operator is the only active administrator.
            Conflict: The address belongs to another operator.
        """
        try:
            async with self._database.transaction() as tx:
                await self._guard.lock_administrators(tx)
                found = await self._lock(tx, operator_id)
                if change.role is not None and change.role is not found.role:
                    await self._change_role(tx, actor, found, change.role)
                if change.state == "disabled" and found.state != "disabled":
                    await self._disable(tx, actor, found)
                if change.state == "active" and found.state == "disabled":
                    await self._store.enable(tx, found.key.id)
                    await self._audit.write(
                        tx, actor, "enable_operator", object_name=found.user_name
                    )
                if change.email is not None and change.email != found.email:
                    await self._change_email(tx, actor, found, change.email)
        except pymysql.err.IntegrityError as error:
            raise Conflict("Another operator has this address.") from error
        return await self.get(operator_id)

    async def _change_role(
        self, tx: Transaction, actor: Actor, found: Account, role: OperatorRole
    ) -> None:
        administrators = await self._check_not_last(tx, found)
        await self._store.set_role(tx, found.key.id, role)
        ended = await self._sessions.delete_of(tx, found.key)
        if role is OperatorRole.ADMINISTRATOR:
            await self._notify(tx, actor, found.user_name, {*administrators, found.email})
        detail = {"from": found.role, "to": role, "sessions_ended": ended}
        await self._audit.write(
            tx, actor, "change_operator_role", object_name=found.user_name, detail=detail
        )

    async def _disable(self, tx: Transaction, actor: Actor, found: Account) -> None:
        await self._check_not_last(tx, found)
        await self._store.disable(tx, found.key.id)
        await self._tokens.revoke(tx, found.key)
        detail: dict[str, Any] = {"sessions_ended": await self._sessions.delete_of(tx, found.key)}
        await self._audit.write(
            tx, actor, "disable_operator", object_name=found.user_name, detail=detail
        )

    async def _change_email(
        self, tx: Transaction, actor: Actor, found: Account, email: str
    ) -> None:
        await self._store.set_email(tx, found.key.id, email)
        # A link that was sent to the previous address must not set the password any more.
        await self._tokens.revoke(tx, found.key)
        await self._mails.notice(tx, "email_changed", found.email, found.user_name, new_email=email)
        await self._audit.write(
            tx,
            actor,
            "change_operator_email",
            object_name=found.user_name,
            detail={"from": found.email, "to": email},
        )

    async def _check_not_last(self, tx: Transaction, found: Account) -> list[str]:
        """Return the addresses of the active administrators.

        The caller holds the lock on ``transaction_guard``, so they cannot change concurrently.
        """
        administrators = await self._store.administrators(tx)
        if [one.key for one in administrators] == [found.key]:
            raise LastAdministrator()
        return [one.email for one in administrators]

    async def end_sessions(self, actor: Actor, operator_id: str) -> int:
        """Revoke all sessions of an operator; return their number.

        Raises:
            OperatorNotFound: No operator has this ID.
        """
        async with self._database.transaction() as tx:
            found = await self._lock(tx, operator_id)
            ended = await self._sessions.delete_of(tx, found.key)
            detail: dict[str, Any] = {"ended": ended}
            await self._audit.write(
                tx, actor, "end_sessions", object_name=found.user_name, detail=detail
            )
        return ended

    async def set_password(self, user_name: str, password: str) -> bool:
        """Set the password of an operator on the command line, and revoke sessions and links.

        An invited operator becomes active.

        Returns:
            False if no operator has this name.

        Raises:
            AccountStateConflict: The operator is disabled.
        """
        encoded = await self._hashing.hash(password)
        async with self._database.transaction() as tx:
            found = await self._store.lock_by_name(tx, user_name, user_name)
            if found is None:
                return False
            if found.state == "disabled":
                raise AccountStateConflict(
                    f"The operator {found.user_name} is disabled. Enable the account with:"
                    f" sysndd-admin operator enable {found.user_name}"
                )
            await self._operators.set_password(tx, found.key.id, encoded)
            await self._sessions.delete_of(tx, found.key)
            await self._tokens.revoke(tx, found.key)
            await self._mails.notice(tx, "password_changed", found.email, found.user_name)
            await self._audit.write(tx, COMMAND_LINE, "set_password", object_name=found.user_name)
        return True

    async def _clash(self, user_name: str, email: str) -> str | None:
        users = [(await self._people.by_login(login)).user for login in (user_name, email)]
        names = sorted({user.user_name for user in users if user is not None})
        if not names:
            return None
        return (
            f"The site user {' and '.join(names)} has the same user name or address. For the"
            " operator pages, only the operator's password is accepted."
        )

    async def _notify(
        self, tx: Transaction, actor: Actor, user_name: str, recipients: set[str]
    ) -> None:
        for email in sorted(recipients):
            await self._mails.notice(
                tx, "new_administrator", email, user_name, granted_by=actor.user_name
            )

    async def _lock(self, tx: Transaction, operator_id: str) -> Account:
        found = await self._operators.lock(tx, _number(operator_id))
        if found is None:
            raise OperatorNotFound()
        return found


def _number(operator_id: str) -> int:
    number = numeric_id(operator_id)
    if number is None:
        raise OperatorNotFound()
    return number
