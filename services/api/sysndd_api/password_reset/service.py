"""Sets a new password, by an emailed link or with the current password."""

from sysndd_api.accounts.mail import AccountMails
from sysndd_api.accounts.operator_store import OperatorStore
from sysndd_api.accounts.people import People
from sysndd_api.accounts.service import MINIMUM_RESPONSE_SECONDS, Accounts
from sysndd_api.accounts.store import UserStore, pad_statement_count
from sysndd_api.accounts.token_store import TokenStore
from sysndd_api.audit.service import Audit
from sysndd_api.security.access import Account, Actor, actor_from, anyone, token_hash
from sysndd_api.security.passwords import PasswordHashing, check_password
from sysndd_api.security.rate_limits import client_of
from sysndd_api.security.sign_in_limits import RateLimits, minimum_duration
from sysndd_api.sessions.store import KnownClientStore, SessionStore
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import LinkInvalid, NotSignedIn, TokenKeyMissing, WrongCurrentPassword
from sysndd_core.mail.link_tokens import TokenPurpose

_MAY_RESET = ("active", "awaiting_approval", "invited")
_PURPOSES = (TokenPurpose.RESET, TokenPurpose.INVITATION)
"""Both links lead to the page on which a password is chosen."""


class PasswordReset:
    """Resets and changes passwords of operators and site users."""

    def __init__(
        self,
        *,
        database: Database,
        accounts: Accounts,
        people: People,
        operators: OperatorStore,
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
        self._people = people
        self._operators = operators
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
            found = await self._people.by_email(email)
            await self._rate_limits.check("request_reset", remote, accounts=found.accounts)
            may_mail = await self._rate_limits.may_mail("reset", email)
            sent = await self._send(email, remote, may_mail, with_users=found.site_error is None)
            if not sent:
                await self._mails.dummy_wake_up()

    async def _send(
        self, email: str, remote: str | None, may_mail: bool, *, with_users: bool
    ) -> bool:
        with_users = with_users and await self._people.has_site_accounts()
        async with self._database.transaction() as tx:
            sent = await self._send_to_operator(tx, email) if may_mail else False
            await pad_statement_count(tx, 0 if sent else 2)
            if with_users:
                user_sent = await self._send_to_user(tx, email) if may_mail else False
                await pad_statement_count(tx, 0 if user_sent else 2)
                sent = sent or user_sent
            outcome = "ok" if sent else "nothing_sent"
            await self._audit.write(
                tx, anyone(remote), "request_reset", outcome=outcome, object_name=email
            )
        return sent

    async def _send_to_operator(self, tx: Transaction, email: str) -> bool:
        operator = await self._operators.lock_by_email(tx, email)
        if operator is None or operator.state not in _MAY_RESET:
            return False
        await self._link(tx, operator)
        return True

    async def _send_to_user(self, tx: Transaction, email: str) -> bool:
        user = await self._users.lock_by_email(tx, email)
        if user is None:
            return False
        if user.state not in _MAY_RESET:
            return await self._accounts.send_link(tx, email)
        await self._link(tx, user)
        return True

    async def _link(self, tx: Transaction, account: Account) -> None:
        purpose, minutes = TokenPurpose.RESET, self._minutes
        token_id = await self._tokens.issue(tx, purpose, account.key, minutes=minutes)
        await self._mails.link(
            tx,
            purpose,
            token_id,
            key=account.key,
            user_name=account.user_name,
            recipient=account.email,
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
            if not any([await self._tokens.is_valid(token, purpose) for purpose in _PURPOSES]):
                raise LinkInvalid()
            encoded = await self._hashing.hash(password)
            async with self._database.transaction() as tx:
                account = await self._owner(tx, token)
                own = (account.user_name, account.email)
                check_password(password, site_name=self._site_name, own=own)
                account = await self._replace(tx, account, encoded, remote)
        await self._rate_limits.password_reset((account.user_name, account.email), remote)
        return account

    async def _owner(self, tx: Transaction, token: str) -> Account:
        """Use a token, and lock the account that it was issued for."""
        for purpose in _PURPOSES:
            if not await self._tokens.use(tx, token, purpose):
                continue
            row = await self._tokens.find(tx, token, purpose)
            account = await self._people.lock(tx, row.key) if row is not None else None
            if (
                row is not None
                and account is not None
                # After a restore, an ID may be assigned again, to an account newer than the token.
                and row.created_at >= account.created_at
                and account.state in _MAY_RESET
            ):
                return account
        raise LinkInvalid()

    async def _replace(
        self, tx: Transaction, account: Account, encoded: str, remote: str | None
    ) -> Account:
        """Replace the password; return the account, which an invited operator has activated."""
        key = account.key
        await self._people.store(key.realm).set_password(tx, key.id, encoded)
        ended = await self._sessions.delete_of(tx, key)
        await self._tokens.revoke(tx, key)
        await self._clients.note(tx, key, client_of(remote))
        await self._mails.notice(tx, "password_changed", account.email, account.user_name)
        await self._audit.write(
            tx, actor_from(account, remote), "reset", detail={"sessions_ended": ended}
        )
        return await self._people.lock(tx, key) or account

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
        account = await self.check_current_password(actor, old, "change_password")
        key = account.key
        assert account.password_hash is not None
        own = (account.user_name, account.email)
        check_password(new, site_name=self._site_name, own=own)
        encoded = await self._hashing.hash(new)
        async with self._database.transaction() as tx:
            changed = await self._people.store(key.realm).set_password(
                tx, key.id, encoded, expected_hash=account.password_hash
            )
            if not changed:
                raise WrongCurrentPassword(
                    "The password was changed by another session. Try again."
                )
            await self._sessions.delete_of(tx, key, except_token_hash=token_hash(token))
            await self._tokens.revoke(tx, key)
            await self._mails.notice(tx, "password_changed", account.email, account.user_name)
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
        account = await self._people.by_key(actor.key)
        if account is None:
            raise NotSignedIn()
        login = account.user_name
        await self._rate_limits.sign_in(login, actor.remote, accounts=[account])
        if not await self._hashing.verify(password, account.password_hash):
            await self._audit.record(actor, action, outcome=WrongCurrentPassword.code)
            raise WrongCurrentPassword()
        await self._rate_limits.sign_in_succeeded(login, actor.remote)
        return account
