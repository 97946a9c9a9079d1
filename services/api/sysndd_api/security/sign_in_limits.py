"""How often people may try: who is refused, and who is let pass although others overdo it.

Nobody can lock a person out of their account: an account's own limit does not hold for clients
that it has signed in from before; a reset by mail makes the client one of those; and mails with a
link are limited so that the newest in the mailbox always works for more than half an hour.
"""

import asyncio
import contextlib
import unicodedata
from collections.abc import AsyncIterator
from typing import Protocol

from sysndd_api.security.access import Actor, anyone
from sysndd_api.security.rate_limits import Hit, Limit, Limiter, client_of
from sysndd_core.errors import TooManyAttempts
from sysndd_core.settings.accounts import LimitSettings

_HOUR = 3600
_QUARTER = 900
_MAIL_WINDOW = 1200
"""Below the life of a reset link, so that whoever floods a mailbox leaves a working link in it."""


@contextlib.asynccontextmanager
async def minimum_duration(seconds: float) -> AsyncIterator[None]:
    """Let the block hit at least ``seconds``: how long it really took tells of what it found."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    try:
        yield
    finally:
        await asyncio.sleep(max(0.0, ends - loop.time()))


def normalize_login(text: str) -> str:
    """Return one spelling for all that the database takes for the same name.

    Its collation ignores case, accents, what can't be seen, and blanks at the end.
    """
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(one for one in letters if unicodedata.category(one)[0] not in "CM").strip()


class LimitedAccount(Protocol):
    """What is asked of the account that a try is about."""

    @property
    def user_id(self) -> int:
        """Its id."""
        ...


class KnownClients(Protocol):
    """Tells which clients an account has signed in from."""

    async def knows(self, user_id: int | None, client: str) -> bool:
        """Tell whether an account has signed in from a client before; None is no account."""
        ...


class AuditLog(Protocol):
    """Takes a note of a rejection."""

    async def record(
        self, actor: Actor, action: str, *, outcome: str, object_name: str | None = None
    ) -> None:
        """Append an event that has no transaction of its own."""
        ...


class RateLimits:
    """Decides about tries.

    Args:
        limiter: counts them.
        clients: whom an account knows.
        audit: gets the first try exceeded each limit.
    """

    def __init__(
        self, limiter: Limiter, settings: LimitSettings, clients: KnownClients, audit: AuditLog
    ) -> None:
        self._limiter = limiter
        self._clients = clients
        self._audit = audit
        self._mails = settings.emails_per_address
        self._requests = (
            Limit("requests_per_client", settings.requests_per_client, _HOUR),
            Limit("requests_total", settings.requests_total, _HOUR),
        )
        self._failures = (
            Limit(
                "failures_per_account_and_client",
                settings.failures_per_account_and_client,
                _QUARTER,
            ),
            Limit("failures_per_client", settings.failures_per_client, _QUARTER),
            Limit("failures_per_account", settings.failures_per_account, _QUARTER),
            Limit("failures_total", settings.failures_total, _QUARTER),
        )

    async def check(
        self, action: str, remote: str | None, *, account: LimitedAccount | None = None
    ) -> None:
        """Count one registration, request for a link or hit of one.

        Args:
            action: for the audit log.
            remote: the client's address.
            account: that it is about, if any; a client that it knows is always let pass.

        Raises:
            TooManyAttempts.
        """
        per_client, total = self._requests
        hits = (Hit(per_client, client_of(remote)), Hit(total))
        await self._hit(action, hits, remote, account=account)

    async def may_mail(self, kind: str, address: str) -> bool:
        """Count one mail with a link; tell whether it is sent."""
        limit = Limit(f"mail_{kind}", self._mails, _MAIL_WINDOW)
        (result,) = await self._limiter.hit(Hit(limit, normalize_login(address)))
        return not result.exceeded

    async def sign_in(
        self, login: str, remote: str | None, *, account: LimitedAccount | None
    ) -> None:
        """Count one try of a password, as if it failed.

        Raises:
            TooManyAttempts.
        """
        pair, *others = self._sign_in_hits(login, remote)
        await self._hit("sign_in", (pair,), remote, account=None)
        await self._hit("sign_in", tuple(others), remote, account=account)

    async def sign_in_succeeded(self, login: str, remote: str | None) -> None:
        """Take back what ``sign_in`` counted: it did not fail."""
        await self._limiter.refund(*self._sign_in_hits(login, remote))

    async def password_reset(self, logins: tuple[str, ...], remote: str | None) -> None:
        """Forget failures: the password was chosen anew by who reads the account's mail."""
        pair, _, per_account, _ = self._failures
        client = client_of(remote)
        for login in map(normalize_login, logins):
            await self._limiter.clear(Hit(pair, f"{client} {login}"), Hit(per_account, login))

    def _sign_in_hits(self, login: str, remote: str | None) -> tuple[Hit, ...]:
        pair, per_client, per_account, total = self._failures
        client, name = client_of(remote), normalize_login(login)
        return (
            Hit(pair, f"{client} {name}"),
            Hit(per_client, client),
            Hit(per_account, name),
            Hit(total),
        )

    async def _hit(
        self,
        action: str,
        hits: tuple[Hit, ...],
        remote: str | None,
        *,
        account: LimitedAccount | None,
    ) -> None:
        results = await self._limiter.hit(*hits)
        exceeded = [(v, hit) for v, hit in zip(results, hits, strict=True) if v.exceeded]
        if not exceeded:
            return
        for result, hit in exceeded:
            if result.first:
                await self._audit.record(
                    anyone(remote), action, outcome=TooManyAttempts.code, object_name=hit.limit.name
                )
        user_id = account.user_id if account is not None else None
        if await self._clients.knows(user_id, client_of(remote)):
            return
        error = TooManyAttempts()
        error.retry_after = max(result.retry_after for result, _ in exceeded)
        raise error
