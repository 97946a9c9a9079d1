"""Loads rows over separate connections, which is faster than the parser of the vendor's client.

The protocol accepts one statement at a time and no client commands, and the account has privileges
on the scratch schema only, so this is as safe as the vendor's client.
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
    """Another load worker failed, or the load was cancelled."""


class LoadWorker:
    """One connection in one thread.

    Args:
        settings: Account that loads.
        schema: Name of the scratch schema, not quoted.
        plan: Load plan of the dump.
        sent: Called with the number of bytes sent since the last call.
        stopping: Set to stop the worker.
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
            # The connection has already ended. Otherwise, DROP DATABASE waits for its statement.
            return

    def run(self, statements: "deque[tuple[str, bytes]]") -> None:
        """Run statements until none is left.

        Args:
            statements: Statements with the name of their table; the workers share the deque.

        Raises:
            RestoreFailed: The server rejected a statement; the detail names the table.
            Stopped: Another worker failed, or the load was cancelled.
        """
        with self._session() as connection:
            while True:
                try:
                    name, statement = statements.popleft()
                except IndexError:
                    return
                self._run(connection, statement, name)

    def load(self, queue: LoadQueue, source: Source) -> None:
        """Load rows and add keys until no task is left.

        Args:
            queue: The tasks that the workers share.
            source: Opens the decompressed dump.

        Raises:
            RestoreFailed: The server rejected a statement; the detail names the table.
            Stopped: Another worker failed, or the load was cancelled.
            OSError: The source is damaged; or another of ``DECOMPRESSION_ERRORS``.
        """
        with self._session() as connection, closing(_Seeker(source, self._read)) as seeker:
            while (task := queue.take()) is not None:
                if isinstance(task, Keys):
                    for statement in task.table.definition.keys:
                        self._run(connection, statement, task.table.name)
                    continue
                for span in task.spans:
                    self._rows(connection, seeker.seek(span.start), span, task.table.name)
                    seeker.advance(span)
                connection.commit()
                queue.loaded(task.table)

    @contextmanager
    def _session(self) -> "Iterator[Connection[Cursor]]":
        with _connected(self._settings, self._schema) as connection:
            self._connection = connection
            try:
                for statement in self._plan.settings:
                    self._run(connection, statement.rstrip(b";"), "the settings at the beginning")
                # Without unique checks, MariaDB would sort the rows of an empty table in temporary
                # files. They are already sorted, and it takes twice the processor time (measured).
                connection.query("SET NAMES utf8mb4")
                # Only MariaDB executes the comment: there, rows may violate a CHECK that was added
                # without checking them.
                connection.query(
                    "SET foreign_key_checks = 0, unique_checks = 1, autocommit = 0"
                    " /*M!, check_constraint_checks = 0 */"
                )
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
            raise EOFError("the file is truncated")
        return chunk

    def _run(self, connection: "Connection[Cursor]", statement: bytes, table: str) -> None:
        if self._stopping.is_set():
            raise Stopped
        try:
            # PyMySQL declares str, but also sends bytes unchanged.
            connection.query(statement)
        except (pymysql.Error, OSError) as error:
            if error.args[:1] == (_NOTHING_TO_RUN,):
                # The statement is a comment for other server versions.
                return
            if self._stopping.is_set():
                raise Stopped from error
            excerpt = " ".join(statement[:80].decode(errors="replace").split())
            raise RestoreFailed(
                f"{table} cannot be loaded: ERROR {error} in the statement starting with"
                f" {excerpt!r}."
            ) from error


class _Seeker:
    """Seeks in a stream: forward by reading, backward by reopening it."""

    def __init__(self, source: Source, read: Callable[[IO[bytes], int], bytes]) -> None:
        self._source = source
        self._read = read
        self._opened = ExitStack()
        self._reader: IO[bytes] | None = None
        self._at = 0

    def seek(self, offset: int) -> IO[bytes]:
        """Return the stream at a byte offset."""
        if self._reader is None or offset < self._at:
            self.close()
            self._reader, self._at = self._opened.enter_context(self._source()), 0
        while self._at < offset:
            self._at += len(self._read(self._reader, min(offset - self._at, _CHUNK)))
        return self._reader

    def advance(self, span: Span) -> None:
        """Record that the caller has read a span."""
        self._at = span.end

    def close(self) -> None:
        """Close the stream."""
        self._opened.close()


def _statements(rest: list[bytes], chunk: bytes) -> Iterable[bytes]:
    """Split INSERT statements; an incomplete statement remains in ``rest``.

    Line breaks in values are escaped, so ``);`` at the end of a line always ends a statement.
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
        # The usual cause is the password of an existing account.
        raise RestoreFailed(
            f"The account {settings.user} that loads the backup cannot connect: ERROR {error}."
            " Check BACKUP_LOAD_USER and BACKUP_LOAD_PASSWORD."
        ) from error
    try:
        yield connection
    finally:
        try:
            connection.close()
        except pymysql.Error:
            connection._force_close()  # type: ignore[attr-defined]
