"""Receives an uploaded dump as a stream. The worker checks the whole file before it is listed."""

import asyncio
import errno
import hashlib
import os
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from sysndd_core.backups.directory import UPLOAD_SUFFIX, BackupDirectory
from sysndd_core.backups.manifest import backup_name
from sysndd_core.errors import BodyTooLarge, InsufficientStorage, InvalidBackupName
from sysndd_core.jobs.models import BackupKind

_SUFFIX = re.compile(r"\.sql(\.zst|\.gz)?$", re.IGNORECASE)
_BUFFER = 1 << 20


@dataclass(frozen=True)
class Received:
    """A completely received file: name of the future backup, size, and SHA-256."""

    name: str
    size_bytes: int
    sha256: str


async def receive(
    store: BackupDirectory, filename: str, chunks: AsyncIterator[bytes], limit: int
) -> Received:
    """Write a stream to a file of mode 0600 and flush it to disk.

    Args:
        store: The backup directory.
        filename: Name of the file on the client; only its extension is used.
        chunks: The bytes of the file.
        limit: Maximum size in bytes.

    Raises:
        InvalidBackupName: The extension is not .sql, .sql.gz or .sql.zst.
        BodyTooLarge: The file exceeds ``limit``; it is deleted.
        InsufficientStorage: The directory is full; the file is deleted.
    """
    name = _name_for(filename)
    path = store.path(name)
    path = path.with_name(path.name + UPLOAD_SUFFIX)
    try:
        return await _receive(path, name, chunks, limit)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InsufficientStorage(
                "The backup directory is full, so the upload was deleted."
            ) from error
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def discard(store: BackupDirectory, received: Received) -> None:
    """Delete a received file that will not be imported."""
    path = store.path(received.name)
    path.with_name(path.name + UPLOAD_SUFFIX).unlink(missing_ok=True)


def _name_for(filename: str) -> str:
    match = _SUFFIX.search(filename)
    if match is None:
        raise InvalidBackupName("The file name must end in .sql, .sql.gz or .sql.zst.")
    return backup_name(
        BackupKind.UPLOADED, datetime.now(UTC), secrets.token_hex(4), match[0].lower()
    )


async def _receive(path: Path, name: str, chunks: AsyncIterator[bytes], limit: int) -> Received:
    digest, size, buffer = hashlib.sha256(), 0, bytearray()
    with await asyncio.to_thread(_open, path) as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise BodyTooLarge(
                    f"The limit is {limit:,} bytes (BACKUP_UPLOAD_MAX_BYTES).", limit=limit
                )
            buffer += chunk
            if len(buffer) >= _BUFFER:
                await asyncio.to_thread(_write, file, digest, bytes(buffer))
                buffer.clear()
        await asyncio.to_thread(_write, file, digest, bytes(buffer))
        await asyncio.to_thread(os.fsync, file.fileno())
    return Received(name, size, digest.hexdigest())


def _open(path: Path) -> IO[bytes]:
    return open(path, "xb", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600))


def _write(file: IO[bytes], digest: "hashlib._Hash", data: bytes) -> None:
    digest.update(data)
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
