"""Loads a dump into a schema, over two connections if it has a load plan.

1. Two load workers create the tables without secondary keys.
2. Both load rows in parts. Each reads the file separately and skips the parts of the other. When
   all rows of a table are loaded, a free worker adds its keys: one sort is much faster than
   updating a key for each row.
3. One worker adds the foreign keys when all tables have their keys.
4. The vendor's client creates the views, triggers, routines and events.

A dump without a plan is loaded serially by the vendor's client.
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
    """One load of a dump into an empty schema.

    Args:
        settings: Account that loads.
        clients: Client programs of the server's vendor.
        schema: Name of the schema, not quoted.
        plan: Load plan of this dump; None to load it serially.
        rewrite: Strips DEFINER clauses, for an account that cannot set another definer; None to
            load the dump unchanged.
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
        """Return the number of bytes loaded so far; with a plan, only bytes of rows count."""
        return self._client.bytes_sent if self._plan is None else self._row_bytes_sent

    def message(self) -> str | None:
        """Return a progress message such as ``Adding keys``, or None while rows are loaded."""
        return None if self._step is None else f"Adding {self._step}"

    async def run(self, source: Source) -> None:
        """Load the dump; cancelling the task stops the load.

        Raises:
            RestoreFailed: The server rejected a statement, or the client failed.
        """
        plan = self._plan
        if plan is None:
            await self._client.run(source)
            return
        await self._execute((table.name, table.definition.create) for table in plan.tables)
        queue = LoadQueue(plan.tables)
        await self._run_in_threads(
            [partial(worker.load, queue, source) for worker in self._workers]
        )
        # In sequence, because each statement locks two tables.
        await self._execute(
            (
                (table.name, table.definition.references)
                for table in plan.tables
                if table.definition.references is not None
            ),
            workers=1,
        )
        self._step = "stored objects"
        await self._client.run(lambda: _open_rest(plan, source))

    def _count(self, size: int) -> None:
        # Not atomic: two threads may lose an update, but the number is only used for progress.
        self._row_bytes_sent += size
        if self._row_bytes_sent >= self._row_bytes:
            self._step = "keys"

    async def _execute(
        self, statements: Iterable[tuple[str, bytes]], workers: int = WORKERS
    ) -> None:
        shared = deque(statements)
        await self._run_in_threads(
            [partial(worker.run, shared) for worker in self._workers[:workers]]
        )

    async def _run_in_threads(self, functions: list[Callable[[], None]]) -> None:
        tasks = [asyncio.create_task(asyncio.to_thread(function)) for function in functions]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            if not all(task.done() and not task.exception() for task in tasks):
                self._stopping.set()
                await asyncio.gather(*(asyncio.to_thread(w.kill) for w in self._workers))
            results = await asyncio.gather(*tasks, return_exceptions=True)
        failures = [error for error in results if isinstance(error, BaseException)]
        for error in failures:
            if not isinstance(error, Stopped):
                raise error


@contextmanager
def _open_rest(plan: LoadPlan, source: Source) -> Iterator[IO[bytes]]:
    with source() as reader:
        yield cast("IO[bytes]", _RestReader(reader, plan))


class _RestReader:
    """Reads the settings of a plan, and then only the spans of its rest from a stream."""

    def __init__(self, reader: IO[bytes], plan: LoadPlan) -> None:
        self._reader = reader
        self._ready = b"".join(line + b"\n" for line in plan.settings)
        self._spans: deque[Span] = deque(plan.rest)
        self._at = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return at least one byte, or no bytes at the end."""
        if self._ready:
            ready, self._ready = self._ready, b""
            return ready
        while self._spans:
            span = self._spans[0]
            if self._at >= span.end:
                self._spans.popleft()
                continue
            limit = span.start if self._at < span.start else span.end
            chunk = self._reader.read(min(size, limit - self._at))
            if not chunk:
                return b""
            before, self._at = self._at, self._at + len(chunk)
            if before >= span.start:
                return chunk
        return b""
