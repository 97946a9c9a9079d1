"""The lock of ``sysndd_core.db.schema_lock``, held on the connection that runs the DDL.

Dumps and restores take the same lock. The core module defines how to wait for it and when its
holder counts as stalled.
"""

from collections.abc import Callable

from sysndd_core.db.schema_lock import STALLED_SECONDS, Holder, acquire, find_holder
from sysndd_core.db.schema_version import migration_lock_name
from sysndd_core.errors import SchemaLocked, SchemaLockRefused
from sysndd_migrator.errors import LockLost, LockRefused, LockTimedOut
from sysndd_migrator.server.session import Rows, Session


class MigrationLock:
    """The migration lock of one application, on one session.

    Args:
        session: The connection that runs the DDL.
        schema: Name of the application schema.
        stalled: Seconds without progress after which the wait for a holder ends.
    """

    def __init__(self, session: Session, schema: str, *, stalled: float = STALLED_SECONDS) -> None:
        self._session = session
        self._stalled = stalled
        self.name = migration_lock_name(schema)

    async def acquire(
        self, *, timeout: float | None = None, check: Callable[[], None] = lambda: None
    ) -> None:
        """Wait until this connection holds the lock.

        Args:
            timeout: Seconds to wait at most; None to wait while the holder makes progress.
            check: Called between the steps; raises to stop waiting.

        Raises:
            LockRefused: The server does not grant named locks.
            LockTimedOut: ``timeout`` expired, or the holder makes no progress.
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
        """Check that this connection still holds the lock.

        It is released when its connection ends, or by a statement on that connection. Only a file's
        statements can release it, so a check after each of them is enough.

        Returns:
            The server's count of warnings of the previous statement, read in the same query.

        Raises:
            LockLost: This connection does not hold the lock.
        """
        # One text, because the file may have set character_set_results to a two-byte character set.
        result = await self._session.send(
            "SELECT CONCAT_WS('|', @@warning_count, CONNECTION_ID(), IFNULL(IS_USED_LOCK(%s), 0))",
            (self.name,),
            rows=Rows.RAW,
        )
        warnings, own, holder = map(int, bytes(result.rows[0][0]).replace(b"\0", b"").split(b"|"))
        if holder != own:
            raise self.lost(holder or None)
        return warnings

    def lost(self, holder: int | None) -> LockLost:
        """Return the error for a lost lock, with its current holder."""
        now = f"connection {holder} holds it now" if holder else "no connection holds it"
        return LockLost(
            f"The migration lock {self.name} is no longer held by this connection; {now}. "
            "Stopped before the next statement. A migration must not call RELEASE_LOCK or "
            "RELEASE_ALL_LOCKS. Run `sysndd-migrator status` to list what was applied."
        )

    async def holder(self) -> Holder | None:
        """Return the current holder of the lock, or None."""
        return await find_holder(self._session, self.name)

    async def release(self) -> None:
        """Release the lock; no error if it is not held."""
        await self._session.fetch_all("SELECT RELEASE_LOCK(%s)", (self.name,))
