"""The compression of dumps: zstd, gzip or none, with the names and streams of each."""

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
# Level 3 with pieces, window and tables that fit a core's cache: a quarter less processor time than
# the level's own sizes; a dump comes out as large, mixed text files 8 % larger (zstd 1.5). It pays
# for the hashes and the counting.
_ZSTD_JOB_BYTES = 1 << 20
_ZSTD_SIZES = {"window_log": 20, "hash_log": 15, "chain_log": 14, "min_match": 6}

# Of the zstd format: RFC 8878, section 3.
_FRAME_MAGIC = 0xFD2FB528
_SKIPPABLE_FRAMES = range(0x184D2A50, 0x184D2A60)
_RLE_BLOCK = 1


class Writer(Protocol):
    """What the dump is written to."""

    def write(self, data: bytes, /) -> int:
        """Take bytes; return how many were taken."""

    def close(self) -> None:
        """Write what the format has at its end."""


def packing_of(path: Path) -> BackupCompression:
    """Tell by the file's name how it is packed."""
    for compression, suffix in SUFFIXES.items():
        if path.name.removesuffix(SUFFIX).endswith(suffix):
            return compression
    raise ValueError(f"not the name of a backup: {path.name}")


def open_writer(raw: Sink, compression: BackupCompression) -> Writer:
    """Return a stream that packs what is written to it into ``raw``.

    Closing it writes the trailer of the format and leaves ``raw`` open, so that it can be synced.
    """
    if compression is BackupCompression.ZSTD:
        packer = zstandard.ZstdCompressor(
            compression_params=zstandard.ZstdCompressionParameters.from_level(
                _ZSTD_LEVEL,
                threads=_ZSTD_THREADS,
                job_size=_ZSTD_JOB_BYTES,
                overlap_log=1,
                **_ZSTD_SIZES,
                # So that a flipped bit is found on reading.
                write_checksum=1,
            )
        )
        return cast("Writer", packer.stream_writer(cast("IO[bytes]", raw), closefd=False))
    if compression is BackupCompression.GZIP:
        return gzip.GzipFile(fileobj=cast("IO[bytes]", raw), mode="wb", compresslevel=6, mtime=0)
    return _Plain(raw)


def suffix_of(compression: BackupCompression, keys: Keys) -> str:
    """Return how the name of a new backup ends."""
    return SUFFIXES[compression] + (SUFFIX if keys.recipients else "")


def open_reader(path: Path, keys: Keys) -> IO[bytes]:
    """Return a stream of the decrypted and unpacked dump.

    Reading raises ``UNPACK_ERRORS`` where the file is cut off or damaged.
    """
    return unpack(keys.open(path), packing_of(path))


def unpack(compressed: IO[bytes], compression: BackupCompression) -> IO[bytes]:
    """Return a stream of what a packed stream holds; it closes that, too."""
    if compression is BackupCompression.ZSTD:
        # Programs that pack in parallel write many frames.
        reader = zstandard.ZstdDecompressor().stream_reader(compressed, read_across_frames=True)
        return cast("IO[bytes]", reader)
    if compression is BackupCompression.GZIP:
        return cast("IO[bytes]", _Gunzip(compressed))
    return compressed


UNPACK_ERRORS = (zstandard.ZstdError, zlib.error, gzip.BadGzipFile, EOFError, OSError)


class _Plain:
    """Passes bytes through; closing it leaves the raw file open, like the packing writers."""

    def __init__(self, raw: Sink) -> None:
        self._raw = raw

    def write(self, data: bytes, /) -> int:
        return self._raw.write(data)

    def close(self) -> None:
        self._raw.flush()


class _Gunzip(gzip.GzipFile):
    """Closes the file below it, which ``GzipFile`` leaves open."""

    def __init__(self, compressed: IO[bytes]) -> None:
        super().__init__(fileobj=compressed, mode="rb")
        self._compressed = compressed

    def close(self) -> None:
        super().close()
        self._compressed.close()


def check_zstd_frames(file: IO[bytes]) -> None:
    """Make sure that a zstd file ends where its last frame does, without decompressing it.

    The library's reader takes a file that was cut off for one that has ended. This walks over the
    headers of all frames and blocks (RFC 8878, section 3).

    Raises:
        EOFError: the file ends inside of a frame.
        ValueError: there is something else between the frames.
    """
    while magic := file.read(4):
        number = int.from_bytes(_whole(magic, 4), "little")
        if number in _SKIPPABLE_FRAMES:
            _skip(file, int.from_bytes(_whole(file.read(4), 4), "little"))
        elif number == _FRAME_MAGIC:
            _walk_frame(file)
        else:
            raise ValueError("there is something that is no zstd frame")


def _walk_frame(file: IO[bytes]) -> None:
    descriptor = _whole(file.read(1), 1)[0]
    single_segment = bool(descriptor & 0x20)
    content_size = (int(single_segment), 2, 4, 8)[descriptor >> 6]
    _skip(file, int(not single_segment) + (0, 1, 2, 4)[descriptor & 3] + content_size)
    last = False
    while not last:
        header = int.from_bytes(_whole(file.read(3), 3), "little")
        last, kind, size = bool(header & 1), header >> 1 & 3, header >> 3
        _skip(file, 1 if kind == _RLE_BLOCK else size)
    if descriptor & 4:
        _skip(file, 4)


def _skip(file: IO[bytes], count: int) -> None:
    if count:
        file.seek(count - 1, 1)
        _whole(file.read(1), 1)


def _whole(data: bytes, count: int) -> bytes:
    if len(data) != count:
        raise EOFError("the file ends inside of a zstd frame")
    return data
