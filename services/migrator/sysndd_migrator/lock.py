"""The advisory lock that lets one migrator at a time change the schemas.

``GET_LOCK`` on the connection that runs the DDL. Whoever finds it taken asks again in short
steps, says who holds it and what that connection is doing, and gives up only when the holder
makes no progress or the caller's own time is over.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import pymysql.err

from sysndd_core.database import Row
from sysndd_core.logging import get_logger
from sysndd_core.schema_version import migration_lock_name
from sysndd_migrator.errors import LockLost, LockRefused, LockTimedOut
from sysndd_migrator.session import Session, server_error

log = get_logger(__name__)

STALLED_SECONDS = 120.0
"""How long a holder may idle or wait before it counts as stuck."""

_STEP_SECONDS = 1
_REPORT_SECONDS = 5.0
_INFO_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Holder:
    """The connection that holds the lock, as the process list shows it.

    Attributes:
        thread_id: its id on the server.
        visible: False when the account may not see other accounts' threads; the rest is empty then.
        user: ``user@host``.
        command: what kind of work, such as ``Query`` or ``Sleep``.
        seconds: time in that state.
        state: the server's word for the step it is in.
        info: the statement, shortened.
        marker: changes whenever it moved on.
    """

    thread_id: int
    visible: bool = False
    user: str = ""
    command: str = ""
    seconds: int = 0
    state: str = ""
    info: str = ""
    marker: str = ""

    @property
    def working(self) -> bool:
        """Tell whether it is executing something, not idle and not waiting for a lock."""
        return self.command not in {"", "Sleep"} and not self.state.startswith("Waiting")

    def __str__(self) -> str:
        if not self.visible:
            return (
                f"connection {self.thread_id}, which this account may not see "
                "(the PROCESS privilege would show it)"
            )
        doing = f"{self.command}, {self.state}" if self.state else self.command
        statement = f": {self.info}" if self.info else ""
        return (
            f"connection {self.thread_id} of {self.user}, {doing} for {self.seconds} s{statement}"
        )


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
        if await self._try(0):
            return
        started = progressed = time.monotonic()
        reported = 0.0
        before: Holder | None = None
        while True:
            check()
            now = time.monotonic()
            holder = await self.holder()
            if holder is None or not holder.visible or holder.working or _moved(before, holder):
                progressed = now
            before = holder
            if holder is not None and now - reported >= _REPORT_SECONDS:
                reported = now
                log.info("waiting_for_lock", held_by=str(holder), waited=round(now - started, 1))
            self._give_up(holder, waited=now - started, idle=now - progressed, timeout=timeout)
            if await self._try(_STEP_SECONDS):
                return

    def _give_up(
        self, holder: Holder | None, *, waited: float, idle: float, timeout: float | None
    ) -> None:
        held = f"It is held by {holder}." if holder else "Its holder has just let go."
        if timeout is not None and waited >= timeout:
            raise LockTimedOut(
                f"The migration lock was not free within {timeout:g} s. {held}",
                holder=holder.thread_id if holder else None,
            )
        if holder is not None and idle >= self._stalled:
            raise LockTimedOut(
                f"The holder of the migration lock has made no progress for {idle:.0f} s. {held} "
                f"If that process is dead, end its connection: KILL {holder.thread_id};",
                holder=holder.thread_id,
            )

    async def _try(self, seconds: int) -> bool:
        try:
            rows = await self._session.fetch_all(
                "SELECT GET_LOCK(%s, %s) AS got", (self.name, seconds)
            )
        except pymysql.err.Error as error:
            number, words = server_error(error)
            if number == 1317:  # KILL QUERY: the caller's check knows why
                await asyncio.sleep(0)
                return False
            raise LockRefused(
                f"The server refuses GET_LOCK: {words} (error {number}). Without it two migrators "
                "could change the schema at once. On a Galera cluster connect to one node and "
                "allow it there (pxc_strict_mode other than ENFORCING or MASTER). "
                "Nothing was changed."
            ) from error
        got = rows[0]["got"]
        if got is None:
            raise LockRefused(
                "The server answered NULL to GET_LOCK: it has no lock to give. Nothing was changed."
            )
        return bool(got)

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
            now = f"connection {holder} holds it now" if holder else "nobody holds it now"
            raise LockLost(
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


async def find_holder(session: Session, name: str) -> Holder | None:
    """Look up the holder of a named lock in the process list.

    Args:
        session: any session on the server.
        name: name of the lock.
    """
    rows = await session.fetch_all("SELECT IS_USED_LOCK(%s) AS id", (name,))
    if rows[0]["id"] is None:
        return None
    thread_id = int(rows[0]["id"])
    found = await session.fetch_all(
        "SELECT * FROM information_schema.processlist WHERE id = %s", (thread_id,)
    )
    return _holder(thread_id, found[0]) if found else Holder(thread_id)


def _holder(thread_id: int, found: Row) -> Holder:
    # MariaDB has QUERY_ID, STAGE and PROGRESS there, MySQL has none of them.
    row = {str(name).lower(): value for name, value in found.items()}
    info = " ".join(str(row.get("info") or "").split())
    return Holder(
        thread_id=thread_id,
        visible=True,
        user=f"{row['user']}@{row['host']}",
        command=str(row.get("command") or ""),
        seconds=int(row.get("time") or 0),
        state=str(row.get("state") or ""),
        info=info if len(info) <= _INFO_LENGTH else f"{info[:_INFO_LENGTH]}…",
        marker=repr([row.get(key) for key in ("command", "state", "info", "query_id", "progress")]),
    )


def _moved(before: Holder | None, now: Holder) -> bool:
    if before is None or before.thread_id != now.thread_id:
        return True
    return before.marker != now.marker or now.seconds < before.seconds
