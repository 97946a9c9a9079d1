"""The end of background tasks."""

import asyncio
from typing import Any

AGAIN_SECONDS = 5.0
"""After this a task is cancelled again; longer than any task here needs to clean up."""


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until they have ended; what they raised is dropped.

    One cancellation is not enough. In Python 3.11, ``asyncio.wait_for`` drops one that arrives
    together with its result (https://github.com/python/cpython/issues/86296), and aiomysql connects
    with it: a task that was connecting would then never end.

    Args:
        tasks: The tasks; those that have ended already may be among them.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
