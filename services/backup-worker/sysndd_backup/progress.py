"""Progress of a job: reports to the job's row, and long work that reports and can be cancelled."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sysndd_core.errors import JobCancelled, Unavailable

ResultT = TypeVar("ResultT")

_PROGRESS_SECONDS = 0.5
_GRACE_SECONDS = 5.0


class Progress(Protocol):
    """Reports the progress of a job."""

    async def __call__(self, step: str, percent: int, message: str = "") -> None:
        """Write the progress to the job's row.

        Args:
            step: Name of the step, in lower case.
            percent: Progress of the job, from 0 to 100.
            message: One sentence for the operator.

        Raises:
            LeaseLost: Another worker has claimed the job.
        """


@dataclass(frozen=True)
class JobRun:
    """One attempt at a job.

    Attributes:
        id: ID of the job.
        requested_by: ID of the user who requested the job, or None for the system.
        progress: Reports the progress of the job.
    """

    id: str
    requested_by: int | None
    progress: Progress


class ProgressReporter:
    """Reports the progress of one step of a job, with its rate and remaining time.

    Args:
        progress: Reports the progress of the job; None for work outside jobs.
        step: Name of the step.
        percent: Percent of the job at the beginning and at the end of the step.
        size: Estimated number of bytes in total; the step may exceed it.
    """

    def __init__(
        self, progress: Progress | None, step: str, percent: tuple[int, int], size: int
    ) -> None:
        self._progress = progress
        self._step = step
        self._low, self._high = percent
        self._size = size
        self._reached = self._low

    async def watch(
        self,
        work: Coroutine[Any, Any, ResultT],
        done: Callable[[], int],
        *,
        message: Callable[[], str | None] = lambda: None,
    ) -> ResultT:
        """Run work in a separate task, report its progress, and cancel it with the current task.

        Args:
            work: Stops and cleans up when it is cancelled.
            done: Returns the number of bytes processed so far.
            message: Returns a message to report instead of rate and remaining time, or None.

        Returns:
            The result of ``work``.

        Raises:
            LeaseLost: Another worker has claimed the job; the work was cancelled.
            Exception: Any exception that ``work`` raises.
        """
        started = time.monotonic()
        task = asyncio.create_task(work)
        try:
            while not task.done():
                text = message() or rate(done(), self._size, time.monotonic() - started)
                await self._report(done(), text)
                await asyncio.wait([task], timeout=_PROGRESS_SECONDS)
        except BaseException:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        return task.result()

    async def _report(self, done: int, text: str) -> None:
        if self._progress is None:
            return
        share = min(1.0, done / max(1, self._size))
        # Work that restarts must not reduce the percent.
        self._reached = max(self._reached, self._low + int((self._high - self._low) * share))
        # If the database is unavailable, the work itself decides whether to fail.
        with contextlib.suppress(Unavailable):
            await self._progress(self._step, self._reached, text)


async def run_in_thread(
    work: Callable[[], ResultT], stop: Callable[[], None], *, grace: float | None = None
) -> ResultT:
    """Run blocking work in a thread, and stop it when the task is cancelled.

    Args:
        work: The blocking function.
        stop: Makes ``work`` return soon; called when the task is cancelled.
        grace: Seconds to wait for ``work`` after ``stop``; None to wait without a limit.

    Returns:
        The result of ``work``.
    """
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        stop()
        await asyncio.wait([task], timeout=grace)
        task.add_done_callback(_retrieve_exception)
        raise
    return task.result()


async def run_with_progress(
    work: Callable[[Callable[[int], None]], ResultT], reporter: ProgressReporter
) -> ResultT:
    """Run blocking work that reports the number of bytes it has processed.

    Args:
        work: Receives a function to report the number of bytes processed so far, which raises
            ``JobCancelled`` when the job is cancelled.
        reporter: Reports the progress of the step.

    Returns:
        The result of ``work``.
    """
    done, stopped = 0, False

    def report(count: int) -> None:
        nonlocal done
        if stopped:
            raise JobCancelled()
        done = count

    def stop() -> None:
        nonlocal stopped
        stopped = True

    # Work ends when it reports its next chunk. A thread that waits for unresponsive storage is
    # abandoned after the grace period: it can only fail.
    return await reporter.watch(
        run_in_thread(lambda: work(report), stop, grace=_GRACE_SECONDS), lambda: done
    )


def rate(done: int, expected: int, seconds: float) -> str:
    """Describe progress as bytes, rate and remaining time.

    Args:
        done: Number of bytes processed so far.
        expected: Estimated number of bytes in total; ``done`` may exceed it.
        seconds: Seconds since the beginning.
    """
    if done == 0 or seconds <= 0:
        return "Starting"
    per_second = done / seconds
    left = max(0.0, expected - done) / per_second
    return f"{done:,} bytes, {per_second / 1e6:.1f} MB/s, about {left:.0f} s left"


def _retrieve_exception(task: "asyncio.Task[ResultT]") -> None:
    """Prevent asyncio from logging the exception of a task that nothing awaits any more."""
    if not task.cancelled():
        task.exception()
