"""Finishes or takes back what a dead worker or server left of a restore, without being asked.

Run at the worker's start, before each job, and every few seconds: a server that was killed comes
back while its worker lives on, and no job may ever come to notice.
"""

import asyncio
import contextlib
from dataclasses import dataclass

from sysndd_backup.restore.inspect_table import Inspections
from sysndd_backup.restore.journal import Entry, Journal, Outcome, Purpose
from sysndd_backup.restore.swap import Swap
from sysndd_backup.server.session import SchemaSession, open_session
from sysndd_core.db.database import Database
from sysndd_core.errors import SchemaLocked, SysnddError, Unavailable
from sysndd_core.logging import get_logger

log = get_logger(__name__)

LOOK_SECONDS = 3.0
_LOCK_SECONDS = 30.0


@dataclass(frozen=True)
class Recovery:
    """What is needed to settle an entry.

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

    async def keep(self) -> None:
        """Look after the journal until cancelled."""
        while True:
            try:
                await self.recover()
            except Unavailable as error:
                log.warning("recovery_waits", code=error.code, reason=error.detail)
            except Exception:
                log.exception("recovery_failed")
            await asyncio.sleep(LOOK_SECONDS)

    async def recover(self) -> None:
        """Settle every entry that nobody works on, then drop previous schemas whose time is over.

        Raises:
            SysnddError: an entry could not be settled now; it stays open for the next call.
        """
        for entry in await self.journal.unfinished():
            if not entry.swapping and await self._job_lives(entry):
                continue
            # Whoever works on it holds the lock; it is not waited for.
            with contextlib.suppress(SchemaLocked):
                outcome = await self.settle(entry, lock_timeout=0)
                log.warning("restore_recovered", entry=entry.id, outcome=outcome.value)
                await self._tell_job(entry, outcome)
        for entry in await self.journal.kept(expired=True):
            await self._drop(entry)
        await Inspections(self.database).drop_expired()

    async def settle(self, entry: Entry, *, lock_timeout: float = _LOCK_SECONDS) -> Outcome:
        """Finish an entry or take it back, under the schema lock.

        Args:
            entry: as it was read, perhaps a while ago.
            lock_timeout: seconds to wait for the lock.

        Raises:
            SchemaLocked: somebody works on it.
            SysnddError: it could not be settled now.
        """
        async with open_session(self.database.settings, lock_timeout=lock_timeout) as session:
            return await self.swap(session).settle(await self.journal.get(entry.id))

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
            log.warning("schema_not_dropped", schema=entry.outgoing, reason=error.detail)
        else:
            log.info("previous_schema_dropped", schema=entry.outgoing)

    async def _job_lives(self, entry: Entry) -> bool:
        row = await self.database.fetch_one(
            f"SELECT 1 FROM {self.database.ops}.job WHERE id = %s AND state = 'running'"
            " AND lease_until > UTC_TIMESTAMP(6)",
            (entry.job_id,),
        )
        return row is not None

    async def _tell_job(self, entry: Entry, outcome: Outcome) -> None:
        """Let the job's row say what became of it; its worker can't any more."""
        done = outcome is Outcome.DONE
        what = "previous" if entry.purpose is Purpose.UNDO else "restored"
        text = (
            f"The worker or the server stopped in the middle; it was finished: the {what} database"
            " is live."
            if done
            else "The worker or the server stopped in the middle. The database is as before."
        )
        await self.database.execute(
            f"UPDATE {self.database.ops}.job SET state = %s, error_code = %s, error = %s,"
            " message = %s, percent = IF(%s, 100, percent), lease_until = NULL,"
            " finished_at = COALESCE(finished_at, UTC_TIMESTAMP(6))"
            " WHERE id = %s AND state IN ('running', 'failed')",
            ("succeeded" if done else "failed", None if done else "restore_failed",
             None if done else text, text, done, entry.job_id),
        )  # fmt: skip
        # The audit log may hold that it was lost; now it is known how it ended.
        await self.database.execute(
            f"DELETE FROM {self.database.ops}.job_outcome WHERE job_id = %s", (entry.job_id,)
        )
