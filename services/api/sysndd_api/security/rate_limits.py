"""Rate limits: fixed windows, counted in Redis for all workers, with a local fallback.

Each worker also counts locally. If Redis is down, frozen or was emptied, the local count applies
with this worker's share of the limit, so a limit is never off.
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
"""Timeout of Redis: a frozen server accepts the connection and never replies."""

_PAUSE_SECONDS = 5.0
"""How long Redis is not used after a failure, so that not every request waits for it."""

_MAX_KEYS = 20_000
"""Maximum number of local counters; about 4 MB."""


@dataclass(frozen=True)
class Limit:
    """``count`` requests in a fixed window of ``seconds``; ``name`` identifies the counters."""

    name: str
    count: int
    seconds: int


@dataclass(frozen=True)
class Hit:
    """One request of a subject, such as an IP address; None is one counter for all."""

    limit: Limit
    subject: str | None = None


@dataclass(frozen=True)
class HitResult:
    """The result of a counted request.

    Attributes:
        exceeded: Whether it is above the limit.
        first: Whether it is the first one above the limit in this window.
        retry_after: Seconds until the window ends.
    """

    exceeded: bool
    first: bool
    retry_after: int


class Limiter:
    """Counts requests.

    Args:
        redis: The settings of Redis.
        site: Prefix of the keys, which separates sites on one Redis.
        secret: Key of the hash of subjects, so that Redis stores no addresses.
        workers: Number of processes that share a limit while Redis is unavailable.
    """

    def __init__(self, redis: RedisSettings, *, site: str, secret: str, workers: int) -> None:
        self._redis = open_redis(redis)
        self._site = site
        self._secret = secret.encode()
        self._workers = workers
        self._counts: dict[str, tuple[int, float]] = {}
        self._retry_redis_at = 0.0

    async def hit(self, *hits: Hit) -> tuple[HitResult, ...]:
        """Count one request per limit, and return which limits are exceeded; never raises."""
        now = time.time()
        keys = [self._key(hit, now) for hit in hits]
        ends = [(int(now / hit.limit.seconds) + 1) * hit.limit.seconds for hit in hits]
        local_counts = [self._hit_local(key, end, now) for key, end in zip(keys, ends, strict=True)]
        shared = await self._hit_shared(hits, keys)
        results = []
        for index, hit in enumerate(hits):
            limit = hit.limit.count
            if shared is None:
                count, limit = local_counts[index], -(-limit // self._workers)
            else:
                # The local count also applies when Redis was emptied.
                count = max(shared[index], local_counts[index])
            retry_after = max(1, int(ends[index] - now))
            results.append(HitResult(count > limit, count == limit + 1, retry_after))
        return tuple(results)

    async def refund(self, *hits: Hit) -> None:
        """Subtract what ``hit`` counted, because the request succeeded; never raises."""
        now = time.time()
        keys = [self._key(hit, now) for hit in hits]
        for key in keys:
            count, end = self._counts.get(key, (0, 0.0))
            if count > 0:
                self._counts[key] = (count - 1, end)
        commands: list[tuple[str | int, ...]] = []
        for hit, key in zip(hits, keys, strict=True):
            # If the window has ended, this creates a key, which must expire.
            commands += [("DECR", key), ("EXPIRE", key, hit.limit.seconds + 1)]
        await self._execute(commands)

    async def clear(self, *hits: Hit) -> None:
        """Reset the counters; never raises."""
        keys = [self._key(hit, time.time()) for hit in hits]
        for key in keys:
            self._counts.pop(key, None)
        await self._execute([("DEL", key) for key in keys])

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)

    def _key(self, hit: Hit, now: float) -> str:
        subject = f"{self._site}/{hit.limit.name}/{hit.subject or ''}"
        digest = hmac.digest(self._secret, subject.encode(), hashlib.sha256)[:16].hex()
        return f"sysndd:limit:{hit.limit.name}:{int(now / hit.limit.seconds)}:{digest}"

    def _hit_local(self, key: str, end: float, now: float) -> int:
        count = self._counts.get(key, (0, end))[0] + 1
        self._counts[key] = (count, end)
        if len(self._counts) > _MAX_KEYS:
            self._counts = {k: v for k, v in self._counts.items() if v[1] > now}
            while len(self._counts) > _MAX_KEYS * 3 // 4:
                self._counts.pop(next(iter(self._counts)))
        return count

    async def _hit_shared(self, hits: tuple[Hit, ...], keys: list[str]) -> list[int] | None:
        commands: list[tuple[str | int, ...]] = []
        for hit, key in zip(hits, keys, strict=True):
            commands += [("INCR", key), ("EXPIRE", key, hit.limit.seconds + 1)]
        replies = await self._execute(commands)
        return [int(reply) for reply in replies[::2]] if replies is not None else None

    async def _execute(self, commands: list[tuple[str | int, ...]]) -> list[int] | None:
        if time.monotonic() < self._retry_redis_at:
            return None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                pipeline = self._redis.pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                replies: list[int] = await pipeline.execute()
                return replies
        except (TimeoutError, RedisError, OSError) as error:
            self._retry_redis_at = time.monotonic() + _PAUSE_SECONDS
            log.warning("rate_limit_store_unavailable", reason=type(error).__name__)
            return None


def client_of(remote: str | None) -> str:
    """Return what counts as one client: an IPv4 address, or an IPv6 network of 64 bits.

    A household or host has a whole /64 (RFC 6177), so a limit per address would have no effect.
    """
    if remote is None:
        return "unknown"
    address = ip_address(remote)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((address, 64), strict=False))
    return str(address)
