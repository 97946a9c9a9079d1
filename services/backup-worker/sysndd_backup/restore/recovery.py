"""Crash recovery: completes or reverts restores whose worker or database server stopped.

It runs at the start of the worker, before each job, and every few seconds, because the server can
restart while its worker keeps running.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field

from sysndd_backup.context import SiteHoldConfig
from sysndd_backup.restore.journal import Entry, InterruptedJobs, Journal, Outcome
from sysndd_backup.restore.scratch_schemas import ScratchSchemas
from sysndd_backup.restore.site_hold import SiteHold
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
        database: The connection pool.
        keep_hours: Hours for which the schema of the replaced tables is retained for an undo.
        site_hold: How a restore holds the site's own program.
    """

    database: Database
    keep_hours: float
    site_hold: SiteHoldConfig = field(default_factory=SiteHoldConfig)

    @property
    def journal(self) -> Journal:
        """The restore journal."""
        return Journal(self.database)

    @property
    def hold(self) -> SiteHold:
        """Holds and releases the site's own program."""
        return SiteHold(self.database.settings, self.journal, self.site_hold)

    def swap(self, session: SchemaSession) -> Swap:
        """Return the steps of a swap, for a session that holds the schema lock."""
        platform = self.database.settings.ops_name
        return Swap(
            session,
            self.journal,
            platform=platform,
            keep_hours=self.keep_hours,
            hold=self.hold,
        )

    async def run_forever(self) -> None:
        """Run crash recovery every few seconds."""
        while True:
            try:
                await self.recover()
            except Unavailable as error:
                log.warning("crash_recovery_deferred", code=error.code, reason=error.detail)
            except Exception:
                log.exception("crash_recovery_failed")
            await asyncio.sleep(RECOVERY_SECONDS)

    async def recover(self) -> None:
        """Resolve all entries without a running worker, and drop expired schemas.

        This also releases what a restore holds of the site's program.

        Raises:
            SysnddError: An entry could not be resolved; it remains open for the next call.
        """
        await self._release_holds()
        jobs = InterruptedJobs(self.database)
        for entry in await self.journal.unfinished():
            if not entry.swapping and await jobs.has_worker(entry):
                continue
            # A worker that is resolving the entry holds the lock, so do not wait.
            with contextlib.suppress(SchemaLocked):
                outcome = await self.resolve(entry, lock_timeout=0)
                log.warning("restore_recovered", entry=entry.id, outcome=outcome.value)
                await jobs.record_outcome(entry, outcome)
        for entry in await self.journal.retained(expired=True):
            await self._drop(entry)
        await ScratchSchemas(self.database).drop_expired()

    async def resolve(self, entry: Entry, *, lock_timeout: float = _LOCK_SECONDS) -> Outcome:
        """Complete or roll back an entry, under the schema lock.

        Args:
            entry: The entry; it is read again under the lock.
            lock_timeout: Seconds to wait for the schema lock.

        Returns:
            How the swap ended.

        Raises:
            SchemaLocked: Another connection holds the schema lock.
            SysnddError: The entry could not be resolved and remains open.
        """
        async with open_session(self.database.settings, lock_timeout=lock_timeout) as session:
            return await self.swap(session).resolve(await self.journal.get(entry.id))

    async def drop_superseded(self) -> None:
        """Drop retained schemas that have expired or precede the latest swap."""
        for entry in await self.journal.retained(expired=True):
            await self._drop(entry)
        for entry in (await self.journal.retained(expired=False))[1:]:
            await self._drop(entry)

    async def _release_holds(self) -> None:
        """Release what could not be released when its entry was closed."""
        for entry in await self.journal.still_held():
            with contextlib.suppress(SchemaLocked):
                async with open_session(self.database.settings, lock_timeout=0):
                    await self.hold.release(entry, entry.outcome or Outcome.ROLLED_BACK)

    async def _drop(self, entry: Entry) -> None:
        try:
            async with open_session(self.database.settings) as session:
                await session.drop_schema(entry.outgoing)
            await self.journal.record_dropped(entry)
        except SysnddError as error:
            log.warning("schema_drop_failed", schema=entry.outgoing, reason=error.detail)
        else:
            log.info("retained_schema_dropped", schema=entry.outgoing)
