"""The schema lock, which migrations, dumps and restores of the application schema share.

The lock is ``GET_LOCK`` with ``migration_lock_name``. A migration waits for a running dump and a
dump for a migration, so error 1412 (table definition changed) cannot happen. The migrator holds the
lock on the connection that runs the DDL. Dumps and restores, which run in other processes, hold it
on a separate connection with ``schema_lock``. The connection must not be pooled, because a named
lock ends with its connection.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiomysql
import pymysql.err

from sysndd_core.db.database import Row, connect
from sysndd_core.db.schema_version import QueryRunner, migration_lock_name
from sysndd_core.errors import SchemaLocked, SchemaLockLost, SchemaLockRefused
from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings

log = get_logger(__name__)

STALLED_SECONDS = 120.0
"""Seconds for which a holder may be idle or wait before it counts as stuck."""

_STEP_SECONDS = 1
_REPORT_SECONDS = 5.0
_INFO_LENGTH = 200
_KILL_QUERY = 1317

# A dump or restore shows its purpose in the process list with a repeated statement. It is short,
# because releasing the lock has to wait for its end.
_SHOWN_SECONDS = 0.5
_ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Holder:
    """The connection that holds the lock, as the process list shows it.

    Attributes:
        thread_id: Connection ID on the server.
        visible: False if this account must not see the threads of other accounts; the other
            attributes are empty then.
        user: ``user@host``.
        command: Kind of work, such as ``Query`` or ``Sleep``.
        seconds: Seconds in that state.
        state: State that the server reports.
        info: The statement, shortened.
        marker: Value that changes whenever the connection makes progress.
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
        """Whether the connection is executing a statement, neither idle nor waiting for a lock."""
        return self.command not in {"", "Sleep"} and not self.state.startswith("Waiting")

    def __str__(self) -> str:
        if not self.visible:
            return (
                f"connection {self.thread_id}, whose details this account cannot see "
                "(requires the PROCESS privilege)"
            )
        activity = f"{self.command}, {self.state}" if self.state else self.command
        statement = f": {self.info}" if self.info else ""
        return (
            f"connection {self.thread_id} of {self.user}, {activity} for {self.seconds} s"
            f"{statement}"
        )


async def find_holder(runner: QueryRunner, name: str) -> Holder | None:
    """Find the holder of a named lock in the process list.

    Args:
        runner: Any connection to the server.
        name: Name of the lock.

    Returns:
        The holder, or None if the lock is free.
    """
    rows = await runner.fetch_all("SELECT IS_USED_LOCK(%s) AS id", (name,))
    if rows[0]["id"] is None:
        return None
    thread_id = int(rows[0]["id"])
    found = await runner.fetch_all(
        "SELECT * FROM information_schema.processlist WHERE id = %s", (thread_id,)
    )
    return _holder(thread_id, found[0]) if found else Holder(thread_id)


