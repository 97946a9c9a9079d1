"""A worker process: waits for a wake-up or the sweep, claims rows and renews their leases.

arq only delivers wake-ups. Its retries, timeouts and results are not used, because a job that
crashes under arq stays invisible for up to an hour, and arq's worker exits when Redis is stopped.
Here, rows are claimed within ``SWEEP_SECONDS`` even if Redis is stopped, frozen or flushed.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, cast

import structlog
from arq.worker import Worker as ArqWorker
from arq.worker import func
from redis.exceptions import RedisError

from sysndd_core.background import end_tasks
from sysndd_core.db.database import Database
from sysndd_core.errors import SysnddError
from sysndd_core.jobs.leases import LEASE_SECONDS, CancelReason, Claim, FencingToken, RowT
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
LOG_CLEANUP_SECONDS = 3600


class ClaimedRows(Protocol[RowT]):
    """The methods of a leased table that a worker uses."""

    queue: Queue
    id_name: str
    """Name of the row's ID in log lines: ``job_id`` or ``mail_id``."""
    stores_log_lines: bool
    """Whether the log lines of each row are stored in the platform schema."""

    async def claim_batch(self, worker: str, limit: int) -> list[Claim[RowT]]:
        """Claim up to ``limit`` rows, those that have been due the longest first."""

    async def renew(self, claims: Sequence[Claim[RowT]]) -> list[Claim[RowT]]:
        """Renew the leases; return the claims whose lease was lost."""

    async def cancel_requested(self, claim: Claim[RowT]) -> bool:
        """Return whether the cancellation of the work was requested."""

    async def reclaim(self) -> int:
        """Reclaim rows whose lease expired; return their number."""


Perform = Callable[[Claim[RowT]], Awaitable[None]]
"""Does the work of a claimed row and records its outcome. ``claim.cancel_reason`` explains a
cancellation."""


