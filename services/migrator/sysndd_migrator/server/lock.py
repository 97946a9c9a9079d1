"""The lock of ``sysndd_core.db.schema_lock``, held on the connection that runs the DDL.

Backups and restores take the same lock; what waiting means and how a holder is told is there.
"""

from collections.abc import Callable

from sysndd_core.db.schema_lock import STALLED_SECONDS, Holder, acquire, find_holder
from sysndd_core.db.schema_version import migration_lock_name
from sysndd_core.errors import SchemaLocked, SchemaLockRefused
from sysndd_migrator.errors import LockLost, LockRefused, LockTimedOut
from sysndd_migrator.server.session import Rows, Session


class MigrationLock:
    """One application's lock, on one session.

    Args:
        session: the connection that will run the DDL.
        schema: name of the application schema.
        stalled: seconds after which a holder that does nothing is given up on.
    """

    def __init__(self, session: Session, schema: str, *, stalled: float = STALLED_SECONDS) -> None:
        self._session = session
        self._stalled = stalled
        self.name = migration_lock_name(schema)

    async def acquire(
        self, *, timeout: float | None = None, check: Callable[[], None] = lambda: None
    ) -> None:
        """Wait until the lock is ours.

        Args:
            timeout: seconds to wait at most; None to wait as long as the holder makes progress.
            check: called between the steps; raises to stop waiting.

        Raises:
            LockRefused: the server does not give named locks.
            LockTimedOut: the time is over, or the holder makes no progress.
        """
        try:
            await acquire(
                self._session, self.name, timeout=timeout, stalled=self._stalled, check=check
            )
        except SchemaLocked as error:
            raise LockTimedOut(error.detail, **error.extra) from error
        except SchemaLockRefused as error:
            raise LockRefused(error.detail) from error

    async def ensure_held(self) -> int:
        """Check that the lock is still this connection's.

        It ends with its connection or by a statement on it. Our own statements never release it, so
        a check after each statement of a file is one before whatever comes next.

        Returns:
            How many warnings the server counted for the statement before, read in the same query.

        Raises:
            LockLost: it is not.
        """
        # One text: the file may have asked for its answers in a character set of two bytes.
        answer = await self._session.send(
            "SELECT CONCAT(@@warning_count, '|', CONNECTION_ID(), '|', IFNULL(IS_USED_LOCK(%s), 0))",
            (self.name,),
            rows=Rows.RAW,
        )
        warnings, own, holder = map(int, bytes(answer.rows[0][0]).replace(b"\0", b"").split(b"|"))
        if holder != own:
            raise self.lost(holder or None)
        return warnings

    def lost(self, holder: int | None) -> LockLost:
        """Say that the lock is gone, and who has it now."""
        now = f"connection {holder} holds it now" if holder else "nobody holds it now"
        return LockLost(
            f"The migration lock {self.name} is no longer held by this connection; {now}. "
            "Stopped before the next statement. A migration must not call RELEASE_LOCK or "
            "RELEASE_ALL_LOCKS. Run `sysndd-migrator status` to see what was done."
        )

    async def holder(self) -> Holder | None:
        """Say who holds the lock now, or None when nobody does."""
        return await find_holder(self._session, self.name)

    async def release(self) -> None:
        """Let go of the lock; harmless when it is gone already."""
        await self._session.fetch_all("SELECT RELEASE_LOCK(%s)", (self.name,))