async def acquire(
    runner: QueryRunner,
    name: str,
    *,
    timeout: float | None = None,
    stalled: float = STALLED_SECONDS,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Wait for a named lock and take it.

    Args:
        runner: The connection that will hold the lock.
        name: Name of the lock.
        timeout: Maximum number of seconds to wait, or None to wait as long as the holder makes
            progress.
        stalled: Number of seconds without progress of the holder after which to stop waiting.
        check: Called between attempts; raises to stop waiting.

    Raises:
        SchemaLockRefused: The server rejects named locks.
        SchemaLocked: The lock was not free in time, or its holder makes no progress; names the
            holder.
    """
    if await _try(runner, name, 0):
        return
    waiting = _Waiting(timeout, stalled)
    while True:
        check()
        left = waiting.update(await find_holder(runner, name))
        if await _try(runner, name, _STEP_SECONDS if left is None else min(_STEP_SECONDS, left)):
            return


class _Waiting:
    """Tracks how long the wait takes and since when the holder has made no progress.

    Args:
        timeout: As for ``acquire``.
        stalled: As for ``acquire``.
    """

    def __init__(self, timeout: float | None, stalled: float) -> None:
        self._timeout = timeout
        self._stalled = stalled
        self._started = self._progressed = time.monotonic()
        self._reported = 0.0
        self._before: Holder | None = None

    def update(self, holder: Holder | None) -> float | None:
        """Record the current holder and decide whether to continue waiting.

        Returns:
            Remaining seconds, or None without a limit.

        Raises:
            SchemaLocked: The lock was not free in time, or its holder makes no progress.
        """
        now = time.monotonic()
        self._record_progress(holder, now)
        if holder is not None and now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            log.info("waiting_for_lock", held_by=str(holder), waited=round(now - self._started, 1))
        left = None if self._timeout is None else self._timeout - (now - self._started)
        idle = now - self._progressed
        _give_up(holder, timeout=self._timeout, left=left, idle=idle, stalled=self._stalled)
        return left

    def _record_progress(self, holder: Holder | None, now: float) -> None:
        before, self._before = self._before, holder
        if holder is None or not holder.visible or holder.working or _moved(before, holder):
            self._progressed = now
        elif holder.command == "Sleep":
            # MySQL's process list has no query ID, but TIME counts from the end of the last
            # statement, in whole seconds: 1 may mean that it has just ended.
            self._progressed = max(self._progressed, now - max(holder.seconds - 1, 0))


def _give_up(
    holder: Holder | None,
    *,
    timeout: float | None,
    left: float | None,
    idle: float,
    stalled: float,
) -> None:
    held = f"It is held by {holder}." if holder else "It was released just now."
    if left is not None and left <= 0:
        raise SchemaLocked(
            f"The migration lock was not free within {timeout:g} s. {held}",
            holder=holder.thread_id if holder else None,
        )
    if holder is not None and idle >= stalled:
        raise SchemaLocked(
            f"The holder of the migration lock has made no progress for {idle:.0f} s. {held} "
            f"If that process no longer exists, end its connection: KILL {holder.thread_id};",
            holder=holder.thread_id,
        )


async def _try(runner: QueryRunner, name: str, seconds: float) -> bool:
    try:
        rows = await runner.fetch_all("SELECT GET_LOCK(%s, %s) AS got", (name, max(seconds, 0)))
    except pymysql.err.Error as error:
        number = error.args[0] if error.args else 0
        if number == _KILL_QUERY:  # the caller's check decides
            await asyncio.sleep(0)
            return False
        words = error.args[1] if len(error.args) > 1 else error
        raise SchemaLockRefused(
            f"The server rejects GET_LOCK: {words} (error {number}). Without it, two migrators "
            "could change the schema at the same time, so nothing was changed. On a Galera "
            "cluster, connect to one node and allow GET_LOCK there (set pxc_strict_mode to a value "
            "other than ENFORCING and MASTER)."
        ) from error
    got = rows[0]["got"]
    if got is None:
        raise SchemaLockRefused("GET_LOCK failed: the server returned NULL. Nothing was changed.")
    return bool(got)


def _holder(thread_id: int, found: Row) -> Holder:
    # Only MariaDB has QUERY_ID, STAGE and PROGRESS in its process list.
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


class SchemaLock:
    """The lock while it is held on a separate connection; created by ``schema_lock``."""

    def __init__(self, connection: aiomysql.Connection, name: str, purpose: str) -> None:
        self.name = name
        self.connection_id = int(connection.thread_id())
        self._connection = connection
        self._purpose = purpose
        self._one_at_a_time = asyncio.Lock()

    async def ensure_held(self) -> None:
        """Check with the server that this connection still holds the lock.

        This takes up to half a second.

        Raises:
            SchemaLockLost: The lock or its connection was lost; stop before the next step.
        """
        sql = "SELECT IS_USED_LOCK(%s) = CONNECTION_ID() AS held"
        try:
            rows = await self.fetch_all(sql, (self.name,))
        except (pymysql.err.Error, OSError, asyncio.IncompleteReadError) as error:
            raise SchemaLockLost(
                f"The connection that held the lock {self.name} was lost."
            ) from error
        if not rows[0]["held"]:
            raise SchemaLockLost(f"The lock {self.name} is no longer held by this connection.")

    async def fetch_all(self, sql: str, arguments: Any = None) -> list[Row]:
        """Run one query on the connection of the lock; return all rows."""
        async with (
            self._one_at_a_time,
            asyncio.timeout(_ANSWER_SECONDS),
            self._connection.cursor(aiomysql.DictCursor) as cursor,
        ):
            await cursor.execute(sql, arguments)
            return list(await cursor.fetchall())

    async def _show_purpose(self) -> None:
        """Keep a statement with the purpose in the process list, so the connection is not idle.

        Otherwise a waiting migrator would see an idle holder and stop waiting.
        """
        sql = f"DO SLEEP({_SHOWN_SECONDS}) /* {self._purpose} */"
        while True:
            try:
                await self.fetch_all(sql)
            except (pymysql.err.Error, OSError, asyncio.IncompleteReadError) as error:
                if error.args[:1] != (_KILL_QUERY,):
                    log.error("schema_lock_lost", lock=self.name, reason=str(error))
                    return


@contextlib.asynccontextmanager
async def schema_lock(
    settings: DatabaseSettings,
    *,
    purpose: str,
    timeout: float | None,
    stalled: float = STALLED_SECONDS,
) -> AsyncIterator[SchemaLock]:
    """Hold the schema lock of the application schema on a separate connection.

    Args:
        settings: Database settings; ``settings.name`` is the schema.
        purpose: Purpose, such as ``sysndd-backup: dump``; waiting processes report it.
        timeout: Maximum number of seconds to wait, or None to wait as long as the holder makes
            progress.
        stalled: Number of seconds without progress of the holder after which to stop waiting.

    Yields:
        The lock.

    Raises:
        SchemaLocked: The lock was not free in time, or its holder makes no progress; names the
            holder and its statement.
        SchemaLockRefused: The server rejects named locks.
        DatabaseUnavailable: The server could not be reached.
    """
    name = migration_lock_name(settings.name)
    connection = await connect(settings)
    try:
        lock = SchemaLock(connection, name, re.sub(r"[^\w .:,@+-]", "_", purpose))
        # ``acquire`` waits in short steps, each within the time limit of ``fetch_all``.
        await acquire(lock, name, timeout=timeout, stalled=stalled)
        purpose_task = asyncio.create_task(lock._show_purpose())
        try:
            yield lock
        finally:
            await _release(lock, purpose_task)
    finally:
        connection.close()


async def _release(lock: SchemaLock, purpose_task: "asyncio.Task[None]") -> None:
    # Closing the connection alone would release the lock only when the server notices it.
    try:
        await lock.fetch_all("SELECT RELEASE_LOCK(%s)", (lock.name,))
    except (pymysql.err.Error, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        log.warning("lock_release_failed", lock=lock.name, reason=str(error))
    finally:
        purpose_task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await purpose_task
