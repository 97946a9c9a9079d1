"""Crash recovery: finishes or rolls back what a dead worker or server left of a restore.

Run at the worker's start, before each job, and every few seconds: a server that was killed comes
back while its worker lives on, perhaps without any further job.
"""

import asyncio
import contextlib
from dataclasses import dataclass

from sysndd_backup.restore.journal import Entry, InterruptedJobs, Journal, Outcome
from sysndd_backup.restore.scratch_schemas import ScratchSchemas
from sysndd_backup.restore.swap import Swap
from sysndd_backup.server.session import SchemaSession, open_session
from sysndd_core.db.database import Database
from sysndd_core.errors import SchemaLocked, SysnddError, Unavailable
from sysndd_core.logging import get_logger

log = get_logger(__name__)

RECOVERY_SECONDS = 3.0
_LOCK_SECONDS = 30.0


@dataclass(frozen=True)
class Recovery:
    """Resolves entries of the restore journal.

    Attributes:
        database: the process's pool.
        keep_hours: how long the schema of the previous tables is kept for an undo.
    """

    database: Database
    keep_hours: float

    @property
    def journal(self) -> Journal:
        """The restore journal."""
        return Journal(self.database)

    def swap(self, session: SchemaSession) -> Swap:
        """Return the steps, on a session that holds the schema lock."""
        platform = self.database.settings.ops_name
        return Swap(session, self.journal, platform=platform, keep_hours=self.keep_hours)

    async def run_forever(self) -> None:
        """Recover every few seconds until cancelled."""
        while True:
            try:
                await self.recover()
            except Unavailable as error:
                log.warning("recovery_deferred", code=error.code, reason=error.detail)
            except Exception:
                log.exception("recovery_failed")
            await asyncio.sleep(RECOVERY_SECONDS)

    async def recover(self) -> None:
        """Resolve every entry that no worker holds, then drop previous schemas past their time.

        Raises:
            SysnddError: an entry could not be resolved now; it stays open for the next call.
        """
        jobs = InterruptedJobs(self.database)
        for entry in await self.journal.unfinished():
            if not entry.swapping and await jobs.has_worker(entry):
                continue
            # A worker that is at it holds the lock; it is not waited for.
            with contextlib.suppress(SchemaLocked):
                outcome = await self.resolve(entry, lock_timeout=0)
                log.warning("restore_recovered", entry=entry.id, outcome=outcome.value)
                await jobs.record_outcome(entry, outcome)
        for entry in await self.journal.kept(expired=True):
            await self._drop(entry)
        await ScratchSchemas(self.database).drop_expired()

    async def resolve(self, entry: Entry, *, lock_timeout: float = _LOCK_SECONDS) -> Outcome:
        """Finish an entry or roll it back, under the schema lock.

        Args:
            entry: as it was read, perhaps a while ago.
            lock_timeout: seconds to wait for the lock.

        Raises:
            SchemaLocked: another worker is at it.
            SysnddError: it could not be resolved now.
        """
        async with open_session(self.database.settings, lock_timeout=lock_timeout) as session:
            return await self.swap(session).resolve(await self.journal.get(entry.id))

    async def drop_superseded(self) -> None:
        """Drop previous schemas that are expired or that a later exchange has replaced."""
        for entry in await self.journal.kept(expired=True):
            await self._drop(entry)
        for entry in (await self.journal.kept(expired=False))[1:]:
            await self._drop(entry)

    async def _drop(self, entry: Entry) -> None:
        try:
            async with open_session(self.database.settings) as session:
                await session.drop_schema(entry.outgoing)
            await self.journal.dropped(entry)
        except SysnddError as error:
            log.warning("schema_drop_failed", schema=entry.outgoing, reason=error.detail)
        else:
            log.info("previous_schema_dropped", schema=entry.outgoing)
