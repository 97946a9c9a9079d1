"""Maintenance mode: while a restore replaces the tables, writes to the application are refused."""

import asyncio
import time

from sysndd_core.db.database import Database
from sysndd_core.errors import Maintenance

FRESH_SECONDS = 1.0
"""How long one answer of the database is believed; a restore waits longer before it goes on."""


class MaintenanceMode:
    """Asks the restore journal, at most once a second in each worker process.

    Args:
        database: the process's pool.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
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
                row = await self._database.fetch_one(
                    f"SELECT 1 FROM {self._database.ops}.restore_journal"
                    " WHERE finished_at IS NULL AND maintenance = 1 AND live = %s LIMIT 1",
                    (self._database.settings.name,),
                )
                self._on = row is not None
                self._fresh_until = asked + FRESH_SECONDS
            return self._on
