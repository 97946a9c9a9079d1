"""Loads a dump by two streams: tables side by side, keys and foreign keys after the rows.

1. Two lanes make the tables without secondary keys.
2. Both load rows, a piece at a time, each reading the file for itself and passing over what is the
   other's; whoever is free adds the keys of a table whose rows are there. Sorting once is far cheaper
   than a key for every row.
3. Foreign keys, once every table has the keys they need.
4. The vendor's client makes the rest: views, triggers, routines, events.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, cast

from sysndd_backup.load.client import Load
from sysndd_backup.load.confined_account import WithoutDefiners
from sysndd_backup.load.plan import LoadPlan, Span
from sysndd_backup.load.queue import LoadQueue
from sysndd_backup.load.workers import Lane, Source, Stopped
from sysndd_backup.server.clients import Clients
from sysndd_core.settings.database import DatabaseSettings

LANES = 2


class SplitLoad:
    """One load of a planned dump into one empty schema.

    Args:
        settings: the account that loads.
        clients: the server's own client programs.
        schema: plain name.
        plan: of exactly this dump.
        rewrite: takes DEFINER clauses out.
    """

    def __init__(
        self, settings: DatabaseSettings, clients: Clients, schema: str, plan: LoadPlan,
        *, rewrite: WithoutDefiners,
    ) -> None:  # fmt: skip
        self.bytes_sent = 0
        self.step = "rows"
        self._plan = plan
        self._row_bytes = sum(table.row_bytes for table in plan.tables)
        self._rest = Load(settings, clients, schema, rewrite=rewrite)
        self._stopping = threading.Event()
        self._lanes = [
            Lane(settings, schema, plan, self._count, self._stopping) for _ in range(LANES)
        ]

    async def run(self, source: Source) -> None:
        """Load everything that ``source`` opens; killed with the task.

        Raises:
            RestoreFailed: the server or the client refused something.
        """
        tables = self._plan.tables
        await self._run_in_lanes((one.name, one.definition.create) for one in tables)
        queue = LoadQueue(tables)
        await self._in_lanes([partial(lane.load, queue, source) for lane in self._lanes])
        # One after the other: each takes a lock on both of its tables.
        await self._run_in_lanes(
            (
                (one.name, one.definition.references)
                for one in tables
                if one.definition.references is not None
            ),
            lanes=1,
        )
        self.step = "programs"
        await self._rest.run(lambda: _rest_of(self._plan, source))

    def _count(self, size: int) -> None:
        # Two threads may lose a piece of it to each other: it only draws a bar.
        self.bytes_sent += size
        if self.bytes_sent >= self._row_bytes:
            self.step = "keys"

    async def _run_in_lanes(
        self, statements: Iterable[tuple[str, bytes]], lanes: int = LANES
    ) -> None:
        shared = deque(statements)
        await self._in_lanes([partial(lane.run, shared) for lane in self._lanes[:lanes]])

    async def _in_lanes(self, works: list[Callable[[], None]]) -> None:
        tasks = [asyncio.create_task(asyncio.to_thread(work)) for work in works]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            if not all(task.done() and not task.exception() for task in tasks):
                self._stopping.set()
                await asyncio.gather(*(asyncio.to_thread(lane.kill) for lane in self._lanes))
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        failures = [error for error in ended if isinstance(error, BaseException)]
        for error in failures:
            if not isinstance(error, Stopped):
                raise error


@contextmanager
def _rest_of(plan: LoadPlan, source: Source) -> Iterator[IO[bytes]]:
    with source() as reader:
        yield cast("IO[bytes]", _Spans(reader, plan))


class _Spans:
    """Reads the settings at the beginning, and then only some ranges of a stream."""

    def __init__(self, reader: IO[bytes], plan: LoadPlan) -> None:
        self._reader = reader
        self._ready = b"".join(line + b"\n" for line in plan.settings)
        self._spans: deque[Span] = deque(plan.rest)
        self._at = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return some bytes, empty at the end."""
        if self._ready:
            ready, self._ready = self._ready, b""
            return ready
        while self._spans:
            span = self._spans[0]
            if self._at >= span.end:
                self._spans.popleft()
                continue
            wanted = span.start - self._at if self._at < span.start else span.end - self._at
            chunk = self._reader.read(min(size, wanted))
            if not chunk:
                return b""
            before, self._at = self._at, self._at + len(chunk)
            if before >= span.start:
                return chunk
        return b""
