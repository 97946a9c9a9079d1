"""The lock of ``sysndd_core.schema_lock``, held on the connection that runs the DDL.

Backups and restores take the same lock; what waiting means and how a holder is told is there.
"""

from collections.abc import Callable

from sysndd_core.errors import SchemaLocked, SchemaLockRefused
from sysndd_core.schema_lock import STALLED_SECONDS, Holder, acquire, find_holder
from sysndd_core.schema_version import migration_lock_name
from sysndd_migrator.errors import LockLost, LockRefused, LockTimedOut
from sysndd_migrator.session import Rows, Session


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

    async def check_after_statement(self) -> int:
        """Check that a statement of a file left the lock alone.

        A lock ends with its connection or by a statement on it, and our own never let go of it.

        Returns:
            How many warnings the server counted for that statement, learned in the same query.

        Raises:
            LockLost: the lock is not ours any more.
        """
        # One text: the file may ask for its answers in a character set of two bytes.
        answer = await self._session.send(
            "SELECT CONCAT(@@warning_count, '|', IS_USED_LOCK(%s) <=> CONNECTION_ID())",
            (self.name,),
            rows=Rows.AS_SENT,
        )
        warnings, held = bytes(answer.rows[0][0]).replace(b"\0", b"").split(b"|")
        if held != b"1":
            raise self.lost(None)
        return int(warnings)

    async def ensure_held(self) -> None:
        """Check that the lock is still this connection's.

        Raises:
            LockLost: it is not.
        """
        rows = await self._session.fetch_all(
            "SELECT IS_USED_LOCK(%s) AS holder, CONNECTION_ID() AS own", (self.name,)
        )
        holder, own = rows[0]["holder"], rows[0]["own"]
        if holder is None or int(holder) != int(own):
            raise self.lost(None if holder is None else int(holder))

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
