"""Compression of dumps: zstd, gzip or none."""

import gzip
import zlib
from pathlib import Path
from typing import IO, Protocol, cast

import zstandard

from sysndd_backup.archive.encryption import SUFFIX, Keys, Sink
from sysndd_core.settings.backup import BackupCompression

SUFFIXES = {
    BackupCompression.ZSTD: ".sql.zst",
    BackupCompression.GZIP: ".sql.gz",
    BackupCompression.NONE: ".sql",
}

_ZSTD_LEVEL = 3
_ZSTD_THREADS = 2
# Level 3 with jobs, window and tables that fit the cache of a core: a quarter less processor time
# than the defaults of the level, for dumps of the same size (measured with zstd 1.5).
_ZSTD_JOB_BYTES = 1 << 20
_ZSTD_SIZES = {"window_log": 20, "hash_log": 15, "chain_log": 14, "min_match": 6}

# Source: RFC 8878, section 3.
_FRAME_MAGIC = 0xFD2FB528
_SKIPPABLE_FRAMES = range(0x184D2A50, 0x184D2A60)
_RLE_BLOCK = 1


class Writer(Protocol):
    """A stream that compresses what is written to it."""

    def write(self, data: bytes, /) -> int:
        """Write bytes; return their number."""

    def close(self) -> None:
        """Write the end of the format, and leave the underlying stream open."""


def compression_of(path: Path) -> BackupCompression:
    """Return the compression of a file, from its name.

    Raises:
        ValueError: The name is not that of a backup.
    """
    for compression, suffix in SUFFIXES.items():
        if path.name.removesuffix(SUFFIX).endswith(suffix):
            return compression
    raise ValueError(f"not the name of a backup: {path.name}")


def open_writer(raw: Sink, compression: BackupCompression) -> Writer:
    """Return a stream that compresses what is written to it into ``raw``.

    Closing it leaves ``raw`` open, so that the caller can flush it to the disk.
    """
    if compression is BackupCompression.ZSTD:
        compressor = zstandard.ZstdCompressor(
            compression_params=zstandard.ZstdCompressionParameters.from_level(
                _ZSTD_LEVEL,
                threads=_ZSTD_THREADS,
                job_size=_ZSTD_JOB_BYTES,
                overlap_log=1,
                **_ZSTD_SIZES,
                # Detects flipped bits on reading.
                write_checksum=1,
            )
        )
        return cast("Writer", compressor.stream_writer(cast("IO[bytes]", raw), closefd=False))
    if compression is BackupCompression.GZIP:
        return gzip.GzipFile(fileobj=cast("IO[bytes]", raw), mode="wb", compresslevel=6, mtime=0)
    return _Uncompressed(raw)


def suffix_of(compression: BackupCompression, keys: Keys) -> str:
    """Return the file name suffix of new backups, such as ``.sql.zst.age``."""
    return SUFFIXES[compression] + (SUFFIX if keys.recipients else "")


def open_reader(path: Path, keys: Keys) -> IO[bytes]:
    """Return a stream of the decrypted and decompressed dump.

    Reading raises one of ``DECOMPRESSION_ERRORS`` if the file is truncated or damaged.
    """
    return decompress(keys.open(path), compression_of(path))


def decompress(compressed: IO[bytes], compression: BackupCompression) -> IO[bytes]:
    """Return a stream of the decompressed bytes; closing it closes ``compressed``."""
    if compression is BackupCompression.ZSTD:
        # Programs that compress in parallel write many frames.
        reader = zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True)
        return cast("IO[bytes]", reader)
    if compression is BackupCompression.GZIP:
        return cast("IO[bytes]", _Gunzip(compressed))
    return compressed


DECOMPRESSION_ERRORS = (zstandard.ZstdError, zlib.error, gzip.BadGzipFile, EOFError, OSError)


class _Uncompressed:
    """Writes bytes unchanged; closing it leaves the file open, as for the other writers."""

    def __init__(self, raw: Sink) -> None:
        self._raw = raw

    def write(self, data: bytes, /) -> int:
        return self._raw.write(data)

    def close(self) -> None:
        self._raw.flush()


class _Gunzip(gzip.GzipFile):
    """Closes the underlying file, which ``GzipFile`` leaves open."""

    def __init__(self, compressed: IO[bytes]) -> None:
        super().__init__(fileobj=compressed, mode="rb")
        self._compressed = compressed

    def close(self) -> None:
        super().close()
        self._compressed.close()


def check_zstd_frames(file: IO[bytes]) -> None:
    """Check that a zstd file ends at the end of a frame, without decompressing it.

    The library's reader does not detect a truncated file, so this reads the headers of all frames
    and blocks (RFC 8878, section 3).

    Raises:
        EOFError: The file ends inside a frame.
        ValueError: The file contains bytes that are not a zstd frame.
    """
    while magic := file.read(4):
        number = int.from_bytes(_complete(magic, 4), "little")
        if number in _SKIPPABLE_FRAMES:
            _skip(file, int.from_bytes(_complete(file.read(4), 4), "little"))
        elif number == _FRAME_MAGIC:
            _skip_frame(file)
        else:
            raise ValueError("the file contains bytes that are not a zstd frame")


def _skip_frame(file: IO[bytes]) -> None:
    descriptor = _complete(file.read(1), 1)[0]
    single_segment = bool(descriptor & 0x20)
    content_size = (int(single_segment), 2, 4, 8)[descriptor >> 6]
    _skip(file, int(not single_segment) + (0, 1, 2, 4)[descriptor & 3] + content_size)
    last = False
    while not last:
        header = int.from_bytes(_complete(file.read(3), 3), "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        _skip(file, 1 if kind == _RLE_BLOCK else size)
    if descriptor & 4:
        _skip(file, 4)


def _skip(file: IO[bytes], count: int) -> None:
    if count:
        file.seek(count - 1, 1)
        _complete(file.read(1), 1)


def _complete(data: bytes, count: int) -> bytes:
    if len(data) != count:
        raise EOFError("the file ends inside a zstd frame")
    return data