class Worker(Generic[RowT]):
    """Serves one table until SIGTERM.

    Args:
        database: Connection pool of the process.
        redis: Settings of the Redis server that delivers wake-ups.
        rows: The table to claim from.
        perform: Does the work of a row.
        concurrency: Maximum number of claimed rows.
        interruptible: Returns whether a stopping worker may cancel the work on a row.
    """

    def __init__(
        self,
        *,
        database: Database,
        redis: RedisSettings,
        rows: ClaimedRows[RowT],
        perform: Perform[RowT],
        concurrency: int = 1,
        interruptible: Callable[[Claim[RowT]], bool] = lambda claim: True,
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
        self._claims: dict[asyncio.Task[None], Claim[RowT]] = {}

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT, then complete or release the claimed rows."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        log.info("worker_started", worker=self.name, queue=self._rows.queue.value)
        background = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._sweep()),
        ]
        try:
            async with self._log_stored(), self._leases_renewed():
                await self._serve()
                await self._finish_claims()
        finally:
            await end_tasks(*background)
            await self._deregister()
        log.info("worker_stopped", worker=self.name)

    def stop(self) -> None:
        """Claim no more rows; ``run`` returns when the claimed rows are completed or released."""
        self._stopping.set()
        self._woken.set()

    def wake(self) -> None:
        """Check the queue now."""
        self._woken.set()

    @contextlib.asynccontextmanager
    async def _log_stored(self) -> AsyncIterator[None]:
        """Store the log lines of each row while the block runs, if the table requires it."""
        if not self._rows.stores_log_lines:
            yield
            return
        lines, root = JobLog(self._database), logging.getLogger()
        root.addHandler(lines)
        writing = asyncio.create_task(_write_lines(lines))
        try:
            yield
        finally:
            root.removeHandler(lines)
            await end_tasks(writing)
            await lines.write()

    async def _serve(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            await self._claim_due()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self._woken.wait()

    async def _claim_due(self) -> None:
        """Claim batches while rows are due, each once half of the capacity is free."""
        while not self._stopping.is_set() and self._has_capacity:
            free_slots = self._concurrency - len(self._claims)
            claims = await self._claim(free_slots)
            for claim in claims:
                self._start(claim)
            if len(claims) < free_slots:
                return

    @property
    def _has_capacity(self) -> bool:
        return len(self._claims) <= self._concurrency // 2

    def _start(self, claim: Claim[RowT]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._work(claim))
        self._claims[task] = claim
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._claims[task]
        if self._has_capacity:
            self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("unhandled_job_error", exc_info=error)

    async def _finish_claims(self) -> None:
        # A task that is cancelled before its first step could not release its row.
        await asyncio.sleep(0)
        for task, claim in list(self._claims.items()):
            if self._interruptible(claim) and claim.cancel(CancelReason.WORKER_STOPPING):
                task.cancel()
        await asyncio.gather(*self._claims, return_exceptions=True)

    async def _claim(self, limit: int) -> list[Claim[RowT]]:
        try:
            return await self._rows.claim_batch(self.name, limit)
        except SysnddError as error:
            log.warning("claim_failed", code=error.code, reason=error.detail)
            return []

    async def _work(self, claim: Claim[RowT]) -> None:
        # Bound to the context of this task, so it ends with the task.
        structlog.contextvars.bind_contextvars(**self._log_context(claim))
        await self._perform(claim)

    def _log_context(self, claim: Claim[RowT]) -> dict[str, str | int]:
        """Return the values that identify the row in each log line."""
        context: dict[str, str | int] = {self._rows.id_name: claim.id, "attempt": claim.attempt}
        if claim.row.request_id:
            # Links the lines of the request with those of its job.
            context["request_id"] = claim.row.request_id
        return context

    @contextlib.asynccontextmanager
    async def _leases_renewed(self) -> AsyncIterator[None]:
        heartbeat = asyncio.create_task(self._heartbeat())
        try:
            yield
        finally:
            await end_tasks(heartbeat)

    async def _heartbeat(self) -> None:
        """Renew all leases with one statement; cancel work that lost its lease or must stop."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            claims = dict(self._claims)
            if not claims:
                continue
            reasons = await self._renew(list(claims.values()))
            for task, claim in claims.items():
                reason = reasons.get(claim.fencing_token)
                if reason is not None and claim.cancel(reason):
                    task.cancel()

    async def _renew(self, claims: list[Claim[RowT]]) -> dict[FencingToken, CancelReason]:
        """Renew the leases; return the claims whose work must be cancelled, with the reasons."""
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
            self._log_heartbeat_failure(claims, str(error) or type(error).__name__)
        except Exception as error:
            # Without its heartbeat, the worker would lose every row.
            log.exception("heartbeat_failed")
            self._log_heartbeat_failure(claims, type(error).__name__)
        for claim in claims:
            # Uses the local clock, because the database may be unavailable.
            if not claim.lease_is_valid:
                reasons.setdefault(claim.fencing_token, CancelReason.LEASE_LOST)
        return reasons

    def _log_heartbeat_failure(self, claims: list[Claim[RowT]], reason: str) -> None:
        for claim in claims:
            with structlog.contextvars.bound_contextvars(**self._log_context(claim)):
                log.warning("heartbeat_failed", reason=reason)

    async def _sweep(self) -> None:
        """Register the worker, reclaim expired leases and check the queue, every ten seconds."""
        while True:
            try:
                await self._register()
                reclaimed = await self._rows.reclaim()
                if reclaimed:
                    log.warning("leases_reclaimed", rows=reclaimed)
            except SysnddError as error:
                log.warning("sweep_failed", code=error.code, reason=error.detail)
            except Exception:
                log.exception("sweep_failed")
            self._woken.set()
            await asyncio.sleep(SWEEP_SECONDS)

    async def _register(self) -> None:
        """Report that this worker is alive, and delete rows of workers that stopped long ago."""
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

    async def _deregister(self) -> None:
        with contextlib.suppress(SysnddError):
            await self._database.execute(
                f"DELETE FROM {self._database.ops}.worker WHERE name = %s", (self.name,)
            )

    async def _listen(self) -> None:
        """Set ``_woken`` for each wake-up; reconnect after each failure of Redis."""

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
    cleanup_at = time.monotonic()
    while True:
        await asyncio.sleep(LOG_WRITE_SECONDS)
        await lines.write()
        if time.monotonic() >= cleanup_at:
            await lines.remove_old()
            cleanup_at = time.monotonic() + LOG_CLEANUP_SECONDS
