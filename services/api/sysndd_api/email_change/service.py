"""Changes an account's address once both the old and the new address have confirmed it."""

import pymysql.err

from sysndd_api.accounts.mail import AccountMails
from sysndd_api.accounts.service import MINIMUM_RESPONSE_SECONDS
from sysndd_api.accounts.store import UserStore
from sysndd_api.accounts.token_store import LinkToken, TokenStore
from sysndd_api.audit.service import Audit
from sysndd_api.email_change.store import EmailChange, EmailChangeStore
from sysndd_api.password_reset.service import PasswordReset
from sysndd_api.security.access import Account, Actor, actor_from, anyone
from sysndd_api.security.sign_in_limits import RateLimits, minimum_duration
from sysndd_core.accounts import Realm
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import LinkInvalid, NotAllowed, TokenKeyMissing, TooManyAttempts
from sysndd_core.mail.link_tokens import TokenPurpose

_SIDES = (TokenPurpose.EMAIL_OLD, TokenPurpose.EMAIL_NEW)


class EmailChanges:
    """Requests and confirms email changes."""

    def __init__(
        self,
        *,
        database: Database,
        store: EmailChangeStore,
        users: UserStore,
        tokens: TokenStore,
        mails: AccountMails,
        rate_limits: RateLimits,
        audit: Audit,
        passwords: PasswordReset,
        minutes: int,
    ) -> None:
        self._database = database
        self._store = store
        self._users = users
        self._tokens = tokens
        self._mails = mails
        self._rate_limits = rate_limits
        self._audit = audit
        self._passwords = passwords
        self._minutes = minutes

    async def request(self, actor: Actor, email: str, password: str) -> None:
        """Email a link to the current address and one to the new address.

        Only the owner of the new address learns that it belongs to another account.

        Raises:
            WrongCurrentPassword: The password is wrong.
            TooManyAttempts: A rate limit is exceeded.
            TokenKeyMissing: TOKEN_KEY is not set, so links cannot be created.
            SignInBusy: Too many password hashes are pending.
            NotAllowed: The actor is an operator.
        """
        if actor.key is not None and actor.key.realm is Realm.OPERATOR:
            raise NotAllowed("An administrator changes the email address of an operator.")
        if not self._tokens.can_issue:
            raise TokenKeyMissing()
        user = await self._passwords.check_current_password(actor, password, "request_email_change")
        if not await self._rate_limits.may_mail("email", user.email):
            raise TooManyAttempts()
        async with minimum_duration(MINIMUM_RESPONSE_SECONDS):
            may_mail = await self._rate_limits.may_mail("email", email)
            async with self._database.transaction() as tx:
                other = await self._users.lock_by_email(tx, email)
                for purpose in _SIDES:
                    await self._tokens.revoke(tx, user.key, purpose)
                await self._send(tx, user, email, other, may_mail=may_mail)
                await self._audit.write(tx, actor, "request_email_change", object_name=email)

    async def _send(
        self, tx: Transaction, user: Account, email: str, other: Account | None, *, may_mail: bool
    ) -> None:
        ids = [
            await self._tokens.issue(tx, purpose, user.key, minutes=self._minutes)
            for purpose in _SIDES
        ]
        old, new = ids
        await self._store.insert(tx, user.key.id, email, old_token=old, new_token=new)
        await self._mails.link(
            tx,
            TokenPurpose.EMAIL_OLD,
            old,
            key=user.key,
            user_name=user.user_name,
            recipient=user.email,
            minutes=self._minutes,
            new_email=email,
        )
        if not may_mail:
            return
        if other is None or other.key == user.key:
            await self._mails.link(
                tx,
                TokenPurpose.EMAIL_NEW,
                new,
                key=user.key,
                user_name=user.user_name,
                recipient=email,
                minutes=self._minutes,
            )
        else:
            await self._mails.notice(tx, "registered_again", other.email, other.user_name)

    async def confirm(self, token: str, *, remote: str | None) -> str:
        """Record the confirmation by one address; the second one changes the address.

        Returns:
            ``changed`` or ``waiting_for_the_other``.

        Raises:
            LinkInvalid: The token was used, expired, replaced or forged, has another purpose, or
                the new address was taken in the meantime.
            TooManyAttempts: A rate limit is exceeded.
        """
        await self._rate_limits.check("confirm_email_change", remote)
        actor = anyone(remote)
        async with self._audit.record_rejections(actor, "confirm_email_change", LinkInvalid):
            try:
                async with self._database.transaction() as tx:
                    return await self._confirm(tx, token, remote)
            except pymysql.err.IntegrityError as error:
                raise LinkInvalid() from error

    async def _confirm(self, tx: Transaction, token: str, remote: str | None) -> str:
        fresh = False
        row: LinkToken | None = None
        for purpose in _SIDES:
            fresh = await self._tokens.use(tx, token, purpose)
            row = await self._tokens.find(tx, token, purpose)
            if row is not None:
                break
        change = await self._store.lock(tx, row.id) if row is not None else None
        user = await self._users.lock(tx, row.key.id) if row is not None else None
        if (
            row is None
            or change is None
            or user is None
            or user.state != "active"
            or row.created_at < user.created_at
        ):
            raise LinkInvalid()
        if not fresh:
            # A repeated confirmation returns the current state, unless the change is obsolete.
            if row.used_at is not None and change.finished_at is not None:
                if user.email == change.new_email:
                    return "changed"
            elif row.used_at is not None and not await self._is_closed(tx, change):
                return "waiting_for_the_other"
            raise LinkInvalid()
        actor = actor_from(user, remote)
        if not await self._store.confirm(tx, change, row.id):
            await self._audit.write(tx, actor, "confirm_email_change", object_name=change.new_email)
            return "waiting_for_the_other"
        await self._users.set_email(tx, user.key.id, change.new_email)
        await self._store.finish(tx, change.id)
        await self._tokens.revoke(tx, user.key)
        await self._mails.notice(
            tx, "email_changed", user.email, user.user_name, new_email=change.new_email
        )
        detail = {"from": user.email, "to": change.new_email}
        await self._audit.write(
            tx, actor, "change_email", object_name=user.user_name, detail=detail
        )
        return "changed"

    async def _is_closed(self, tx: Transaction, change: EmailChange) -> bool:
        """Return whether the other address can no longer confirm the change."""
        done = change.old_confirmed_at is not None
        other = change.new_token if done else change.old_token
        return not await self._tokens.is_pending(tx, other)
