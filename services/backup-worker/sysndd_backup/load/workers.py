"""Loads rows over connections of our own, which is cheaper than parsing every byte in a client.

A connection takes one statement at a time and no client command, and its account can touch only the
scratch schema: a row can do no more here than through the client.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import IO

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

from sysndd_backup.load.client import Source
from sysndd_backup.load.plan import LoadPlan, Span
from sysndd_backup.load.queue import Keys, LoadQueue
from sysndd_core.errors import RestoreFailed
from sysndd_core.settings.database import DatabaseSettings

_CHUNK = 1 << 20
_STATEMENT_BYTES = 64 << 20
_COMMIT_BYTES = 32 << 20
_NOTHING_TO_RUN = 1065


class Stopped(Exception):
    """Another worker failed, or the load was cancelled."""


class LoadWorker:
    """One connection in one thread.

    Args:
        settings: the account that loads.
        schema: the scratch schema.
        plan: of the dump.
        sent: called with the number of bytes that were sent.
        stopping: set when the worker is to end.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        schema: str,
        plan: LoadPlan,
        sent: Callable[[int], None],
        stopping: threading.Event,
    ) -> None:
        self._settings = settings
        self._schema = schema
        self._plan = plan
        self._sent = sent
        self._stopping = stopping
        self._connection: Connection[Cursor] | None = None

    def kill(self) -> None:
        """Kill the connection at the server, from another thread."""
        connection = self._connection
        if connection is None:
            return
        try:
            with _connected(self._settings, self._schema) as other:
                other.kill(connection.thread_id())  # type: ignore[no-untyped-call]
        except (pymysql.Error, RestoreFailed):
            # It is over already, or the server is gone; dropping the schema waits for the rest.
            return

    def run(self, statements: "deque[tuple[str, bytes]]") -> None:
        """Run statements, each with its table's name, until none is left; workers share them.

        Raises:
            RestoreFailed: the server refused something; names the table.
            Stopped.
        """
        with self._session() as connection:
            while True:
                try:
                    name, statement = statements.popleft()
                except IndexError:
                    return
                self._run(connection, statement, name)

    def load(self, queue: LoadQueue, source: Source) -> None:
        """Load rows and add keys until no work is left.

        Raises:
            RestoreFailed: the server refused something; names the table.
            Stopped, and what the source raises where it is damaged.
        """
        with self._session() as connection, closing(_Position(source, self._read)) as position:
            while (work := queue.take()) is not None:
                if isinstance(work, Keys):
                    for statement in work.table.definition.keys:
                        self._run(connection, statement, work.table.name)
                    continue
                for span in work.spans:
                    self._rows(connection, position.at(span.start), span, work.table.name)
                    position.passed(span)
                connection.commit()
                queue.loaded(work.table)

    @contextmanager
    def _session(self) -> "Iterator[Connection[Cursor]]":
        with _connected(self._settings, self._schema) as connection:
            self._connection = connection
            try:
                for statement in self._plan.settings:
                    self._run(connection, statement.rstrip(b";"), "the settings at the beginning")
                # With unique checks off as well, MariaDB sorts the rows of an empty table in temporary
                # files; they come sorted, and it takes nearly twice the processor time (measured).
                connection.query("SET NAMES utf8mb4")
                connection.query("SET foreign_key_checks = 0, unique_checks = 1, autocommit = 0")
                yield connection
            finally:
                self._connection = None

    def _rows(
        self, connection: "Connection[Cursor]", reader: IO[bytes], span: Span, table: str
    ) -> None:
        left, uncommitted = span.size, 0
        rest: list[bytes] = []
        while left > 0:
            chunk = self._read(reader, min(left, _CHUNK))
            left -= len(chunk)
            for statement in _statements(rest, chunk):
                self._run(connection, statement, table)
                uncommitted += len(statement)
            if uncommitted > _COMMIT_BYTES:
                connection.commit()
                uncommitted = 0
            self._sent(len(chunk))
        if last := b"".join(rest).strip():
            self._run(connection, last, table)

    def _read(self, reader: IO[bytes], size: int) -> bytes:
        if self._stopping.is_set():
            raise Stopped
        chunk = reader.read(size)
        if not chunk:
            raise EOFError("the file ends before its end")
        return chunk

    def _run(self, connection: "Connection[Cursor]", statement: bytes, table: str) -> None:
        if self._stopping.is_set():
            raise Stopped
        try:
            # PyMySQL says str and takes bytes as well, which go as they are.
            connection.query(statement)
        except (pymysql.Error, OSError) as error:
            if error.args[:1] == (_NOTHING_TO_RUN,):
                # A comment for other versions than this one.
                return
            if self._stopping.is_set():
                raise Stopped from error
            shown = " ".join(statement[:80].decode(errors="replace").split())
            raise RestoreFailed(f"{table} can't be loaded: ERROR {error} at {shown}") from error


class _Position:
    """Seeks in a stream: forward by reading, back by opening it again."""

    def __init__(self, source: Source, read: Callable[[IO[bytes], int], bytes]) -> None:
        self._source = source
        self._read = read
        self._opened = ExitStack()
        self._reader: IO[bytes] | None = None
        self._at = 0

    def at(self, offset: int) -> IO[bytes]:
        """Return the stream at that byte."""
        if self._reader is None or offset < self._at:
            self.close()
            self._reader, self._at = self._opened.enter_context(self._source()), 0
        while self._at < offset:
            self._at += len(self._read(self._reader, min(offset - self._at, _CHUNK)))
        return self._reader

    def passed(self, span: Span) -> None:
        """Record that a span was read to its end."""
        self._at = span.end

    def close(self) -> None:
        """Close the stream."""
        self._opened.close()


def _statements(rest: list[bytes], chunk: bytes) -> Iterable[bytes]:
    """Split a run of INSERTs into statements; what is not complete stays in ``rest``.

    Line breaks in values are escaped, so ``);`` at the end of a line is the end of a statement.
    """
    data = b"".join(rest) + chunk if rest else chunk
    rest.clear()
    at = 0
    while (end := data.find(b");\n", at)) >= 0:
        yield data[at : end + 1]
        at = end + 3
    if len(data) - at > _STATEMENT_BYTES:
        raise RestoreFailed(f"A statement of the dump is longer than {_STATEMENT_BYTES:,} bytes.")
    if at < len(data):
        rest.append(data[at:])


@contextmanager
def _connected(settings: DatabaseSettings, schema: str) -> "Iterator[Connection[Cursor]]":
    try:
        connection = pymysql.connect(
            host=settings.host,
            port=settings.port,
            unix_socket=str(settings.socket) if settings.socket is not None else None,
            user=settings.user,
            password=settings.password.get_secret_value(),
            database=schema,
            charset="utf8mb4",
            local_infile=False,
            client_flag=CLIENT.PROTOCOL_41,
            connect_timeout=10,
        )
    except pymysql.Error as error:
        # Mostly the password of a BACKUP_LOAD_USER that was made by hand.
        raise RestoreFailed(f"The load account can't sign in: ERROR {error}") from error
    try:
        yield connection
    finally:
        try:
            connection.close()
        except pymysql.Error:
            connection._force_close()  # type: ignore[attr-defined]
