"""How far a job is: what its handler reports, and a watch over its long work."""

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
    """Shows where a job is; raises ``LeaseLost`` when the row is no longer ours."""

    async def __call__(self, step: str, percent: int, message: str = "") -> None:
        """Write step, percent (0 to 100) and a sentence into the row."""


@dataclass(frozen=True)
class JobRun:
    """One attempt at a job, as its handler sees it.

    Attributes:
        id: the job's id.
        requested_by: user id, or None for the system itself.
        progress: shows where the job is.
    """

    id: str
    requested_by: int | None
    progress: Progress


class ProgressReporter:
    """Shows how far one step of a job is, with its speed and the time left.

    Args:
        progress: shown to the operator; None for work outside of jobs.
        step: the job's step.
        percent: where the step begins and ends within the job.
        size: bytes in all; an estimate, which may be exceeded.
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
        """Run work as a task of its own; report how far it is, and cancel it with this one.

        Args:
            work: stops and cleans up when it is cancelled.
            done: returns how many bytes are done.
            message: returns what to show instead of speed and time left, None to show those.

        Raises:
            LeaseLost: the job's row is no longer ours; the work was cancelled.
            What ``work`` raises.
        """
        begun = time.monotonic()
        task = asyncio.create_task(work)
        try:
            while not task.done():
                text = message() or pace(done(), self._size, time.monotonic() - begun)
                await self._show(done(), text)
                await asyncio.wait([task], timeout=_PROGRESS_SECONDS)
        except BaseException:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise
        return task.result()

    async def _show(self, done: int, text: str) -> None:
        if self._progress is None:
            return
        share = min(1.0, done / max(1, self._size))
        # Work that is begun again does not take the percent back.
        self._reached = max(self._reached, self._low + int((self._high - self._low) * share))
        # A moment without the database is for the work itself to judge.
        with contextlib.suppress(Unavailable):
            await self._progress(self._step, self._reached, text)


async def run_in_thread(
    work: Callable[[], ResultT], stop: Callable[[], None], *, grace: float | None = None
) -> ResultT:
    """Run blocking work in a thread, and stop it with the task.

    Args:
        work: what to run.
        stop: makes it end soon; called when the task is cancelled.
        grace: seconds to wait for that end; None to wait for as long as it takes.
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
    """Run blocking work that reports its own bytes.

    Args:
        work: is given a function to report how many bytes are done; that one raises
            ``JobCancelled`` once the work is to end.
        reporter: shows them.
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

    # It ends at its next piece. Work that waits for a storage which does not answer is left behind:
    # it can do no more than fail.
    return await reporter.watch(
        run_in_thread(lambda: work(report), stop, grace=_GRACE_SECONDS), lambda: done
    )


def pace(done: int, expected: int, seconds: float) -> str:
    """Describe how far something is, its speed, and the time left.

    Args:
        done, expected: bytes; ``expected`` is an estimate and may be exceeded.
        seconds: since it began.
    """
    if done == 0 or seconds <= 0:
        return "Starting"
    rate = done / seconds
    left = max(0.0, expected - done) / rate
    return f"{done:,} bytes, {rate / 1e6:.1f} MB/s, about {left:.0f} s left"


def _retrieve_exception(task: "asyncio.Task[ResultT]") -> None:
    """Keep asyncio from logging an exception that no task awaits any more."""
    if not task.cancelled():
        task.exception()
