"""Which passwords are accepted, and how they are hashed."""

import asyncio
import gzip
import re
import secrets
import unicodedata
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import resources
from itertools import pairwise

import argon2

from sysndd_core.errors import PasswordRejected, SignInBusy

MIN_PASSWORD = 12
MAX_PASSWORD = 128
"""Characters after normalisation (NIST SP 800-63B-4, section 3.1.1.2); no composition rules."""

_MAX_DECORATION = 8
"""A common word with at most so many digits and signs around it is a common password still."""


def normalised(password: str) -> str:
    """Return the one spelling of a password: keyboards differ in how they make an é (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, *, own: Iterable[str] = ()) -> None:
    """Let a new password pass, or say why not.

    Args:
        password: as typed.
        own: the account's user name and address, which anybody would try first.

    Raises:
        PasswordRejected: too short, too long, or one that attackers try first.
    """
    text = normalised(password)
    if not MIN_PASSWORD <= len(text) <= MAX_PASSWORD:
        raise PasswordRejected(
            f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters; this has {len(text)}."
        )
    words = {word.casefold() for name in own for word in (name, name.partition("@")[0])}
    if _is_common(text.casefold(), {"sysndd", *words}):
        raise PasswordRejected("This password is one of those that are tried first; take another.")


def _is_common(text: str, own: set[str]) -> bool:
    known = _common_passwords()
    if text in known or text in own:
        return True
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", text)
    if len(text) - len(core) <= _MAX_DECORATION and core and (core in known or core in own):
        return True
    steps = {(ord(b) - ord(a)) % (10 if text.isdecimal() else 128) for a, b in pairwise(text)}
    if len(steps) == 1 and steps <= {1, 9, 127}:
        return True  # 123456789012, abcdefghijkl, and back
    for size in range(1, len(text) // 2 + 1):
        unit = text[:size]
        if len(text) % size == 0 and unit * (len(text) // size) == text:
            return size <= 3 or unit in known or unit in own
    return False


@cache
def _common_passwords() -> frozenset[str]:
    """Read the shipped list; data/common_passwords.NOTICE says where it comes from."""
    compressed = (resources.files("sysndd_api") / "data" / "common_passwords.gz").read_bytes()
    return frozenset(gzip.decompress(compressed).decode().split("\n"))


class PasswordHashing:
    """argon2id in a bounded thread pool, at OWASP's floor (19 MiB, 2 passes, 1 lane) by default.

    One hash takes about 35 ms of a core. Unbounded, a burst of sign-ins would take all cores and
    all memory; past the bound a sign-in is told to come back.

    Args:
        memory_kib, time_cost: the parameters of new hashes (RFC 9106, section 3.1).
        concurrency: how many hashes are computed at once.
    """

    _MAX_PENDING = 40

    def __init__(self, *, memory_kib: int, time_cost: int, concurrency: int) -> None:
        self._hasher = argon2.PasswordHasher(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=1
        )
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="argon2")
        self._pending = 0
        # Verified against when the login is unknown, so that both answers take the same time.
        self._dummy_hash = self._hasher.hash(secrets.token_urlsafe(16))

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
        return bool(await self._run(password, encoded or self._dummy_hash)) and encoded is not None

    def is_outdated(self, encoded: str) -> bool:
        """Tell whether new hashes are made with more memory or more passes than this one."""
        try:
            made_with = argon2.extract_parameters(encoded)
        except argon2.exceptions.InvalidHashError:
            return True
        return (
            made_with.memory_cost < self._hasher.memory_cost
            or made_with.time_cost < self._hasher.time_cost
        )

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, password: str, encoded: str | None) -> str:
        if self._pending >= self._MAX_PENDING:
            raise SignInBusy()
        self._pending += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._threads, self._hash_or_verify, normalised(password), encoded
            )
        finally:
            self._pending -= 1

    def _hash_or_verify(self, password: str, encoded: str | None) -> str:
        if encoded is None:
            return self._hasher.hash(password)
        try:
            self._hasher.verify(encoded, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return ""
        return encoded
