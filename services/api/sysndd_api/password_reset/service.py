"""Sets a new password, by an emailed link or with the current password."""

from sysndd_api.accounts.mail import AccountMails
from sysndd_api.accounts.service import MINIMUM_RESPONSE_SECONDS, Accounts
from sysndd_api.accounts.store import Account, UserStore, pad_statement_count
from sysndd_api.accounts.token_store import TokenStore
from sysndd_api.audit.service import Audit
from sysndd_api.security.access import Actor, anyone, token_hash
from sysndd_api.security.passwords import PasswordHashing, check_password
from sysndd_api.security.rate_limits import client_of
from sysndd_api.security.sign_in_limits import RateLimits, minimum_duration
from sysndd_api.sessions.store import KnownClientStore, SessionStore
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import LinkInvalid, NotSignedIn, TokenKeyMissing, WrongCurrentPassword
from sysndd_core.mail.link_tokens import TokenPurpose

_MAY_RESET = ("active", "awaiting_approval")


class PasswordReset:
    """Resets and changes passwords."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        users: UserStore,
        sessions: SessionStore,
        tokens: TokenStore,
        clients: KnownClientStore,
        hashing: PasswordHashing,
        mails: AccountMails,
        rate_limits: RateLimits,
        audit: Audit,
        minutes: int,
        site_name: str,
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._clients = clients
        self._hashing = hashing
        self._mails = mails
        self._rate_limits = rate_limits
        self._audit = audit
        self._minutes = minutes
        self._site_name = site_name

    async def request(self, email: str, *, remote: str | None) -> None:
        """Email a password reset link, or a confirmation link to an unconfirmed address.

        Raises:
            TooManyAttempts: A rate limit is exceeded, whether or not the address is known.
            TokenKeyMissing: TOKEN_KEY is not set, so links cannot be created.
        """
        if not self._tokens.can_issue:
            raise TokenKeyMissing()
        async with minimum_duration(MINIMUM_RESPONSE_SECONDS):
            found = await self._users.by_email(email)
            await self._rate_limits.check("request_reset", remote, account=found)
            sent = await self._send(email, remote, await self._rate_limits.may_mail("reset", email))
            if not sent:
                await self._mails.dummy_wake_up()

    async def _send(self, email: str, remote: str | None, may_mail: bool) -> bool:
        async with self._database.transaction() as tx:
            user = await self._users.lock_by_email(tx, email) if may_mail else None
            sent = user is not None and user.state in _MAY_RESET
            if user is not None and sent:
                await self._link(tx, user)
            elif user is not None:
                sent = await self._accounts.send_link(tx, email)
            await pad_statement_count(tx, 0 if sent else 2)
            outcome = "ok" if sent else "nothing_sent"
            await self._audit.write(
                tx, anyone(remote), "request_reset", outcome=outcome, object_name=email
            )
        return sent

    async def _link(self, tx: Transaction, user: Account) -> None:
        purpose, minutes = TokenPurpose.RESET, self._minutes
        token_id = await self._tokens.issue(tx, purpose, user.user_id, minutes=minutes)
        await self._mails.link(
            tx,
            purpose,
            token_id,
            user_id=user.user_id,
            user_name=user.user_name,
            recipient=user.email,
            minutes=minutes,
        )

    async def reset(self, token: str, password: str, *, remote: str | None) -> Account:
        """Set a new password, and revoke all sessions and pending links of the account.

        Returns:
            The account.

        Raises:
            LinkInvalid: The token was used, expired, replaced or forged, or has another purpose.
            PasswordRejected: The password is not accepted; the token remains valid.
            TooManyAttempts: A rate limit is exceeded.
            SignInBusy: Too many password hashes are pending.
        """
        await self._rate_limits.check("reset", remote)
        check_password(password, site_name=self._site_name)
        async with self._audit.record_rejections(anyone(remote), "reset", LinkInvalid):
            # Check before the token is used, so that forged tokens do not cost a password hash.
            if not await self._tokens.is_valid(token, TokenPurpose.RESET):
                raise LinkInvalid()
            encoded = await self._hashing.hash(password)
            async with self._database.transaction() as tx:
                user = await self._owner(tx, token)
                own = (user.user_name, user.email)
                check_password(password, site_name=self._site_name, own=own)
                await self._replace(tx, user, encoded, remote)
        await self._rate_limits.password_reset((user.user_name, user.email), remote)
        return user

    async def _owner(self, tx: Transaction, token: str) -> Account:
        """Use a token, and lock the account that it was issued for."""
        fresh = await self._tokens.use(tx, token, TokenPurpose.RESET)
        row = await self._tokens.find(tx, token, TokenPurpose.RESET) if fresh else None
        user = await self._users.lock(tx, row.user_id) if row is not None else None
        if (
            row is None
            or user is None
            # After a restore, an ID may be assigned again, to an account newer than the token.
            or row.created_at < user.created_at
            or user.state not in _MAY_RESET
        ):
            raise LinkInvalid()
        return user

    async def _replace(
        self, tx: Transaction, user: Account, encoded: str, remote: str | None
    ) -> None:
        user_id = user.user_id
        await self._users.set_password(tx, user_id, encoded)
        ended = await self._sessions.delete_of_user(tx, user_id)
        await self._tokens.revoke(tx, user_id)
        await self._clients.note(tx, user_id, client_of(remote))
        await self._mails.notice(tx, "password_changed", user.email, user.user_name)
        actor = Actor(user_id, user.user_name, user.role, remote)
        await self._audit.write(tx, actor, "reset", detail={"sessions_ended": ended})

    async def change(self, actor: Actor, token: str, old: str, new: str) -> None:
        """Replace the actor's password, and revoke all other sessions and all pending links.

        Args:
            actor: The signed-in account.
            token: Token of the current session, which remains.
            old: The current password.
            new: The new password.

        Raises:
            WrongCurrentPassword: The current password is wrong, or was changed concurrently.
            PasswordRejected: The new password is not accepted.
            TooManyAttempts: A rate limit is exceeded.
            SignInBusy: Too many password hashes are pending.
        """
        user = await self.check_current_password(actor, old, "change_password")
        assert user.password_hash is not None
        check_password(new, site_name=self._site_name, own=(user.user_name, user.email))
        encoded = await self._hashing.hash(new)
        async with self._database.transaction() as tx:
            changed = await self._users.set_password(
                tx, user.user_id, encoded, expected_hash=user.password_hash
            )
            if not changed:
                raise WrongCurrentPassword(
                    "The password was changed by another session. Try again."
                )
            await self._sessions.delete_of_user(
                tx, user.user_id, except_token_hash=token_hash(token)
            )
            await self._tokens.revoke(tx, user.user_id)
            await self._mails.notice(tx, "password_changed", user.email, user.user_name)
            await self._audit.write(tx, actor, "change_password")

    async def check_current_password(self, actor: Actor, password: str, action: str) -> Account:
        """Verify the current password, so that an unattended session cannot change credentials.

        Args:
            actor: The signed-in account.
            password: The current password.
            action: Action of the audit entry.

        Returns:
            The account.

        Raises:
            WrongCurrentPassword: The password is wrong.
            TooManyAttempts: A rate limit is exceeded.
            SignInBusy: Too many password hashes are pending.
            NotSignedIn: The account no longer exists.
        """
        user = await self._users.by_id(actor.user_id) if actor.user_id is not None else None
        if user is None:
            raise NotSignedIn()
        login = user.user_name
        await self._rate_limits.sign_in(login, actor.remote, account=user)
        if not await self._hashing.verify(password, user.password_hash):
            await self._audit.record(actor, action, outcome=WrongCurrentPassword.code)
            raise WrongCurrentPassword()
        await self._rate_limits.sign_in_succeeded(login, actor.remote)
        return user
