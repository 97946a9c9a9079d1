"""Runs the dump client once, and hashes, counts, compresses and encrypts its output into a file.

One thread reads the output and another processes it. There is no shell, so the client's exit code
is not lost.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import queue
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO

from sysndd_backup.archive.compression import open_writer
from sysndd_backup.archive.encryption import Keys
from sysndd_backup.dump.excluded_rows import ExcludedRows, RowFilter
from sysndd_backup.dump.scanner import TRAILER, DumpScan, DumpStatistics
from sysndd_backup.server.clients import ClientRun, Clients, Exit, Process
from sysndd_backup.server.server import Server
from sysndd_core.backups.directory import open_private
from sysndd_core.errors import DumpFailed, InsufficientStorage, JobCancelled
from sysndd_core.settings.backup import BackupCompression
from sysndd_core.settings.database import DatabaseSettings

# A chunk fits the cache of a core, because it is hashed, scanned and compressed in sequence. From
# 128 KiB, malloc(3) would return the memory of each chunk to the system.
_CHUNK = 96 << 10
_PIPE_BYTES = 1 << 20
# Waking the other thread for every chunk would cost more than processing the chunk.
_CHUNKS_IN_BATCH = 8
# 45 MiB. Some tables are slow to read and others slow to compress; the queue evens this out.
_QUEUED_BATCHES = 60
# Compression must not slow down the server, the dump client and the site's requests.
_NICE_INCREMENT = 10
_WRITE_OUT_BYTES = 8 << 20
_TABLE_DEFINITION_CHANGED = "1412"
_MANY_ERRORS_BYTES = 1 << 20
_TABLE_ERROR = re.compile(
    r"Error (?P<reason>(?P<number>\d+): .*?) when dumping table `(?P<table>(?:[^`]|``)+)`"
    r" at row: (?P<rows>\d+)"
)
_LOST_CONNECTION = {"2006", "2013"}

_OPTIONS = (
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--no-tablespaces",
    "--tz-utc",
    "--default-character-set=utf8mb4",
    # The maximum of the protocol. With its default, the client fails at rows that the server has.
    "--max-allowed-packet=1073741824",
)


def flags_for(server: Server) -> tuple[str, ...]:
    """Return the options of the dump client, without address, account, schema and tables."""
    return (*_OPTIONS, "--set-gtid-purged=OFF") if server.vendor == "MySQL" else _OPTIONS


@dataclass(frozen=True)
class DumpResult:
    """Sizes in bytes, SHA-256 hashes in lower-case hexadecimal, and statistics of a dump.

    Attributes:
        errors: Output of the dump client about errors after which it continued.
    """

    size_bytes: int
    sha256: str
    uncompressed_bytes: int
    uncompressed_sha256: str
    statistics: DumpStatistics
    errors: str = ""

    def broken_tables(self) -> dict[str, str]:
        """Return the tables whose rows could not all be read, with the reason."""
        return {
            found["table"].replace("``", "`"): f"{_rows_read(int(found['rows']))} read:"
            f" {found['reason']}"
            for found in _TABLE_ERROR.finditer(self.errors)
        }


def _rows_read(count: int) -> str:
    return f"only {count:,} rows were" if count else "no rows were"


class Dump:
    """One dump of one schema into one file.

    Args:
        settings: Account that dumps, and name of the schema.
        server: Vendor and version of the server.
        clients: Client programs of the server's vendor.
        target: Path of the partial file, which must not exist.
        compression: Compression of the file.
        keys: Recipients to encrypt to.
        excluded: Tables whose rows are left out.
        leave_out: None to stop at the first error. Otherwise the dump client continues after
            errors, without these tables and views.

    ``run`` blocks, so call it in a thread. Other threads may call ``bytes_done`` and ``stop``.
    """

    def __init__(
        self,
        settings: DatabaseSettings,
        server: Server,
        clients: Clients,
        target: Path,
        compression: BackupCompression,
        *,
        keys: Keys,
        excluded: ExcludedRows,
        leave_out: Sequence[str] | None = None,
    ) -> None:
        self._bytes_read = 0
        self._continues = leave_out is not None
        self._keys = keys
        self._target = target
        self._compression = compression
        self._excluded = excluded
        options = [*flags_for(server), *excluded.client_options]
        if leave_out is not None:
            options.append("--force")
            options += [f"--ignore-table={settings.name}.{name}" for name in leave_out]
        self._client = ClientRun(
            settings,
            clients.dump,
            [*options, settings.name],
            stdout=subprocess.PIPE,
            stderr_bytes=_MANY_ERRORS_BYTES if self._continues else 4000,
        )

    def run(self) -> DumpResult:
        """Dump the schema into the file, and flush it to the disk.

        Raises:
            DumpFailed: The client failed or was killed, or its output is incomplete.
            InsufficientStorage: The disk is full.
            JobCancelled: ``stop`` was called.
        """
        try:
            result, ended = self._client.run(self._pump)
        except OSError as error:
            if self._client.stopped:
                raise JobCancelled() from error
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise InsufficientStorage(
                    f"The backup directory was full after {self._bytes_read:,} bytes of SQL. The"
                    " partial file was deleted. Free some space, then try again."
                ) from error
            raise DumpFailed(f"The backup could not be written: {error}") from error
        self._check_exit(ended, result.statistics.last_line)
        return replace(result, errors=ended.stderr if self._continues else "")

    def bytes_done(self) -> int:
        """Return the number of bytes of SQL read so far."""
        return self._bytes_read

    def stop(self) -> None:
        """Stop the dump; ``run`` then raises ``JobCancelled``."""
        self._client.stop()

    def _pump(self, process: Process) -> DumpResult:
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            # Reduces context switches; the limit for unprivileged users may not allow the size.
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        batches: queue.Queue[list[bytes]] = queue.Queue(_QUEUED_BATCHES)

        def drain(_: Future[DumpResult]) -> None:
            """Unblock the reader if processing failed while the queue was full."""
            with contextlib.suppress(queue.Empty):
                while True:
                    batches.get_nowait()

        # On Linux, nice(2) applies to one thread and the threads that it starts.
        with ThreadPoolExecutor(1, initializer=os.nice, initargs=(_NICE_INCREMENT,)) as executor:
            writing = executor.submit(self._write, chain.from_iterable(iter(batches.get, [])))
            writing.add_done_callback(drain)
            chunks = iter(partial(process.stdout.read, _CHUNK), b"")
            try:
                while not writing.done() and (batch := [*islice(chunks, _CHUNKS_IN_BATCH)]):
                    batches.put(batch)
            finally:
                batches.put([])
            return writing.result()

    def _write(self, chunks: Iterable[bytes]) -> DumpResult:
        plain, statistics = hashlib.sha256(), DumpStatistics()
        with open(self._target, "xb", opener=open_private) as file:
            compressed = _HashingSink(file)
            with self._keys.encrypting(compressed) as sink:
                writer = open_writer(sink, self._compression)
                for chunk in self._scan(chunks, statistics):
                    plain.update(chunk)
                    writer.write(chunk)
                    self._bytes_read += len(chunk)
                writer.close()
            file.flush()
            os.fsync(file.fileno())
        return DumpResult(
            size_bytes=self._target.stat().st_size,
            sha256=compressed.sha256.hexdigest(),
            uncompressed_bytes=self._bytes_read,
            uncompressed_sha256=plain.hexdigest(),
            statistics=statistics,
        )

    def _scan(self, chunks: Iterable[bytes], statistics: DumpStatistics) -> Iterator[bytes]:
        """Scan the dump, and yield it without the excluded rows."""
        if not self._excluded.tables:
            scan = DumpScan(statistics)
            for chunk in chunks:
                scan.feed(chunk)
                yield chunk
            scan.finish()
            return
        kept = bytearray()
        scan = DumpScan(RowFilter(self._excluded.tables, statistics, kept.extend))
        for chunk in chunks:
            scan.feed(chunk)
            yield bytes(kept)
            kept.clear()
        scan.finish()
        yield bytes(kept)

    def _check_exit(self, ended: Exit, last_line: bytes) -> None:
        if self._client.stopped:
            raise JobCancelled()
        if ended.code < 0:
            raise DumpFailed(
                f"The dump client was killed by signal {-ended.code}. {ended.stderr}".rstrip()
            )
        if ended.code > 0:
            self._check_connection(ended.stderr)
        if ended.code > 0 and not self._continues:
            if _TABLE_DEFINITION_CHANGED in ended.stderr:
                raise DumpFailed(
                    f"A table was changed during the dump: {ended.stderr} Create the backup again"
                    " after the schema change.",
                    redefined=True,
                )
            raise DumpFailed(f"The dump client failed with exit code {ended.code}: {ended.stderr}")
        if not last_line.startswith(TRAILER):
            raise DumpFailed('The dump is truncated: its last line is not "-- Dump completed".')

    def _check_connection(self, errors: str) -> None:
        """Check that the client had a connection to the end.

        Reading a corrupt page can stop the server. Then the client reports the table, and fails to
        read all others.
        """
        for found in _TABLE_ERROR.finditer(errors):
            if found["number"] in _LOST_CONNECTION:
                raise DumpFailed(
                    f"The connection to the server was lost: {found[0]}",
                    lost_at_table=found["table"].replace("``", "`"),
                )


class _HashingSink:
    """Writes compressed bytes to the file and hashes them.

    It starts writing to the disk early, so that the final fsync(2) does not take long.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.sha256 = hashlib.sha256()
        self._file = file
        self._written = self._synced = 0

    def write(self, data: bytes, /) -> int:
        self.sha256.update(data)
        written = self._file.write(data)
        self._written += written
        if self._written - self._synced >= _WRITE_OUT_BYTES:
            self._start_write_out()
        return written

    def flush(self) -> None:
        self._file.flush()

    def _start_write_out(self) -> None:
        """Make the kernel start writing dirty pages to the disk (posix_fadvise(2))."""
        self._file.flush()
        length = self._written - self._synced
        os.posix_fadvise(self._file.fileno(), self._synced, length, os.POSIX_FADV_DONTNEED)
        self._synced = self._written
