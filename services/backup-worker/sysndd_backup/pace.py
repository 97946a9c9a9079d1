"""How far long work is: words for its speed, and a watch over work in a thread."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TypeVar

from sysndd_backup.progress import Progress
from sysndd_core.errors import JobCancelled, Unavailable

ResultT = TypeVar("ResultT")

_PROGRESS_SECONDS = 0.5
_ENDING_SECONDS = 5


def pace(done: int, expected: int, seconds: float) -> str:
    """Say how far something is, how fast it goes and how long it will take.

    Args:
        done, expected: bytes; ``expected`` is an estimate and may be passed.
        seconds: since it began.
    """
    if done == 0 or seconds <= 0:
        return "Starting"
    rate = done / seconds
    left = max(0.0, expected - done) / rate
    return f"{done:,} bytes, {rate / 1e6:.1f} MB/s, about {left:.0f} s left"


async def watched(
    work: Callable[[Callable[[int], None]], ResultT],
    progress: Progress | None,
    step: str,
    percent: tuple[int, int],
    size: int,
) -> ResultT:
    """Run blocking work in a thread; show how far it is, and break it off with the task.

    Args:
        work: is given a function to tell how many bytes it has done; that one raises
            ``JobCancelled`` once the work is to end.
        progress: shown to the operator; None for work beside the jobs.
        step: the job's step.
        percent: where it begins and ends within the job.
        size: bytes in all.
    """
    done, stopped = 0, False

    def told(count: int) -> None:
        nonlocal done
        if stopped:
            raise JobCancelled()
        done = count

    begun, (low, high) = time.monotonic(), percent
    task = asyncio.create_task(asyncio.to_thread(work, told))
    try:
        while not task.done():
            if progress is not None:
                text = pace(done, size, time.monotonic() - begun)
                share = min(1.0, done / max(1, size))
                with contextlib.suppress(Unavailable):
                    await progress(step, low + int((high - low) * share), text)
            await asyncio.wait([task], timeout=_PROGRESS_SECONDS)
    except BaseException:
        stopped = True
        # It ends at its next piece. One that waits for a storage which does not answer is left to
        # itself: it can do no more than give up.
        await asyncio.wait([task], timeout=_ENDING_SECONDS)
        task.add_done_callback(_forget)
        raise
    return task.result()


def _forget(task: "asyncio.Task[ResultT]") -> None:
    """Take note of how it ended, so that nobody reports it as unheard."""
    if not task.cancelled():
        task.exception()
