"""One pass from the dump client to a synced file: hashed, counted and compressed on the way.

One thread reads what the client writes, another one processes it. There is no shell: the client's
exit code is read directly, and a dump whose client failed or whose trailer is missing raises.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import queue
import subprocess
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO

from sysndd_backup.archive.compression import open_writer
from sysndd_backup.archive.directory import private
from sysndd_backup.archive.encryption import Keys
from sysndd_backup.dump.scanner import TRAILER, DumpScan, DumpStatistics
from sysndd_backup.server.clients import ClientRun, Clients, Ended, Process
from sysndd_backup.server.server import Server
from sysndd_core.errors import DumpFailed, InsufficientStorage, JobCancelled
from sysndd_core.settings.backup import BackupCompression
from sysndd_core.settings.database import DatabaseSettings

# Fits the cache of a core: each piece is hashed, scanned and packed one after the other. From
# 128 KiB on, malloc(3) returns the memory of each to the system.
_CHUNK = 96 << 10
_PIPE_BYTES = 1 << 20
# Handed over together: a thread that is woken costs more than most of the work on a chunk.
_CHUNKS_IN_BATCH = 8
# 45 MiB. Some tables are slow to read and others to pack: while these wait, neither side does.
_BATCHES_THAT_WAIT = 60
# The client and the server come first: on few cores it is they whom the packing would hold up, and
# the site's requests.
_GIVES_WAY_BY = 10
_WRITE_OUT_BYTES = 8 << 20
_TABLE_DEFINITION_CHANGED = "1412"

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
)


def flags_for(server: Server) -> tuple[str, ...]:
    """Return the dump client's options for a server, without address, account and schema."""
    return (*_OPTIONS, "--set-gtid-purged=OFF") if server.vendor == "MySQL" else _OPTIONS


@dataclass(frozen=True)
class DumpResult:
    """What one pass found: sizes in bytes, hashes in lower-case hexadecimal."""

    size_bytes: int
    sha256: str
    uncompressed_bytes: int
    uncompressed_sha256: str
    statistics: DumpStatistics


class Dump:
    """One dump of one schema into one file.

    Args:
        settings: the account that dumps.
        server: what the server is; decides the client's options.
        clients: the server's own client programs.
        target: the partial file; it must not exist.
        compression: how it is packed.
        keys: whom it is encrypted to.

    ``run`` blocks and belongs in a thread; ``bytes_done`` and ``stop`` may be called from another.
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
    ) -> None:
        self._bytes_read = 0
        self._keys = keys
        self._target = target
        self._compression = compression
        self.flags = flags_for(server)
        self._client = ClientRun(
            settings,
            clients.dump,
            [*self.flags, settings.name],
            stdout=subprocess.PIPE,
        )

    def run(self) -> DumpResult:
        """Dump, pack, hash, count, and flush to the disk.

        Raises:
            DumpFailed: the client failed, was killed, or its output is not whole.
            InsufficientStorage: the disk was full before the end.
            JobCancelled: ``stop`` was called.
        """
        try:
            result, ended = self._client.run(self._pump)
        except OSError as error:
            if self._client.stopped:
                raise JobCancelled() from error
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise InsufficientStorage(
                    f"The backup directory was full after {self._bytes_read:,} bytes of SQL; the"
                    " unfinished file was removed."
                ) from error
            raise DumpFailed(f"The backup could not be written: {error}") from error
        self._check_ended(ended, result.statistics.last_line)
        return result

    def bytes_done(self) -> int:
        """Return how many bytes of SQL were read so far."""
        return self._bytes_read

    def stop(self) -> None:
        """Stop it from another thread; ``run`` then raises ``JobCancelled``."""
        self._client.stop()

    def _pump(self, process: Process) -> DumpResult:
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            # Fewer switches between the client and us; an account's limit on pipes may refuse.
            fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        batches: queue.Queue[list[bytes]] = queue.Queue(_BATCHES_THAT_WAIT)

        def emptied(_: Future[DumpResult]) -> None:
            """Release a reader that waits for space; it then sees that nothing is packed any more."""
            with contextlib.suppress(queue.Empty):
                while True:
                    batches.get_nowait()

        # On Linux, nice(2) is of one thread, and of those that it starts.
        with ThreadPoolExecutor(1, initializer=os.nice, initargs=(_GIVES_WAY_BY,)) as aside:
            packing = aside.submit(self._pack, chain.from_iterable(iter(batches.get, [])))
            packing.add_done_callback(emptied)
            chunks = iter(partial(process.stdout.read, _CHUNK), b"")
            try:
                while not packing.done() and (batch := [*islice(chunks, _CHUNKS_IN_BATCH)]):
                    batches.put(batch)
            finally:
                batches.put([])
            return packing.result()

    def _pack(self, chunks: Iterable[bytes]) -> DumpResult:
        plain, statistics = hashlib.sha256(), DumpStatistics()
        scan = DumpScan(statistics)
        with open(self._target, "xb", opener=private) as file:
            compressed = _HashingSink(file)
            with self._keys.encrypting(compressed) as sink:
                writer = open_writer(sink, self._compression)
                for chunk in chunks:
                    plain.update(chunk)
                    scan.feed(chunk)
                    writer.write(chunk)
                    self._bytes_read += len(chunk)
                writer.close()
            scan.finish()
            file.flush()
            os.fsync(file.fileno())
        return DumpResult(
            size_bytes=self._target.stat().st_size,
            sha256=compressed.sha256.hexdigest(),
            uncompressed_bytes=self._bytes_read,
            uncompressed_sha256=plain.hexdigest(),
            statistics=statistics,
        )

    def _check_ended(self, ended: Ended, last_line: bytes) -> None:
        if self._client.stopped:
            raise JobCancelled()
        if ended.exit_code < 0:
            raise DumpFailed(
                f"The dump client was ended by signal {-ended.exit_code}. {ended.complaint}"
            )
        if ended.exit_code > 0:
            if _TABLE_DEFINITION_CHANGED in ended.complaint:
                raise DumpFailed(
                    f"A table was changed while the dump ran. {ended.complaint}", redefined=True
                )
            raise DumpFailed(
                f"The dump client ended with exit code {ended.exit_code}: {ended.complaint}"
            )
        if not last_line.startswith(TRAILER):
            raise DumpFailed('The dump was cut off: its last line is not "-- Dump completed".')


class _HashingSink:
    """Writes packed bytes to the file and hashes them.

    The disk gets them soon, not all at the end, when everything would wait for it.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.sha256 = hashlib.sha256()
        self._file = file
        self._written = self._sent_out = 0

    def write(self, data: bytes, /) -> int:
        self.sha256.update(data)
        written = self._file.write(data)
        self._written += written
        if self._written - self._sent_out >= _WRITE_OUT_BYTES:
            self._send_out()
        return written

    def flush(self) -> None:
        self._file.flush()

    def _send_out(self) -> None:
        """Have dirty pages written; they stay in memory until they are (posix_fadvise(2))."""
        self._file.flush()
        length = self._written - self._sent_out
        os.posix_fadvise(self._file.fileno(), self._sent_out, length, os.POSIX_FADV_DONTNEED)
        self._sent_out = self._written
