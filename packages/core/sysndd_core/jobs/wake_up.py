"""Wake-ups of workers through arq, on a best-effort basis.

A wake-up that fails or takes longer than ``WAKE_TIMEOUT`` is dropped, because the sweep finds the
row within ten seconds.
"""

import asyncio
import json
from typing import Any

from arq.connections import ArqRedis
from redis.asyncio import BlockingConnectionPool
from redis.exceptions import RedisError

from sysndd_core.jobs.models import Queue
from sysndd_core.logging import get_logger
from sysndd_core.settings.redis import RedisSettings

log = get_logger(__name__)

WAKE_FUNCTION = "wake"
WAKE_TIMEOUT = 0.25
"""Time limit in seconds, because a frozen Redis accepts connections and never responds."""


def serialize(value: dict[str, Any]) -> bytes:
    """Encode an arq message as JSON. arq's default, pickle, can execute code when read."""
    return json.dumps(value, default=str).encode()


def deserialize(data: bytes) -> dict[str, Any]:
    """Decode a message that ``serialize`` encoded."""
    value: dict[str, Any] = json.loads(data)
    return value


def queue_name(queue: Queue) -> str:
    """Return the Redis key of a queue's wake-ups."""
    return f"arq:{queue.value}"


def open_redis(settings: RedisSettings) -> ArqRedis:
    """Create a Redis client, which connects on first use."""
    pool = BlockingConnectionPool.from_url(
        settings.url.get_secret_value(), max_connections=4, timeout=1, socket_connect_timeout=2
    )
    return ArqRedis(pool, job_serializer=serialize, job_deserializer=deserialize)


class WakeUp:
    """Wakes workers when there is a row for them."""

    def __init__(self, settings: RedisSettings) -> None:
        self._redis = open_redis(settings)

    async def announce(self, queue: Queue, row_id: str) -> None:
        """Wake a worker of the queue. Never raises, never takes longer than ``WAKE_TIMEOUT``."""
        try:
            async with asyncio.timeout(WAKE_TIMEOUT):
                await self._redis.enqueue_job(
                    WAKE_FUNCTION, row_id, _queue_name=queue_name(queue), _expires=60
                )
        except (TimeoutError, RedisError, OSError) as error:
            log.warning("wake_up_failed", queue=queue.value, reason=type(error).__name__)

    async def responds(self, timeout: float = 0.5) -> bool:
        """Return whether Redis responds to PING within ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                return bool(await self._redis.ping())
        except (TimeoutError, RedisError, OSError):
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)
