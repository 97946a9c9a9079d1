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
"""A common word with up to this many digits and signs around it is still a common password."""


def normalised(password: str) -> str:
    """Return the NFKC form of a password; keyboards encode characters such as é differently."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, *, site_name: str, own: Iterable[str] = ()) -> None:
    """Check a new password.

    Args:
        password: The password as entered.
        site_name: The name of the site, which attackers try first.
        own: The account's user name and address, likewise.

    Raises:
        PasswordRejected: It is too short, too long, or commonly used.
    """
    text = normalised(password)
    if not MIN_PASSWORD <= len(text) <= MAX_PASSWORD:
        raise PasswordRejected(
            f"A password must have {MIN_PASSWORD} to {MAX_PASSWORD} characters; this one has"
            f" {len(text)}."
        )
    words = {word.casefold() for name in own for word in (name, name.partition("@")[0])}
    if _is_common(text.casefold(), {"sysndd", *_words_of(site_name), *words}):
        raise PasswordRejected(
            "This password is commonly used, so attackers try it first. Choose another."
        )


@cache
def _words_of(site_name: str) -> frozenset[str]:
    """Return the name, each word of it, and the words run together, as ``_is_common`` compares."""
    name = normalised(site_name).casefold()
    words = re.findall(r"[^\W_]+", name)
    return frozenset({_core(name), "".join(words), *words} - {""})


def _core(text: str) -> str:
    """Return a text without the digits and signs around it."""
    return re.sub(r"^[\W\d_]+|[\W\d_]+$", "", text)


def _is_common(text: str, own: set[str]) -> bool:
    known = _common_passwords()
    if text in known or text in own:
        return True
    core = _core(text)
    if len(text) - len(core) <= _MAX_DECORATION and core and (core in known or core in own):
        return True
    steps = {(ord(b) - ord(a)) % (10 if text.isdecimal() else 128) for a, b in pairwise(text)}
    if len(steps) == 1 and steps <= {1, 9, 127}:
        return True  # 123456789012, abcdefghijkl, and both reversed
    for size in range(1, len(text) // 2 + 1):
        unit = text[:size]
        if len(text) % size == 0 and unit * (len(text) // size) == text:
            return size <= 3 or unit in known or unit in own
    return False


@cache
def _common_passwords() -> frozenset[str]:
    """Read the shipped list; data/common_passwords.NOTICE names its source."""
    compressed = (resources.files("sysndd_api") / "data" / "common_passwords.gz").read_bytes()
    return frozenset(gzip.decompress(compressed).decode().split("\n"))


class PasswordHashing:
    """argon2id in a bounded thread pool; by default, OWASP's minimum (19 MiB, 2 passes, 1 lane).

    One hash takes about 35 ms of a core. Without a bound, a burst of sign-ins would occupy all
    cores and all memory; beyond it, a sign-in is rejected with SignInBusy.

    Args:
        memory_kib: Memory cost of new hashes (RFC 9106, section 3.1).
        time_cost: Passes of new hashes.
        concurrency: Maximum number of hashes computed at the same time.
    """

    _MAX_PENDING = 40

    def __init__(self, *, memory_kib: int, time_cost: int, concurrency: int) -> None:
        self._hasher = argon2.PasswordHasher(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=1
        )
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="argon2")
        self._pending = 0
        # Verified for an unknown login, so that both responses take the same time.
        self._dummy_hash = self._hasher.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        """Return the encoded hash with its parameters and salt.

        Raises:
            SignInBusy: Too many hashes are pending.
        """
        return await self._run(password, None)

    async def verify(self, password: str, encoded: str | None) -> bool:
        """Return whether a password matches a hash; None takes as long and never matches.

        Raises:
            SignInBusy: Too many hashes are pending.
        """
        return bool(await self._run(password, encoded or self._dummy_hash)) and encoded is not None

    def is_outdated(self, encoded: str) -> bool:
        """Return whether new hashes use more memory or more passes than this one."""
        try:
            made_with = argon2.extract_parameters(encoded)
        except argon2.exceptions.InvalidHashError:
            return True
        return (
            made_with.memory_cost < self._hasher.memory_cost
            or made_with.time_cost < self._hasher.time_cost
        )

    def close(self) -> None:
        """Stop the threads."""
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
