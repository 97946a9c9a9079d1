"""Background tasks end, even if a library loses their cancellation."""

import asyncio

import pytest

from sysndd_core import background
from sysndd_core.background import end_tasks


async def losing_a_cancellation() -> None:
    """Behave like asyncio.wait_for of Python 3.11 when the result arrives at the same time."""
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(3600)


async def failing() -> None:
    raise ZeroDivisionError


async def test_a_task_that_lost_a_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "AGAIN_SECONDS", 0.01)
    tasks = [
        asyncio.create_task(losing_a_cancellation()),
        asyncio.create_task(failing()),
        asyncio.create_task(asyncio.sleep(0)),
    ]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(10):
        await end_tasks(*tasks)
    assert [task.cancelled() for task in tasks] == [True, False, False]


async def test_there_may_be_no_task() -> None:
    await end_tasks()
