"""The log lines of each job, kept in the platform schema so that the job's page can show them."""

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
_IN_HAND = 2000
"""Lines held while the database can't take them; the oldest make room."""
_LINE_LENGTH = 2000
_AT_ONCE = 200

# Columns of their own, or the same for every line.
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
    """Takes the lines that are logged while a ``job_id`` is bound, and writes them in batches.

    The worker's own log stays the complete one: here a job keeps ``LINES_PER_JOB`` lines for
    ``DAYS_KEPT`` days.

    Args:
        database: the worker's pool.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(logging.INFO)
        self._database = database
        self._table = f"{database.ops}.job_log"
        self._lines: collections.deque[_Line] = collections.deque(maxlen=_IN_HAND)
        self._counts: collections.Counter[str] = collections.Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line of a job; called in the context of whoever logs."""
        bound = get_contextvars()
        job_id = bound.get("job_id")
        if job_id is None:
            return
        self._counts[job_id] += 1
        if self._counts[job_id] > LINES_PER_JOB:
            return
        text = _text(record)
        if self._counts[job_id] == LINES_PER_JOB:
            text = "Further lines are in the worker's own log only."
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
        """Put what was kept into the table; what it does not take now is tried again."""
        while self._lines:
            batch = [self._lines.popleft() for _ in range(min(_AT_ONCE, len(self._lines)))]
            try:
                await self._insert(batch)
            except BaseException as error:
                self._lines.extendleft(reversed(batch))
                if isinstance(error, SysnddError):
                    return
                raise

    async def remove_old(self) -> None:
        """Delete a bounded number of lines that are past their time."""
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
    # structlog hands its event over as a dict; other libraries a message.
    event: Mapping[str, Any] = record.msg if isinstance(record.msg, dict) else {}
    words = [str(event.get("event")) if event else record.getMessage()]
    words += [
        f"{key}={value}" for key, value in event.items() if key not in _LEFT_OUT and key[0] != "_"
    ]
    raised = event.get("exc_info") or record.exc_info
    if isinstance(raised, tuple) and raised[1] is not None:
        words.append(f"{type(raised[1]).__name__}: {raised[1]}")
    return " ".join(words)
