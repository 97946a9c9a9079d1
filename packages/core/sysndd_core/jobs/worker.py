"""A worker process: wait for a wake-up or the sweep, claim rows, keep their leases alive.

arq delivers the wake-up and nothing else. Its own retries, time-outs and results are not used: a
job that dies under arq stays invisible for up to an hour, and arq's worker exits when Redis goes
away. Here Redis may be stopped, frozen or flushed, and rows are still found within ``SWEEP``.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

import structlog
from arq.worker import Worker as ArqWorker
from arq.worker import func
from redis.exceptions import RedisError

from sysndd_core.db.database import Database
from sysndd_core.errors import SysnddError
from sysndd_core.jobs.leases import LEASE_SECONDS, CancelReason, Claim, FencingToken
from sysndd_core.jobs.log import JobLog
from sysndd_core.jobs.models import Queue
from sysndd_core.jobs.wake_up import WAKE_FUNCTION, deserialize, open_redis, queue_name, serialize
from sysndd_core.logging import get_logger
from sysndd_core.settings.redis import RedisSettings

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

log = get_logger(__name__)

SWEEP_SECONDS = 10
HEARTBEAT_SECONDS = LEASE_SECONDS / 4
LOG_WRITE_SECONDS = 1
OLD_LOG_SECONDS = 3600


class ClaimedRows(Protocol):
    """What a worker needs of a leased table."""

    queue: Queue
    id_name: str
    """Name of the row's id in log lines: ``job_id``, ``mail_id``."""
    keeps_log_lines: bool
    """Whether the log lines of each row's work are kept in the platform schema."""

    async def claim_batch(self, worker: str, limit: int) -> list[Claim]:
        """Take up to ``limit`` rows, those that have been due the longest first."""

    async def renew(self, claims: Sequence[Claim]) -> list[Claim]:
        """Extend the leases; return those that are lost."""

    async def cancel_requested(self, claim: Claim) -> bool:
        """Tell whether its cancellation was requested."""

    async def reclaim(self) -> int:
        """Take rows from workers whose lease ran out."""


Perform = Callable[[Claim], Awaitable[None]]
"""Does a claimed row's work and records its outcome; knows by ``claim.cancel_reason`` why it
is cancelled."""


