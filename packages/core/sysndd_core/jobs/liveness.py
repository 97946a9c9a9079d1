"""The health check of a worker: whether it reported to the database recently.

The health check of the container runs this in a separate process. The worker updates its row at
every sweep, so a recent row shows that the process runs, that its event loop is not blocked and
that it can reach the database.
"""

import asyncio
import socket
import sys

from sysndd_core.db.database import Database
from sysndd_core.errors import SysnddError
from sysndd_core.jobs.models import Queue
from sysndd_core.jobs.worker import SWEEP_SECONDS
from sysndd_core.settings.database import DatabaseSettings

# Two missed sweeps are tolerated.
_MAX_AGE_SECONDS = 3 * SWEEP_SECONDS


def check_liveness(settings: DatabaseSettings, queue: Queue) -> int:
    """Check the worker of this host; print problems to standard error.

    Args:
        settings: Database settings of the worker.
        queue: Queue that the worker serves.

    Returns:
        0 if the worker reported within three sweeps, else 1.
    """
    try:
        age = asyncio.run(_age(settings, queue))
    except SysnddError as error:
        print(error.detail, file=sys.stderr)  # noqa: T201 - shown with "unhealthy"
        return 1
    if age is None or age > _MAX_AGE_SECONDS:
        seen = "never" if age is None else f"{age:.0f} s ago"
        text = (
            f"The {queue.value} worker on this host has not reported recently (last seen: {seen})."
        )
        print(text, file=sys.stderr)  # noqa: T201 - shown with "unhealthy"
        return 1
    return 0


async def _age(settings: DatabaseSettings, queue: Queue) -> float | None:
    """Return the seconds since a worker of this host and queue last reported, or None."""
    async with Database(settings.model_copy(update={"pool_size": 1})) as database:
        row = await database.fetch_one(
            "SELECT TIMESTAMPDIFF(MICROSECOND, MAX(seen_at), UTC_TIMESTAMP(6)) / 1e6 AS age"
            f" FROM {database.ops}.worker WHERE queue = %s AND SUBSTRING_INDEX(name, ':', 1) = %s",
            (queue.value, f"{queue.value}@{socket.gethostname()}"),
        )
    return None if row is None or row["age"] is None else float(row["age"])
