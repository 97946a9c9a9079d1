"""Counts the requests of a process and writes the sums every few seconds."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from sysndd_api.request_stats.models import Counts, Period, WorkerPool
from sysndd_api.request_stats.store import RequestStatsStore
from sysndd_api.web.middleware import ObservedRequest
from sysndd_core.background import end_tasks
from sysndd_core.db.database import Database
from sysndd_core.errors import SysnddError
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_WRITE_SECONDS = 5
_SEEN_SECONDS = 20
_RETENTION_HOURS = 48


class RequestStats:
    """Request statistics of the API processes; serving requests never depends on them.

    Args:
        database: The connection pool, which is measured too.
        store: Stores the sums.
    """

    def __init__(self, database: Database, store: RequestStatsStore) -> None:
        self._database = database
        self._store = store
        self._counts = Counts()
        self._worker = f"{socket.gethostname()}:{os.getpid()}"

    def observe(self, request: ObservedRequest) -> None:
        """Count one request; health checks and scrapes are ignored."""
        if request.is_probe:
            return
        ms = request.seconds * 1000
        counts, pool = self._counts, self._database.state
        counts.requests += 1
        counts.failures += request.status >= 500
        counts.ms_total += ms
        counts.ms_max = max(counts.ms_max, ms)
        counts.in_use = max(counts.in_use, pool.in_use)
        counts.waiting = max(counts.waiting, pool.waiting)

    @contextlib.asynccontextmanager
    async def recording(self) -> AsyncIterator[None]:
        """Write the sums every few seconds inside the block, and once more at its end."""
        writing = asyncio.create_task(self._write_periodically())
        try:
            yield
        finally:
            await end_tasks(writing)
            await self._write()

    async def recent_periods(self, *, hours: int = 6, minutes: int = 10) -> list[Period]:
        """Return every period of the last hours, including empty ones, oldest first."""
        periods = await self._store.by_period(hours=hours, minutes=minutes)
        found = {period.begins: period for period in periods}
        now, step = datetime.now(UTC), timedelta(minutes=minutes)
        last = now - timedelta(seconds=now.timestamp() % step.total_seconds())
        last = last.replace(microsecond=0)
        count = hours * 60 // minutes
        return [
            found.get(begins) or Period(begins, 0, 0, 0.0, 0.0)
            for begins in (last - step * back for back in range(count - 1, -1, -1))
        ]

    async def pools(self) -> list[WorkerPool]:
        """Return the connection pool of every API process that was seen recently."""
        newest: dict[str, WorkerPool] = {}
        for pool in await self._store.pools(seconds=_SEEN_SECONDS):
            newest.setdefault(pool.worker, pool)
        return list(newest.values())

    async def _write_periodically(self) -> None:
        writes = 0
        while True:
            await self._write()
            if writes % 720 == 0:
                with contextlib.suppress(SysnddError):
                    await self._store.remove_old(hours=_RETENTION_HOURS)
            writes += 1
            await asyncio.sleep(_WRITE_SECONDS)

    async def _write(self) -> None:
        counts, self._counts = self._counts, Counts()
        size = self._database.settings.pool_size
        try:
            await self._store.add(self._worker, counts, pool_size=size)
        except SysnddError as error:
            # The charts then have a gap; requests are not affected.
            log.debug("request_stats_write_failed", code=error.code)
