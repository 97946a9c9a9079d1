"""The one lock around everything that changes, dumps or replaces the application's schema.

``GET_LOCK`` with ``migration_lock_name``: a migration waits for a running dump, a dump for a
migration, so error 1412 (the table was redefined under the dump) never happens. The migrator holds
it on the connection that runs the DDL; whoever works through other processes (dump and restore)
holds it on a connection of its own with ``schema_lock``. Never in a pool: a named lock lives and
dies with its connection.
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
"""How long a holder may idle or wait before it counts as stuck."""

_STEP_SECONDS = 1
_REPORT_SECONDS = 5.0
_INFO_LENGTH = 200
_KILL_QUERY = 1317

# A holder outside the migrator shows a statement that carries its purpose to whoever looks into the
# process list; it is that short because releasing the lock has to wait for its end.
_SHOWN_SECONDS = 0.5
_ANSWER_SECONDS = 10.0


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


async def find_holder(runner: QueryRunner, name: str) -> Holder | None:
    """Look up the holder of a named lock in the process list.

    Args:
        runner: any connection to the server.
        name: name of the lock.
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
    """Wait until a named lock is this connection's.

    Args:
        runner: the connection that will hold it.
        name: name of the lock.
        timeout: seconds to wait at most; None to wait as long as the holder makes progress.
        stalled: seconds after which a holder that does nothing is given up on.
        check: called between the steps; raises to stop waiting.

    Raises:
        SchemaLockRefused: the server does not give named locks.
        SchemaLocked: the time is over, or the holder makes no progress; says who it is.
    """
    if await _try(runner, name, 0):
        return
    waiting = _Waiting(timeout, stalled)
    while True:
        check()
        left = waiting.look(await find_holder(runner, name))
        if await _try(runner, name, _STEP_SECONDS if left is None else min(_STEP_SECONDS, left)):
            return


class _Waiting:
    """Since when we wait, and since when the holder has made no progress.

    Args:
        timeout, stalled: as for ``acquire``.
    """

    def __init__(self, timeout: float | None, stalled: float) -> None:
        self._timeout = timeout
        self._stalled = stalled
        self._started = self._progressed = time.monotonic()
        self._reported = 0.0
        self._before: Holder | None = None

    def look(self, holder: Holder | None) -> float | None:
        """Judge who holds the lock now.

        Returns:
            Seconds that are left to wait; None when there is no limit.

        Raises:
            SchemaLocked: the time is over, or the holder makes no progress.
        """
        now = time.monotonic()
        self._judge(holder, now)
        if holder is not None and now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            log.info("waiting_for_lock", held_by=str(holder), waited=round(now - self._started, 1))
        left = None if self._timeout is None else self._timeout - (now - self._started)
        idle = now - self._progressed
        _give_up(holder, timeout=self._timeout, left=left, idle=idle, stalled=self._stalled)
        return left

    def _judge(self, holder: Holder | None, now: float) -> None:
        before, self._before = self._before, holder
        if holder is None or not holder.visible or holder.working or _moved(before, holder):
            self._progressed = now
        elif holder.command == "Sleep":
            # MySQL's process list has no query number; but TIME says when the last statement ended,
            # in whole seconds: what is shown as 1 may have ended a moment ago.
            self._progressed = max(self._progressed, now - max(holder.seconds - 1, 0))


def _give_up(
    holder: Holder | None,
    *,
    timeout: float | None,
    left: float | None,
    idle: float,
    stalled: float,
) -> None:
    held = f"It is held by {holder}." if holder else "Its holder has just let go."
    if left is not None and left <= 0:
        raise SchemaLocked(
            f"The migration lock was not free within {timeout:g} s. {held}",
            holder=holder.thread_id if holder else None,
        )
    if holder is not None and idle >= stalled:
        raise SchemaLocked(
            f"The holder of the migration lock has made no progress for {idle:.0f} s. {held} "
            f"If that process is dead, end its connection: KILL {holder.thread_id};",
            holder=holder.thread_id,
        )


