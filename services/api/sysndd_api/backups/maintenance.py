"""Maintenance mode: while a restore replaces the tables, writes to the application are refused."""

import asyncio
import time

from sysndd_api.backups.store import BackupStore
from sysndd_core.errors import Maintenance

CACHE_SECONDS = 1.0
"""How long one answer of the database is believed; a restore waits longer before it goes on."""


class MaintenanceMode:
    """Asks the restore journal, at most once a second in each worker process.

    Args:
        store: the restore journal.
    """

    def __init__(self, store: BackupStore) -> None:
        self._store = store
        self._on = False
        self._cached_until = 0.0
        self._lock = asyncio.Lock()

    async def reject_writes(self) -> None:
        """Let a write pass, or not.

        Raises:
            Maintenance: a restore is at work; 503 with Retry-After.
            DatabaseUnavailable, DatabaseBusy: the database can't be now.
        """
        if await self.is_on():
            raise Maintenance()

    async def is_on(self) -> bool:
        """Tell whether writes are refused.

        Raises:
            DatabaseUnavailable, DatabaseBusy: the database can't be now.
        """
        async with self._lock:
            now = time.monotonic()
            if now >= self._cached_until:
                self._on = await self._store.is_in_maintenance()
                self._cached_until = now + CACHE_SECONDS
            return self._on
