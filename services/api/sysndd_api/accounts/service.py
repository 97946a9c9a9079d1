"""Registers accounts and confirms their addresses."""

import pymysql.err

from sysndd_api.accounts.mail import AccountMails
from sysndd_api.accounts.models import RegisterRequest
from sysndd_api.accounts.store import UserStore, pad_statement_count
from sysndd_api.accounts.token_store import TokenStore
from sysndd_api.audit.service import Audit
from sysndd_api.security.access import Account, actor_from, anyone
from sysndd_api.security.passwords import PasswordHashing, check_password
from sysndd_api.security.sign_in_limits import RateLimits, minimum_duration
from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import LinkInvalid, TokenKeyMissing
from sysndd_core.mail.link_tokens import TokenPurpose
from sysndd_core.settings.accounts import AccountSettings

MINIMUM_RESPONSE_SECONDS = 0.4
"""Minimum duration of responses that must not reveal whether an address is known."""


class Accounts:
    """Registers accounts and confirms their addresses."""

    def __init__(
        self,
        *,
        database: Database,
        users: UserStore,
        tokens: TokenStore,
        hashing: PasswordHashing,
        mails: AccountMails,
        rate_limits: RateLimits,
        audit: Audit,
        settings: AccountSettings,
        site_name: str,
    ) -> None:
        self._database = database
        self._users = users
        self._tokens = tokens
        self._hashing = hashing
        self._mails = mails
        self._rate_limits = rate_limits
        self._audit = audit
        self._confirm_minutes = settings.confirm_hours * 60
        self._site_name = site_name
        self._state_after_confirmation = "awaiting_approval" if settings.approval else "active"

    async def register(self, request: RegisterRequest, *, remote: str | None) -> None:
        """Create an account and email its link, or notify the owner of an existing account.

        Raises:
            PasswordRejected: The password is too short, too long, or commonly used.
            TooManyAttempts: A rate limit is exceeded.
            TokenKeyMissing: TOKEN_KEY is not set, so links cannot be created.
            SignInBusy: Too many password hashes are pending.
        """
        password = request.password.get_secret_value()
        own = (request.user_name, request.email)
        check_password(password, site_name=self._site_name, own=own)
        if not self._tokens.can_issue:
            raise TokenKeyMissing()
        async with minimum_duration(MINIMUM_RESPONSE_SECONDS):
            found = await self._users.by_email(request.email)
            await self._rate_limits.check("register", remote, accounts=[found])
            may_mail = await self._rate_limits.may_mail("register", request.email)
            # Hash and verify in every case, so that all addresses take the same time.
            encoded = await self._hashing.hash(password)
            pending_hash = found.password_hash if found and found.state == "unconfirmed" else None
            matches = await self._hashing.verify(password, pending_hash)
            accepted_hash = pending_hash if matches else None
            for attempt in (1, 2):
                try:
                    await self._register(request, encoded, accepted_hash, remote, may_mail=may_mail)
                    return
                except pymysql.err.IntegrityError:
                    # The name or address was taken concurrently; the second attempt finds it.
                    if attempt == 2:
                        raise

    async def _register(
        self,
        request: RegisterRequest,
        encoded: str,
        accepted_hash: str | None,
        remote: str | None,
        *,
        may_mail: bool,
    ) -> None:
        actor = anyone(remote, request.user_name)
        async with self._database.transaction() as tx:
            found = await self._users.lock_by_email(tx, request.email)
            name_taken = await self._users.has_name(tx, request.user_name)
            outcome = "ok"
            # Every path runs three statements here, as many as insert, token and email take.
            if found is not None and found.state == "unconfirmed":
                outcome = "again"
                await self._again(tx, found, accepted_hash, may_mail=may_mail)
            elif found is not None:
                outcome = "address_known"
                await pad_statement_count(tx, 2)
                if may_mail:
                    await self._mails.notice(tx, "registered_again", found.email, found.user_name)
            elif name_taken:
                outcome = "name_taken"
                await pad_statement_count(tx, 2)
                if may_mail:
                    await self._mails.notice(tx, "name_taken", request.email, request.user_name)
            else:
                values = request.model_dump(exclude={"password"}) | {"password_hash": encoded}
                user_id = await self._users.insert(tx, values)
                if may_mail:
                    key = AccountKey(Realm.SITE, user_id)
                    await self._link(tx, key, request.user_name, request.email, again=False)
            await self._audit.write(
                tx, actor, "register", outcome=outcome, object_name=request.email
            )
        if not may_mail:
            await self._mails.dummy_wake_up()

    async def _again(
        self, tx: Transaction, user: Account, accepted_hash: str | None, *, may_mail: bool
    ) -> None:
        """Register an unconfirmed address again.

        A different password may come from a different person. Then neither password is stored,
        because the owner of the mailbox could otherwise confirm an account with another person's
        password.
        """
        differs = user.password_hash is not None and user.password_hash != accepted_hash
        if differs:
            await self._users.set_password(tx, user.key.id, None)
        else:
            await pad_statement_count(tx, 1)
        if may_mail:
            again = differs or user.password_hash is None
            await self._link(tx, user.key, user.user_name, user.email, again=again)

    async def _link(
        self, tx: Transaction, key: AccountKey, user_name: str, email: str, *, again: bool
    ) -> None:
        """Email a confirmation link; ``again`` means that the account has no password yet."""
        purpose, minutes = TokenPurpose.CONFIRM, self._confirm_minutes
        token_id = await self._tokens.issue(tx, purpose, key, minutes=minutes)
        await self._mails.link(
            tx,
            purpose,
            token_id,
            key=key,
            user_name=user_name,
            recipient=email,
            minutes=minutes,
            again=again,
        )

    async def resend(self, email: str, *, remote: str | None) -> None:
        """Resend the link to an unconfirmed address.

        Raises:
            TooManyAttempts: A rate limit is exceeded, whether or not the address is known.
            TokenKeyMissing: TOKEN_KEY is not set, so links cannot be created.
        """
        if not self._tokens.can_issue:
            raise TokenKeyMissing()
        async with minimum_duration(MINIMUM_RESPONSE_SECONDS):
            user = await self._users.by_email(email)
            await self._rate_limits.check("resend", remote, accounts=[user])
            may_mail = await self._rate_limits.may_mail("confirm", email)
            async with self._database.transaction() as tx:
                sent = await self.send_link(tx, email) if may_mail else False
                await pad_statement_count(tx, 0 if sent else 2)
                outcome = "ok" if sent else "nothing_sent"
                await self._audit.write(
                    tx, anyone(remote), "resend", outcome=outcome, object_name=email
                )
            if not sent:
                await self._mails.dummy_wake_up()

    async def send_link(self, tx: Transaction, email: str) -> bool:
        """Email a confirmation link; return False if there is no unconfirmed account."""
        user = await self._users.lock_by_email(tx, email)
        if user is None or user.state != "unconfirmed":
            return False
        again = user.password_hash is None
        await self._link(tx, user.key, user.user_name, user.email, again=again)
        return True

    async def confirm(self, token: str, *, remote: str | None) -> str:
        """Use a token and activate its account.

        Returns:
            ``active``, ``awaiting_approval`` or ``already_active``.

        Raises:
            LinkInvalid: The token was used, expired, replaced or forged, or has another purpose.
            TooManyAttempts: A rate limit is exceeded.
        """
        await self._rate_limits.check("confirm", remote)
        purpose = TokenPurpose.CONFIRM
        async with (
            self._audit.record_rejections(anyone(remote), "confirm", LinkInvalid),
            self._database.transaction() as tx,
        ):
            fresh = await self._tokens.use(tx, token, purpose)
            row = await self._tokens.find(tx, token, purpose)
            user = await self._users.lock(tx, row.key.id) if row is not None else None
            # After a restore, an ID may be assigned again, to an account newer than the token.
            if row is None or user is None or row.created_at < user.created_at:
                raise LinkInvalid()
            return await self._confirm(tx, user, remote, fresh=fresh)

    async def _confirm(
        self, tx: Transaction, user: Account, remote: str | None, *, fresh: bool
    ) -> str:
        if user.state == "active":
            return "already_active"
        if user.state == "awaiting_approval":
            return "awaiting_approval"
        if not fresh or user.state != "unconfirmed":
            raise LinkInvalid()
        state = self._state_after_confirmation
        await self._users.confirm(tx, user.key.id, state)
        await self._tokens.revoke(tx, user.key, TokenPurpose.CONFIRM)
        actor = actor_from(user, remote)
        await self._audit.write(
            tx, actor, "confirm", object_name=user.user_name, detail={"state": state}
        )
        return state
