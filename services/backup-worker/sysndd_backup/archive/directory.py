"""Puts finished files into the directory of backups."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sysndd_core.backups.directory import PARTIAL_SUFFIX, BackupDirectory
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.errors import InsufficientStorage


def publish(store: BackupDirectory, partial: Path, manifest: BackupManifest) -> None:
    """List a file that is complete and flushed to the disk.

    The manifest comes first: without its file it is not listed. So the rename of the file is the
    one moment in which the backup appears, and a file without a manifest is never ours.

    Raises:
        InsufficientStorage: the manifest could not be written; the list is as before.
    """
    try:
        store.write_manifest(manifest)
        partial.rename(store.path(manifest.name))
        store.sync()
    except OSError as error:
        store.remove(manifest.name)
        raise InsufficientStorage(f"The manifest could not be written: {error}") from error


@contextlib.contextmanager
def partial_file(store: BackupDirectory, name: str) -> Iterator[tuple[Path, IO[bytes]]]:
    """Yield an empty file of mode 0600 to be filled; flushed to the disk at the end.

    It is the caller's to rename; what has not been renamed by then is deleted.
    """
    path = store.path(name)
    path = path.with_name(path.name + PARTIAL_SUFFIX)
    path.unlink(missing_ok=True)
    try:
        with open(path, "x+b", opener=private) as file:
            yield path, file
    finally:
        path.unlink(missing_ok=True)


def private(path: str, flags: int) -> int:
    """Open with mode 0600: dumps hold personal data and password hashes."""
    return os.open(path, flags, 0o600)
