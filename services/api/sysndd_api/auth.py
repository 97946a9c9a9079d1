"""Who is asking: password hashing, session tokens, and the access level of each route."""

import asyncio
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

import argon2

from sysndd_core.errors import SignInBusy


class Role(StrEnum):
    """Roles as SysNDD has them."""

    ADMINISTRATOR = "Administrator"
    CURATOR = "Curator"
    REVIEWER = "Reviewer"
    VIEWER = "Viewer"


class Access(StrEnum):
    """Who may call a route."""

    ANYONE = "anyone"
    SIGNED_IN = "signed in"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class Actor:
    """The signed-in person behind a request, or the operator at the command line.

    Attributes:
        user_id: None for the command line.
        remote: address of the client, as the trusted proxy gave it.
        session_id: public id of the session; None for the command line.
    """

    user_id: int | None
    user_name: str
    role: Role
    remote: str | None = None
    session_id: str | None = None


COMMAND_LINE = Actor(user_id=None, user_name="sysndd-admin", role=Role.ADMINISTRATOR)


def new_token() -> str:
    """Return an opaque session token of 256 bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Return what is stored of a token, in hexadecimal.

    The token has 256 bits of its own, so no salt is needed. Not bytes, because aiomysql 0.3.2 can't
    escape bytes with PyMySQL 1.2; the store says ``UNHEX(%s)``.
    """
    return hashlib.sha256(token.encode()).hexdigest()


class PasswordHashing:
    """argon2id at OWASP's floor (19 MiB, 2 passes, 1 lane), in a bounded thread pool.

    One hash takes about 35 ms of a core. Unbounded, a burst of sign-ins would take all cores and
    all memory; past the bound a sign-in is told to come back.
    """

    _THREADS = 2
    _WAITING = 40

    def __init__(self) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._threads = ThreadPoolExecutor(self._THREADS, thread_name_prefix="argon2")
        self._pending = 0
        # Verified against when the login is unknown, so that both answers take the same time.
        self._nobody = self._hasher.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        """Return the encoded hash, with parameters and salt.

        Raises:
            SignInBusy: too many are waiting already.
        """
        return await self._run(password, None)

    async def verify(self, password: str, encoded: str | None) -> bool:
        """Tell whether ``password`` fits; ``encoded`` None takes as long and says no.

        Raises:
            SignInBusy: too many are waiting already.
        """
        return bool(await self._run(password, encoded or self._nobody)) and encoded is not None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, password: str, encoded: str | None) -> str:
        if self._pending >= self._WAITING:
            raise SignInBusy()
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._work, password, encoded)
        finally:
            self._pending -= 1

    def _work(self, password: str, encoded: str | None) -> str:
        if encoded is None:
            return self._hasher.hash(password)
        try:
            self._hasher.verify(encoded, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return ""
        return encoded
