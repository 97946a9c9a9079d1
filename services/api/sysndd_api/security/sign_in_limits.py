"""Rate limits of sign-in, registration and emailed links, and their exceptions.

Third parties cannot lock an account. The limit of an account does not apply to clients that it
has signed in from before, and a password reset by email makes its client one of these. Emails
with a link are limited so that the latest link works for more than half an hour.
"""

import asyncio
import contextlib
import unicodedata
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from sysndd_api.security.access import Account, Actor, anyone
from sysndd_api.security.rate_limits import Hit, Limit, Limiter, client_of
from sysndd_core.errors import TooManyAttempts
from sysndd_core.settings.accounts import LimitSettings

_HOUR = 3600
_QUARTER = 900
_MAIL_WINDOW = 1200
"""Shorter than a reset link is valid, so that flooding a mailbox leaves a working link in it."""


@contextlib.asynccontextmanager
async def minimum_duration(seconds: float) -> AsyncIterator[None]:
    """Make the block take at least ``seconds``, so that its duration reveals nothing."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    try:
        yield
    finally:
        await asyncio.sleep(max(0.0, ends - loop.time()))


def normalize_login(text: str) -> str:
    """Return one spelling for all that the database treats as the same name.

    Its collation ignores case, accents, invisible characters and trailing blanks.
    """
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(one for one in letters if unicodedata.category(one)[0] not in "CM").strip()


class KnownClients(Protocol):
    """Knows which clients an account has signed in from."""

    async def knows(self, accounts: Sequence[Account | None], client: str) -> bool:
        """Return whether one of these accounts has signed in from a client."""
        ...


class AuditLog(Protocol):
    """Records events in the audit log."""

    async def record(
        self, actor: Actor, action: str, *, outcome: str, object_name: str | None = None
    ) -> None:
        """Record an event in a transaction of its own."""
        ...


class RateLimits:
    """Applies the rate limits.

    Args:
        limiter: Counts requests.
        settings: The limits.
        clients: Knows which clients an account has signed in from.
        audit: Records the first request above each limit.
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
        self, action: str, remote: str | None, *, accounts: Sequence[Account | None] = ()
    ) -> None:
        """Count one registration, request for a link, or use of a link.

        Args:
            action: Action of the audit entry.
            remote: The client's address.
            accounts: The accounts that it is about. Their known clients are always allowed.

        Raises:
            TooManyAttempts: A limit is exceeded.
        """
        per_client, total = self._requests
        hits = (Hit(per_client, client_of(remote)), Hit(total))
        await self._hit(action, hits, remote, accounts)

    async def may_mail(self, kind: str, address: str) -> bool:
        """Count one email with a link; return whether it may be sent."""
        limit = Limit(f"mail_{kind}", self._mails, _MAIL_WINDOW)
        (result,) = await self._limiter.hit(Hit(limit, normalize_login(address)))
        return not result.exceeded

    async def sign_in(
        self, login: str, remote: str | None, *, accounts: Sequence[Account | None]
    ) -> None:
        """Count one sign-in as a failure, before its password is verified.

        Raises:
            TooManyAttempts: A limit is exceeded.
        """
        pair, *others = self._sign_in_hits(login, remote)
        await self._hit("sign_in", (pair,), remote, ())
        await self._hit("sign_in", tuple(others), remote, accounts)

    async def sign_in_succeeded(self, login: str, remote: str | None) -> None:
        """Subtract what ``sign_in`` counted, because the sign-in succeeded."""
        await self._limiter.refund(*self._sign_in_hits(login, remote))

    async def password_reset(self, logins: tuple[str, ...], remote: str | None) -> None:
        """Reset the failures of an account after a password reset by its owner."""
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
        accounts: Sequence[Account | None],
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
        if await self._clients.knows(accounts, client_of(remote)):
            return
        error = TooManyAttempts()
        error.retry_after = max(result.retry_after for result, _ in exceeded)
        raise error
