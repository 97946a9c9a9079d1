"""Loads a dump into one schema, by two connections where its plan is known.

1. Two workers create the tables without secondary keys.
2. Both load rows, a piece at a time, each reading the file for itself and skipping what is the
   other's; whichever is free adds the keys of a table whose rows are loaded. Sorting once is far
   cheaper than maintaining a key for every row.
3. Foreign keys, once every table has the keys they need.
4. The vendor's client creates the rest: views, triggers, routines, events.

A dump without a plan goes through the vendor's client from top to bottom.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, cast

from sysndd_backup.load.client import ClientLoad, Source
from sysndd_backup.load.definers import DefinerStripper
from sysndd_backup.load.plan import LoadPlan, Span
from sysndd_backup.load.queue import LoadQueue
from sysndd_backup.load.workers import LoadWorker, Stopped
from sysndd_backup.server.clients import Clients
from sysndd_core.settings.database import DatabaseSettings

WORKERS = 2


class Load:
    """One load of one dump into one empty schema.

    Args:
        settings: the account that loads.
        clients: the server's own client programs.
        schema: plain name.
        plan: of exactly this dump; None to load it from top to bottom.
        rewrite: strips DEFINER clauses, for an account that may not define objects for others.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        clients: Clients,
        schema: str,
        *,
        plan: LoadPlan | None = None,
        rewrite: DefinerStripper | None = None,
    ) -> None:
        self._plan = plan
        self._client = ClientLoad(settings, clients, schema, rewrite=rewrite)
        self._row_bytes = 0 if plan is None else plan.row_bytes
        self._row_bytes_sent = 0
        self._step: str | None = None
        self._stopping = threading.Event()
        self._workers: list[LoadWorker] = []
        if plan is not None:
            self._workers = [
                LoadWorker(settings, schema, plan, self._count, self._stopping)
                for _ in range(WORKERS)
            ]

    def bytes_sent(self) -> int:
        """Return the bytes that were loaded so far; of a planned load, those of rows."""
        return self._client.bytes_sent if self._plan is None else self._row_bytes_sent

    def message(self) -> str | None:
        """Return what is done where it is not loading rows, such as ``Adding keys``."""
        return None if self._step is None else f"Adding {self._step}"

    async def run(self, source: Source) -> None:
        """Load everything that ``source`` opens; stopped with the task.

        Raises:
            RestoreFailed: the server or the client refused something.
        """
        plan = self._plan
        if plan is None:
            await self._client.run(source)
            return
        await self._execute((one.name, one.definition.create) for one in plan.tables)
        queue = LoadQueue(plan.tables)
        await self._in_workers([partial(one.load, queue, source) for one in self._workers])
        # One after the other: each takes a lock on both of its tables.
        await self._execute(
            (
                (one.name, one.definition.references)
                for one in plan.tables
                if one.definition.references is not None
            ),
            workers=1,
        )
        self._step = "stored objects"
        await self._client.run(lambda: _rest_of(plan, source))

    def _count(self, size: int) -> None:
        # Two threads may lose a piece of it to each other: it only draws a bar.
        self._row_bytes_sent += size
        if self._row_bytes_sent >= self._row_bytes:
            self._step = "keys"

    async def _execute(
        self, statements: Iterable[tuple[str, bytes]], workers: int = WORKERS
    ) -> None:
        shared = deque(statements)
        await self._in_workers([partial(one.run, shared) for one in self._workers[:workers]])

    async def _in_workers(self, works: list[Callable[[], None]]) -> None:
        tasks = [asyncio.create_task(asyncio.to_thread(work)) for work in works]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            if not all(task.done() and not task.exception() for task in tasks):
                self._stopping.set()
                await asyncio.gather(*(asyncio.to_thread(one.kill) for one in self._workers))
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
