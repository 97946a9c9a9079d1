"""The directory of backups: each file has a manifest beside it, and only pairs are listed.

A file is complete only when its manifest (see ``backup_manifest``) is there and agrees with it on
the size.
"""

import contextlib
import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sysndd_core.backups.manifest import (
    MANIFEST_SUFFIX,
    BackupManifest,
    Proof,
    StrayFile,
    check_name,
    expected_bytes,
)
from sysndd_core.errors import (
    BackupNotFound,
    InsufficientStorage,
    InvalidBackupName,
    LastProvenBackup,
)
from sysndd_core.logging import get_logger

log = get_logger(__name__)

PARTIAL_SUFFIX = ".partial"
UPLOAD_SUFFIX = ".upload"
LATEST = "latest"
"""Names the newest backup wherever a name is asked for. No link: a link could dangle."""

_MANIFEST = re.compile(r"\.sql.*\.json$")
_DUMP = re.compile(r"\.sql(\.zst|\.gz)?(\.age)?$")
_UPLOAD_SECONDS = 24 * 3600


class BackupDirectory:
    """A local (or mounted) directory that holds backups. All methods block on the disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # Manifests as they were read, by file name, each with what tells that its file is the same.
        self._known: dict[str, tuple[tuple[int, int, int], BackupManifest]] = {}

    def path(self, name: str) -> Path:
        """Return where a backup of that name is or would be.

        Raises:
            InvalidBackupName: see ``check_name``.
        """
        return self.directory / check_name(name)

    def manifests(self) -> list[BackupManifest]:
        """Read the manifest of every complete backup, newest first."""
        found = [manifest for manifest in self._read_all() if manifest is not None]
        # By seconds: comparing a thousand times with their zones takes longer than reading them.
        return sorted(found, key=lambda one: (one.created_at.timestamp(), one.name), reverse=True)

    def manifest(self, name: str) -> BackupManifest:
        """Read one manifest.

        Args:
            name: of a backup, or ``latest`` for the newest one.

        Raises:
            InvalidBackupName, BackupNotFound.
        """
        if name == LATEST:
            newest = next(iter(self.manifests()), None)
            if newest is None:
                raise BackupNotFound("There is no backup yet.")
            return newest
        path = self.path(name)
        manifest = self._read(f"{path}{MANIFEST_SUFFIX}")
        if manifest is None:
            raise BackupNotFound()
        return manifest

    def strays(self, among: Iterable[BackupManifest] | None = None) -> list[StrayFile]:
        """Find dumps that lie here without a manifest that fits them, by name.

        Args:
            among: every manifest, from a caller that has read them already.
        """
        every = self.manifests() if among is None else among
        listed = {one.name for one in every if one.local}
        try:
            with os.scandir(self.directory) as entries:
                found = [
                    _stray(one.name, one.stat())
                    for one in entries
                    if one.name not in listed and _DUMP.search(one.name) and one.is_file()
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(found, key=lambda one: one.name)

    def write_manifest(self, manifest: BackupManifest) -> None:
        """Put a manifest beside its file; from then on the backup is listed.

        Written to a temporary name, flushed to the disk and renamed: a crash leaves the old one,
        the new one or none, never a half.
        """
        path = self.path(manifest.name)
        final = path.with_name(path.name + MANIFEST_SUFFIX)
        partial = final.with_name(final.name + PARTIAL_SUFFIX)
        partial.touch(mode=0o600)
        with partial.open("w", encoding="utf-8") as file:
            file.write(manifest.to_json())
            file.flush()
            os.fsync(file.fileno())
        partial.rename(final)
        self.sync()

    def amend(self, name: str, changes: dict[str, Any]) -> BackupManifest:
        """Change some fields of a manifest; return the new one.

        Worker and API may do so at the same moment: each reads and writes under one lock.

        Raises:
            InvalidBackupName, BackupNotFound.
        """
        with self._locked():
            manifest = self.manifest(name).model_copy(update=changes)
            self.write_manifest(manifest)
        return manifest

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes' changes out; the kernel frees it when a process dies (flock(2))."""
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def sync(self) -> None:
        """Flush the directory itself, so that a rename in it outlives a power cut."""
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove_partials(self) -> list[str]:
        """Delete what a killed worker left; call only while no other job can be writing.

        Returns:
            The names of the files that were removed.
        """
        with self._locked():
            return self._remove_partials()

    def _remove_partials(self) -> list[str]:
        removed = []
        for path in self.directory.glob("*" + PARTIAL_SUFFIX):
            path.unlink(missing_ok=True)
            removed.append(path.name)
            # Killed between the manifest and the rename of its file: nobody else's file has gone.
            target = path.with_name(path.name.removesuffix(PARTIAL_SUFFIX))
            manifest = target.with_name(target.name + MANIFEST_SUFFIX)
            if manifest.exists() and not target.exists() and self._read(str(manifest)) is None:
                manifest.unlink(missing_ok=True)
                removed.append(manifest.name)
        for path in self.directory.glob("*" + UPLOAD_SUFFIX):
            # One that is still coming in was written to a moment ago.
            if time.time() - path.stat().st_mtime > _UPLOAD_SECONDS:
                path.unlink(missing_ok=True)
                removed.append(path.name)
        return removed

    def free_bytes(self) -> int:
        """Return how much an ordinary user may still write there."""
        room = os.statvfs(self.directory)
        return room.f_bavail * room.f_frsize

    def check_room(self, data_bytes: int) -> None:
        """Make sure that a further backup fits.

        Args:
            data_bytes: of the tables, by information_schema; what a first backup is judged by. A
                later one is judged by how large the last one became, with a quarter on top.

        Raises:
            InsufficientStorage: with both numbers.
            OSError: the directory is not there.
        """
        last = next(iter(self.manifests()), None)
        needed = data_bytes
        if last is not None:
            needed = min(data_bytes, expected_bytes(last.size_bytes, last, data_bytes) * 5 // 4)
        free = self.free_bytes()
        if free < needed:
            raise InsufficientStorage(
                f"A backup needs about {needed:,} bytes and the backup directory has {free:,} free.",
                needed_bytes=needed,
                free_bytes=free,
            )

    def remove(self, name: str) -> None:
        """Delete a backup: the manifest first, so that what is listed is always whole.

        Raises:
            InvalidBackupName.
        """
        path = self.path(name)
        path.with_name(path.name + MANIFEST_SUFFIX).unlink(missing_ok=True)
        self.sync()
        path.unlink(missing_ok=True)
        self.sync()

    def remove_unless_last_proven(self, name: str, before: Callable[[], None]) -> None:
        """Delete a backup, but never the only one that is known to be good.

        Args:
            name: of a listed backup.
            before: deletes its second copy; what it raises, stops it.

        Raises:
            InvalidBackupName, BackupNotFound, LastProvenBackup.
        """
        with self._locked():
            proven = self.manifest(name).proof is Proof.PROVEN
            if proven and not any(
                one.proof is Proof.PROVEN and one.name != name for one in self.manifests()
            ):
                raise LastProvenBackup(f"{name} is the only proven backup; take another one first.")
            before()
            self.remove(name)

    def remove_unless_pinned(self, name: str) -> bool:
        """Delete a backup that is not pinned; return whether it is gone now."""
        with self._locked():
            if self.manifest(name).pinned:
                return False
            self.remove(name)
        return True

    def _read_all(self) -> Iterator[BackupManifest | None]:
        try:
            with os.scandir(self.directory) as entries:
                there = {one.name: one.path for one in entries if _MANIFEST.search(one.name)}
        except (FileNotFoundError, NotADirectoryError):
            return
        for path in there.values():
            yield self._read(path)
        for gone in self._known.keys() - there.keys():
            self._known.pop(gone, None)

    def _parsed(self, path: str) -> BackupManifest:
        # A list of a thousand takes a second to parse and 10 ms to look at. Each change is a new
        # file under the old name (see ``write_manifest``), so its inode tells. Paths are text here,
        # because a thousand Path objects cost more than all the rest.
        told = os.stat(path)  # noqa: PTH116 - see above
        now = (told.st_ino, told.st_mtime_ns, told.st_size)
        name = path.rpartition("/")[2]
        known = self._known.get(name)
        if known is not None and known[0] == now:
            return known[1]
        manifest = BackupManifest.model_validate_json(Path(path).read_bytes())
        if name != check_name(manifest.name) + MANIFEST_SUFFIX:
            raise InvalidBackupName(f"{name} is the manifest of {manifest.name}.")
        self._known[name] = (now, manifest)
        return manifest

    def _read(self, path: str) -> BackupManifest | None:
        try:
            manifest = self._parsed(path)
        except FileNotFoundError:
            return None
        except (ValidationError, InvalidBackupName) as error:
            log.warning("manifest_unreadable", file=path, reason=type(error).__name__)
            return None
        size = _size_of(path.removesuffix(MANIFEST_SUFFIX))
        if size == manifest.size_bytes:
            return manifest
        if size is not None:
            log.warning("manifest_disagrees", file=path, size_bytes=size)
        # What is not here, or not whole, is in the second place or nowhere.
        return None if manifest.remote is None else manifest.model_copy(update={"local": False})


def _stray(name: str, told: os.stat_result) -> StrayFile:
    modified_at = datetime.fromtimestamp(told.st_mtime, UTC)
    return StrayFile(name=name, size_bytes=told.st_size, modified_at=modified_at)


def _size_of(path: str) -> int | None:
    """Return a plain file's size in bytes, None when there is none."""
    try:
        told = os.stat(path)  # noqa: PTH116 - see ``_parsed``
    except FileNotFoundError:
        return None
    return told.st_size if stat.S_ISREG(told.st_mode) else None
