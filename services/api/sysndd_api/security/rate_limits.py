"""How often something may be tried: counted in Redis for all workers, and here when it is away.

Redis counts for all workers together. Each worker also counts for itself: when Redis is down,
frozen or was emptied, that count goes on with this worker's share of the limit. So nothing is ever
open.
"""

import asyncio
import hashlib
import hmac
import time
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from redis.exceptions import RedisError

from sysndd_core.jobs.wake_up import open_redis
from sysndd_core.logging import get_logger
from sysndd_core.settings.redis import RedisSettings

log = get_logger(__name__)

_ANSWER_SECONDS = 0.5
"""A frozen Redis accepts the connection and never answers."""

_PAUSE_SECONDS = 5.0
"""How long Redis is left alone once it has not answered: not every request waits for it."""

_MOST_KEYS = 20_000
"""Bound on this process's own counts; about 4 MB."""


@dataclass(frozen=True)
class Limit:
    """``count`` tries in ``seconds``, a fixed window; ``name`` tells the counters apart."""

    name: str
    count: int
    seconds: int


@dataclass(frozen=True)
class Use:
    """One try of a subject, such as an address; None is everybody together."""

    limit: Limit
    subject: str | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a try is over its limit.

    Attributes:
        first: it is the first one over it in this window.
        retry_after: seconds until the window ends.
    """

    over: bool
    first: bool
    retry_after: int


class Limiter:
    """Counts tries.

    Args:
        redis: where Redis is.
        site: keeps two sites on one Redis apart.
        secret: hashes subjects, so that Redis holds no addresses.
        workers: processes that share a limit while Redis is away.
    """

    def __init__(self, redis: RedisSettings, *, site: str, secret: str, workers: int) -> None:
        self._redis = open_redis(redis)
        self._site = site
        self._secret = secret.encode()
        self._workers = workers
        self._counts: dict[str, tuple[int, float]] = {}
        self._away_until = 0.0

    async def take(self, *uses: Use) -> tuple[Verdict, ...]:
        """Count one try each, and tell which are over their limit. Never raises."""
        now = time.time()
        keys = [self._key(use, now) for use in uses]
        ends = [(int(now / use.limit.seconds) + 1) * use.limit.seconds for use in uses]
        here = [self._count(key, end, now) for key, end in zip(keys, ends, strict=True)]
        shared = await self._shared(uses, keys)
        verdicts = []
        for index, use in enumerate(uses):
            most = use.limit.count
            if shared is None:
                count, most = here[index], -(-most // self._workers)
            else:
                # Its own count too: an emptied Redis starts from nothing.
                count = max(shared[index], here[index])
            left = max(1, int(ends[index] - now))
            verdicts.append(Verdict(count > most, count == most + 1, left))
        return tuple(verdicts)

    async def give_back(self, *uses: Use) -> None:
        """Take back what ``take`` counted: the try was a success. Never raises."""
        now = time.time()
        keys = [self._key(use, now) for use in uses]
        for key in keys:
            count, end = self._counts.get(key, (0, 0.0))
            if count > 0:
                self._counts[key] = (count - 1, end)
        commands: list[tuple[str | int, ...]] = []
        for use, key in zip(uses, keys, strict=True):
            # The window may have ended meanwhile; then this makes a key, which must not stay.
            commands += [("DECR", key), ("EXPIRE", key, use.limit.seconds + 1)]
        await self._in_redis(commands)

    async def forget(self, *uses: Use) -> None:
        """Start from nothing. Never raises."""
        keys = [self._key(use, time.time()) for use in uses]
        for key in keys:
            self._counts.pop(key, None)
        await self._in_redis([("DEL", key) for key in keys])

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)

    def _key(self, use: Use, now: float) -> str:
        subject = f"{self._site}/{use.limit.name}/{use.subject or ''}"
        digest = hmac.digest(self._secret, subject.encode(), hashlib.sha256)[:16].hex()
        return f"sysndd:limit:{use.limit.name}:{int(now / use.limit.seconds)}:{digest}"

    def _count(self, key: str, end: float, now: float) -> int:
        count = self._counts.get(key, (0, end))[0] + 1
        self._counts[key] = (count, end)
        if len(self._counts) > _MOST_KEYS:
            self._counts = {k: v for k, v in self._counts.items() if v[1] > now}
            while len(self._counts) > _MOST_KEYS * 3 // 4:
                self._counts.pop(next(iter(self._counts)))
        return count

    async def _shared(self, uses: tuple[Use, ...], keys: list[str]) -> list[int] | None:
        commands: list[tuple[str | int, ...]] = []
        for use, key in zip(uses, keys, strict=True):
            commands += [("INCR", key), ("EXPIRE", key, use.limit.seconds + 1)]
        answers = await self._in_redis(commands)
        return [int(answer) for answer in answers[::2]] if answers is not None else None

    async def _in_redis(self, commands: list[tuple[str | int, ...]]) -> list[int] | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                pipeline = self._redis.pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[int] = await pipeline.execute()
                return answers
        except (TimeoutError, RedisError, OSError) as error:
            self._away_until = time.monotonic() + _PAUSE_SECONDS
            log.warning("rate_limit_store_unavailable", reason=type(error).__name__)
            return None


def client_of(remote: str | None) -> str:
    """Return what counts as one client: an IPv4 address, or an IPv6 network of 64 bits.

    One household or host gets a whole /64 (RFC 6177), so counting addresses would count nothing.
    """
    if remote is None:
        return "unknown"
    address = ip_address(remote)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
