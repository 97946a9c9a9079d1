"""Maintenance mode: while a restore replaces the tables, writes to the application are refused."""

import asyncio
import time

from sysndd_api.backups.store import BackupStore
from sysndd_core.errors import Maintenance

FRESH_SECONDS = 1.0
"""How long one answer of the database is believed; a restore waits longer before it goes on."""


class MaintenanceMode:
    """Asks the restore journal, at most once a second in each worker process.

    Args:
        store: the restore journal.
    """

    def __init__(self, store: BackupStore) -> None:
        self._store = store
        self._on = False
        self._fresh_until = 0.0
        self._asking = asyncio.Lock()

    async def refuse_writes(self) -> None:
        """Let a write pass, or not.

        Raises:
            Maintenance: a restore is at work; 503 with Retry-After.
            DatabaseUnavailable, DatabaseBusy: the database can't be asked.
        """
        if await self.is_on():
            raise Maintenance()

    async def is_on(self) -> bool:
        """Tell whether writes are refused.

        Raises:
            DatabaseUnavailable, DatabaseBusy: the database can't be asked.
        """
        async with self._asking:
            asked = time.monotonic()
            if asked >= self._fresh_until:
                self._on = await self._store.is_in_maintenance()
                self._fresh_until = asked + FRESH_SECONDS
            return self._on