class Worker:
    """Serves one table until SIGTERM.

    Args:
        database: the process's pool.
        redis: where wake-ups come from.
        rows: the table it claims from.
        perform: the work.
        concurrency: rows in hand at once.
        interruptible: whether the work on a row may be cancelled when the process is told to stop.
    """

    def __init__(
        self,
        *,
        database: Database,
        redis: RedisSettings,
        rows: ClaimedRows,
        perform: Perform,
        concurrency: int = 1,
        interruptible: Callable[[Claim], bool] = lambda claim: True,
    ) -> None:
        self.name = f"{rows.queue.value}@{socket.gethostname()}:{os.getpid()}"
        self._database = database
        self._redis = redis
        self._rows = rows
        self._perform = perform
        self._concurrency = concurrency
        self._interruptible = interruptible
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._in_hand: dict[asyncio.Task[None], Claim] = {}

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT, then finish or hand back what is in hand."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        log.info("worker_started", worker=self.name, queue=self._rows.queue.value)
        background = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._sweep()),
        ]
        try:
            async with self._lines_kept(), self._leases_kept():
                await self._serve()
                await self._wind_up()
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await self._sign_off()
        log.info("worker_stopped", worker=self.name)

    def stop(self) -> None:
        """Take no further row; ``run`` returns once what is in hand is settled."""
        self._stopping.set()
        self._woken.set()

    def wake(self) -> None:
        """Look for rows now."""
        self._woken.set()

    async def run_until_idle(self) -> None:
        """Do everything that is due now and return: a burst, for the command line and tests."""
        await self._rows.reclaim()
        async with self._lines_kept(), self._leases_kept():
            while claims := await self._rows.claim_batch(self.name, 1):
                await self._begin(claims[0])

    @contextlib.asynccontextmanager
    async def _lines_kept(self) -> AsyncIterator[None]:
        """Keep the log lines of rows that want it."""
        if not self._rows.keeps_log_lines:
            yield
            return
        lines, root = JobLog(self._database), logging.getLogger()
        root.addHandler(lines)
        writing = asyncio.create_task(_write_lines(lines))
        try:
            yield
        finally:
            root.removeHandler(lines)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            await lines.write()

    async def _serve(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            await self._take_up()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self._woken.wait()

    async def _take_up(self) -> None:
        """Claim a batch once half of what may be in hand is settled; repeat while rows are due."""
        while not self._stopping.is_set() and self._has_room:
            free_slots = self._concurrency - len(self._in_hand)
            claims = await self._claim(free_slots)
            for claim in claims:
                self._begin(claim)
            if len(claims) < free_slots:
                return

    @property
    def _has_room(self) -> bool:
        return len(self._in_hand) <= self._concurrency // 2

    def _begin(self, claim: Claim) -> asyncio.Task[None]:
        task = asyncio.create_task(self._work(claim))
        self._in_hand[task] = claim
        task.add_done_callback(self._settled)
        return task

    def _settled(self, task: asyncio.Task[None]) -> None:
        del self._in_hand[task]
        if self._has_room:
            self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("unhandled_job_error", exc_info=error)

    async def _wind_up(self) -> None:
        # A task that is cancelled before its first step never gets to release its row.
        await asyncio.sleep(0)
        for task, claim in list(self._in_hand.items()):
            if self._interruptible(claim) and claim.cancel(CancelReason.WORKER_STOPPING):
                task.cancel()
        await asyncio.gather(*self._in_hand, return_exceptions=True)

    async def _claim(self, limit: int) -> list[Claim]:
        try:
            return await self._rows.claim_batch(self.name, limit)
        except SysnddError as error:
            log.warning("claim_failed", code=error.code, reason=error.detail)
            return []

    async def _work(self, claim: Claim) -> None:
        # For as long as the task lives, and for nobody else.
        structlog.contextvars.bind_contextvars(**self._names(claim))
        await self._perform(claim)

    def _names(self, claim: Claim) -> dict[str, str | int]:
        """Return what names the row in every log line."""
        names: dict[str, str | int] = {self._rows.id_name: claim.id, "attempt": claim.attempt}
        if claim.row.get("request_id"):
            # The request that asked for it: one id leads from its log lines to these.
            names["request_id"] = claim.row["request_id"]
        return names

    @contextlib.asynccontextmanager
    async def _leases_kept(self) -> AsyncIterator[None]:
        beating = asyncio.create_task(self._heartbeat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _heartbeat(self) -> None:
        """Renew all leases together; cancel the work whose lease is lost or that is not wanted."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            in_hand = dict(self._in_hand)
            if not in_hand:
                continue
            reasons = await self._renew(list(in_hand.values()))
            for task, claim in in_hand.items():
                reason = reasons.get(claim.fencing_token)
                if reason is not None and claim.cancel(reason):
                    task.cancel()

    async def _renew(self, claims: list[Claim]) -> dict[FencingToken, CancelReason]:
        """Return the claims whose work is to be cancelled, with the reason for each."""
        reasons: dict[FencingToken, CancelReason] = {}
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                for lost in await self._rows.renew(claims):
                    reasons[lost.fencing_token] = CancelReason.LEASE_LOST
                for claim in claims:
                    if claim.fencing_token not in reasons and await self._rows.cancel_requested(
                        claim
                    ):
                        reasons[claim.fencing_token] = CancelReason.CANCEL_REQUESTED
        except (SysnddError, TimeoutError) as error:
            self._log_not_renewed(claims, str(error) or type(error).__name__)
        except Exception as error:
            # Whatever it was: without its heartbeat a worker would lose every row.
            log.exception("heartbeat_failed")
            self._log_not_renewed(claims, type(error).__name__)
        for claim in claims:
            # By our own clock, since the database may be what does not answer.
            if not claim.lease_is_valid:
                reasons.setdefault(claim.fencing_token, CancelReason.LEASE_LOST)
        return reasons

    def _log_not_renewed(self, claims: list[Claim], reason: str) -> None:
        for claim in claims:
            with structlog.contextvars.bound_contextvars(**self._names(claim)):
                log.warning("heartbeat_failed", reason=reason)

    async def _sweep(self) -> None:
        """Every ten seconds: be seen, reclaim rows of dead workers, look for forgotten ones."""
        while True:
            try:
                await self._sign_on()
                reclaimed = await self._rows.reclaim()
                if reclaimed:
                    log.warning("leases_reclaimed", rows=reclaimed)
            except SysnddError as error:
                log.warning("sweep_failed", code=error.code, reason=error.detail)
            except Exception:
                log.exception("sweep_failed")
            self._woken.set()
            await asyncio.sleep(SWEEP_SECONDS)

    async def _sign_on(self) -> None:
        await self._database.execute(
            f"INSERT INTO {self._database.ops}.worker (name, queue, started_at, seen_at)"
            " VALUES (%s, %s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
            " ON DUPLICATE KEY UPDATE seen_at = UTC_TIMESTAMP(6)",
            (self.name, self._rows.queue.value),
        )
        await self._database.execute(
            f"DELETE FROM {self._database.ops}.worker"
            " WHERE seen_at < UTC_TIMESTAMP(6) - INTERVAL 1 DAY"
        )

    async def _sign_off(self) -> None:
        with contextlib.suppress(SysnddError):
            await self._database.execute(
                f"DELETE FROM {self._database.ops}.worker WHERE name = %s", (self.name,)
            )

    async def _listen(self) -> None:
        """Set ``_woken`` whenever a wake-up arrives; outlive every failure of Redis."""

        async def wake(_: dict[Any, Any], row_id: str) -> None:
            self.wake()

        while True:
            listener = ArqWorker(
                functions=[
                    func(
                        cast("WorkerCoroutine", wake),
                        name=WAKE_FUNCTION,
                        keep_result=0,
                        max_tries=1,
                        timeout=5,
                    )
                ],
                queue_name=queue_name(self._rows.queue),
                redis_pool=open_redis(self._redis),
                job_serializer=serialize,
                job_deserializer=deserialize,
                handle_signals=False,
                poll_delay=0.1,
            )
            try:
                await listener.async_run()
            except (RedisError, OSError) as error:
                log.warning("redis_unavailable", reason=type(error).__name__)
            finally:
                with contextlib.suppress(RedisError, OSError, TimeoutError):
                    async with asyncio.timeout(1):
                        await listener.close()
            await asyncio.sleep(1)


async def _write_lines(lines: JobLog) -> None:
    old_at = time.monotonic()
    while True:
        await asyncio.sleep(LOG_WRITE_SECONDS)
        await lines.write()
        if time.monotonic() >= old_at:
            await lines.remove_old()
            old_at = time.monotonic() + OLD_LOG_SECONDS
