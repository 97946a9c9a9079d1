"""Maintenance mode: writes are rejected while a restore swaps the tables."""

import asyncio
import time

from sysndd_api.backups.store import BackupStore
from sysndd_core.errors import Maintenance

CACHE_SECONDS = 1.0
"""Seconds for which an answer is cached; a restore waits longer than that before the swap."""


class MaintenanceMode:
    """Reads the restore journal, at most once a second in each worker process.

    Args:
        store: Reads the restore journal.
    """

    def __init__(self, store: BackupStore) -> None:
        self._store = store
        self._on = False
        self._cached_until = 0.0
        self._lock = asyncio.Lock()

    async def reject_writes(self) -> None:
        """Raise an error in maintenance mode.

        Raises:
            Maintenance: A restore is running; 503 with Retry-After.
            DatabaseUnavailable: The database does not answer.
            DatabaseBusy: The query exceeded its time limit.
        """
        if await self.is_on():
            raise Maintenance()

    async def is_on(self) -> bool:
        """Return whether maintenance mode is on.

        Raises:
            DatabaseUnavailable: The database does not answer.
            DatabaseBusy: The query exceeded its time limit.
        """
        async with self._lock:
            now = time.monotonic()
            if now >= self._cached_until:
                self._on = await self._store.is_in_maintenance()
                self._cached_until = now + CACHE_SECONDS
            return self._on
