"""``health`` of a worker: was its process seen at the database a moment ago?

A container's health check runs this beside the worker, as a program of its own. The worker writes
its row at every sweep, so a row that is fresh says that the process runs, that its event loop turns
and that it reaches the database.
"""

import asyncio
import socket
import sys

from sysndd_core.db.database import Database
from sysndd_core.errors import SysnddError
from sysndd_core.jobs.models import Queue
from sysndd_core.jobs.worker import SWEEP_SECONDS
from sysndd_core.settings.database import DatabaseSettings

# Two sweeps may be late before anybody is alarmed.
_FRESH_SECONDS = 3 * SWEEP_SECONDS


def answer(settings: DatabaseSettings, queue: Queue) -> int:
    """Look for a worker of this machine; say on standard error what is wrong.

    Args:
        settings: the worker's own.
        queue: what it serves.

    Returns:
        0 when it was seen within three sweeps, else 1.
    """
    try:
        age = asyncio.run(_age(settings, queue))
    except SysnddError as error:
        print(error.detail, file=sys.stderr)  # noqa: T201 - the engine shows it beside "unhealthy"
        return 1
    if age is None or age > _FRESH_SECONDS:
        seen = "never" if age is None else f"{age:.0f} s ago"
        print(f"No worker of {queue.value} here: last seen {seen}.", file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _age(settings: DatabaseSettings, queue: Queue) -> float | None:
    """Return the seconds since a worker of this host and queue was seen last."""
    async with Database(settings.model_copy(update={"pool_size": 1})) as database:
        row = await database.fetch_one(
            "SELECT TIMESTAMPDIFF(MICROSECOND, MAX(seen_at), UTC_TIMESTAMP(6)) / 1e6 AS age"
            f" FROM {database.ops}.worker WHERE queue = %s AND SUBSTRING_INDEX(name, ':', 1) = %s",
            (queue.value, f"{queue.value}@{socket.gethostname()}"),
        )
    return None if row is None or row["age"] is None else float(row["age"])