async def _try(runner: QueryRunner, name: str, seconds: float) -> bool:
    try:
        rows = await runner.fetch_all("SELECT GET_LOCK(%s, %s) AS got", (name, max(seconds, 0)))
    except pymysql.err.Error as error:
        number = error.args[0] if error.args else 0
        if number == _KILL_QUERY:  # the caller's check knows why
            await asyncio.sleep(0)
            return False
        words = error.args[1] if len(error.args) > 1 else error
        raise SchemaLockRefused(
            f"The server refuses GET_LOCK: {words} (error {number}). Without it two migrators "
            "could change the schema at once. On a Galera cluster connect to one node and "
            "allow it there (pxc_strict_mode other than ENFORCING or MASTER). "
            "Nothing was changed."
        ) from error
    got = rows[0]["got"]
    if got is None:
        raise SchemaLockRefused(
            "The server answered NULL to GET_LOCK: it has no lock to give. Nothing was changed."
        )
    return bool(got)


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


class SchemaLock:
    """The lock while it is held on a connection of its own; made by ``schema_lock``."""

    def __init__(self, connection: aiomysql.Connection, name: str, purpose: str) -> None:
        self.name = name
        self.connection_id = int(connection.thread_id())
        self._connection = connection
        self._purpose = purpose
        self._one_at_a_time = asyncio.Lock()

    async def ensure_held(self) -> None:
        """Ask the server whether the lock is still ours; takes up to half a second.

        Raises:
            SchemaLockLost: it is not, or the connection is gone: stop before the next step.
        """
        sql = "SELECT IS_USED_LOCK(%s) = CONNECTION_ID() AS held"
        try:
            rows = await self.fetch_all(sql, (self.name,))
        except (pymysql.err.Error, OSError, asyncio.IncompleteReadError) as error:
            raise SchemaLockLost(f"The connection that held {self.name} is gone.") from error
        if not rows[0]["held"]:
            raise SchemaLockLost(f"The lock {self.name} is no longer held by this connection.")

    async def fetch_all(self, sql: str, arguments: Any = None) -> list[Row]:
        """Run one query on the lock's connection; return every row."""
        async with (
            self._one_at_a_time,
            asyncio.timeout(_ANSWER_SECONDS),
            self._connection.cursor(aiomysql.DictCursor) as cursor,
        ):
            await cursor.execute(sql, arguments)
            return list(await cursor.fetchall())

    async def _show_purpose(self) -> None:
        """Keep a statement with our purpose in the process list, and the connection from idling out.

        Without it a waiting migrator would see a connection that sleeps, and give up on it.
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
    """Hold the lock of the application's schema on a connection of its own.

    Args:
        settings: where the server is; ``settings.name`` is the schema.
        purpose: what for, such as ``sysndd-backup: dump``; whoever waits reads it.
        timeout: seconds to wait at most; None to wait as long as the holder makes progress.
        stalled: seconds after which a holder that does nothing is given up on.

    Raises:
        SchemaLocked: someone else holds it and the time is over; says who and what it is doing.
        SchemaLockRefused: the server gives no named locks.
        DatabaseUnavailable: no connection.
    """
    name = migration_lock_name(settings.name)
    connection = await connect(settings)
    try:
        lock = SchemaLock(connection, name, re.sub(r"[^\w .:,@+-]", "_", purpose))
        # Not through fetch_all's time limit: a step of waiting ends by itself.
        await acquire(lock, name, timeout=timeout, stalled=stalled)
        shown = asyncio.create_task(lock._show_purpose())
        try:
            yield lock
        finally:
            await _release(lock, shown)
    finally:
        connection.close()


async def _release(lock: SchemaLock, shown: "asyncio.Task[None]") -> None:
    # Closing the socket would do, but only when the server notices; the next in line waits for us.
    try:
        await lock.fetch_all("SELECT RELEASE_LOCK(%s)", (lock.name,))
    except (pymysql.err.Error, OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        log.warning("lock_release_failed", lock=lock.name, reason=str(error))
    finally:
        shown.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await shown
