"""The log lines of each job, stored in the platform schema for the page of the job."""

import collections
import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from structlog.contextvars import get_contextvars

from sysndd_core.db.database import Database
from sysndd_core.errors import SysnddError

LINES_PER_JOB = 1000
DAYS_KEPT = 30
_MAX_PENDING = 2000
"""Maximum number of lines held while the database is unavailable; the oldest are dropped."""
_LINE_LENGTH = 2000
_BATCH_SIZE = 200

# Stored in separate columns, or the same in every line.
_LEFT_OUT = {
    "event",
    "job_id",
    "attempt",
    "request_id",
    "service",
    "level",
    "timestamp",
    "exc_info",
}


@dataclass(frozen=True)
class _Line:
    job_id: str
    attempt: int
    logged_at: datetime
    level: str
    text: str


class JobLog(logging.Handler):
    """Collects lines that are logged while a ``job_id`` is bound, and writes them in batches.

    Only the worker's log is complete. The table keeps ``LINES_PER_JOB`` lines of each job for
    ``DAYS_KEPT`` days.

    Args:
        database: Connection pool of the worker.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(logging.INFO)
        self._database = database
        self._table = f"{database.ops}.job_log"
        self._lines: collections.deque[_Line] = collections.deque(maxlen=_MAX_PENDING)
        self._counts: collections.Counter[str] = collections.Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Collect a line of a job. Called in the context of the code that logs."""
        bound = get_contextvars()
        job_id = bound.get("job_id")
        if job_id is None:
            return
        self._counts[job_id] += 1
        if self._counts[job_id] > LINES_PER_JOB:
            return
        text = _text(record)
        if self._counts[job_id] == LINES_PER_JOB:
            text = "Further lines are only in the log of the worker."
        self._lines.append(
            _Line(
                job_id,
                int(bound.get("attempt", 1)),
                datetime.fromtimestamp(record.created, UTC),
                record.levelname.lower(),
                text[:_LINE_LENGTH],
            )
        )

    async def write(self) -> None:
        """Write the collected lines to the table. After an error, the next call tries again."""
        while self._lines:
            batch = [self._lines.popleft() for _ in range(min(_BATCH_SIZE, len(self._lines)))]
            try:
                await self._insert(batch)
            except BaseException as error:
                self._lines.extendleft(reversed(batch))
                if isinstance(error, SysnddError):
                    return
                raise

    async def remove_old(self) -> None:
        """Delete a limited number of lines that are older than ``DAYS_KEPT`` days."""
        self._counts.clear()
        with contextlib.suppress(SysnddError):
            await self._database.execute(
                f"DELETE FROM {self._table}"
                f" WHERE logged_at < UTC_TIMESTAMP(6) - INTERVAL {DAYS_KEPT} DAY LIMIT 10000"
            )

    async def _insert(self, batch: list[_Line]) -> None:
        values = ", ".join(["(%s, %s, %s, %s, %s)"] * len(batch))
        arguments: list[Any] = []
        for line in batch:
            arguments += [line.job_id, line.attempt, line.logged_at.replace(tzinfo=None)]
            arguments += [line.level, line.text]
        await self._database.execute(
            f"INSERT INTO {self._table} (job_id, attempt, logged_at, level, line) VALUES {values}",
            arguments,
        )


def _text(record: logging.LogRecord) -> str:
    # structlog passes its event as a dict, other libraries pass a message.
    event: Mapping[str, Any] = record.msg if isinstance(record.msg, dict) else {}
    words = [str(event.get("event")) if event else record.getMessage()]
    words += [
        f"{key}={value}" for key, value in event.items() if key not in _LEFT_OUT and key[0] != "_"
    ]
    raised = event.get("exc_info") or record.exc_info
    if isinstance(raised, tuple) and raised[1] is not None:
        words.append(f"{type(raised[1]).__name__}: {raised[1]}")
    return " ".join(words)
