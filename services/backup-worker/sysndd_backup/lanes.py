"""Loads rows over connections of our own: no client program has to look at each of their bytes.

A connection takes one statement at a time and no client command, and its account can touch only the
scratch schema; what a row says can't reach further than it can through the client.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

from sysndd_backup.load_plan import LoadPlan, Span, TablePlan
from sysndd_core.errors import RestoreFailed
from sysndd_core.settings import DatabaseSettings

Source = Callable[[], AbstractContextManager[IO[bytes]]]

_CHUNK = 1 << 20
_STATEMENT_BYTES = 64 << 20
_COMMIT_BYTES = 32 << 20
_NOTHING_TO_RUN = 1065


class Stopped(Exception):
    """Another lane failed, or the load was cancelled."""


class Lane:
    """One connection in one thread.

    Args:
        settings: the account that loads.
        schema: the scratch schema.
        plan: of the dump.
        sent: is told of bytes as they go.
        stopping: set when it shall end.
    """

    def __init__(
        self, settings: DatabaseSettings, schema: str, plan: LoadPlan,
        sent: Callable[[int], None], stopping: threading.Event,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._schema = schema
        self._plan = plan
        self._sent = sent
        self._stopping = stopping
        self._connection: Connection[Cursor] | None = None

    def kill(self) -> None:
        """End what the server does for this lane, from another thread."""
        connection = self._connection
        if connection is None:
            return
        try:
            with _connected(self._settings, self._schema) as other:
                other.kill(connection.thread_id())  # type: ignore[no-untyped-call]
        except (pymysql.Error, RestoreFailed):
            # It is over already, or the server is gone; dropping the schema waits for the rest.
            return

    def load(self, tables: list[TablePlan], source: Source) -> None:
        """Make tables and load their rows, in the order of the dump.

        Raises:
            RestoreFailed: the server refused something; names the table.
            Stopped, and what the source raises where it is damaged.
        """
        with self._session() as connection, source() as reader:
            at = 0
            for table in tables:
                self._run(connection, table.definition.create, table.name)
                for span in table.rows:
                    self._skip(reader, span.start - at)
                    self._rows(connection, reader, span, table.name)
                    at = span.end
                connection.commit()

    def alter(self, jobs: "deque[tuple[str, tuple[bytes, ...]]]") -> None:
        """Add keys to tables until none is left; lanes share ``jobs``."""
        with self._session() as connection:
            while True:
                try:
                    name, statements = jobs.popleft()
                except IndexError:
                    return
                for statement in statements:
                    self._run(connection, statement, name)

    @contextmanager
    def _session(self) -> "Iterator[Connection[Cursor]]":
        with _connected(self._settings, self._schema) as connection:
            self._connection = connection
            try:
                for statement in self._plan.settings:
                    self._run(connection, statement.rstrip(b";"), "the settings at the beginning")
                # With unique checks off as well, MariaDB sorts the rows of an empty table in temporary
                # files; they come sorted, and it takes nearly twice the processor time (measured).
                for setting in ("NAMES utf8mb4", "foreign_key_checks = 0, unique_checks = 1",
                                "autocommit = 0"):  # fmt: skip
                    connection.query(f"SET {setting}")
                yield connection
            finally:
                self._connection = None

    def _skip(self, reader: IO[bytes], size: int) -> None:
        while size > 0:
            chunk = self._read(reader, min(size, _CHUNK))
            size -= len(chunk)

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


def _statements(rest: list[bytes], chunk: bytes) -> Iterable[bytes]:
    """Cut a run of INSERTs into statements; what is not complete stays in ``rest``.

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
        raise RestoreFailed(f"The account that loads can't sign in: ERROR {error}") from error
    try:
        yield connection
    finally:
        try:
            connection.close()
        except pymysql.Error:
            connection._force_close()  # type: ignore[attr-defined]
