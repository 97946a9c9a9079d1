"""The backup directory: each backup file has a manifest, and only complete pairs are listed.

A backup is complete when its manifest (see ``manifest``) exists and states the size of the file.
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
from typing import IO, Any

from pydantic import ValidationError

from sysndd_core.backups.manifest import (
    MANIFEST_SUFFIX,
    BackupManifest,
    UnmanagedFile,
    Verification,
    check_name,
    expected_bytes,
)
from sysndd_core.errors import (
    BackupNotFound,
    InsufficientStorage,
    InvalidBackupName,
    LastVerifiedBackup,
)
from sysndd_core.jobs.models import BackupKind
from sysndd_core.logging import get_logger

log = get_logger(__name__)

PARTIAL_SUFFIX = ".partial"
UPLOAD_SUFFIX = ".upload"
LATEST = "latest"
"""Name that stands for the newest verified backup that is not a safety backup."""

_MANIFEST = re.compile(r"\.sql.*\.json$")
_DUMP = re.compile(r"\.sql(\.zst|\.gz)?(\.age)?$")
_UPLOAD_SECONDS = 24 * 3600


class BackupDirectory:
    """A local or mounted directory of backups. All methods block on the disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # Parsed manifests by file name, each with the identity of the file that was parsed.
        self._known: dict[str, tuple[tuple[int, int, int], BackupManifest]] = {}

    def path(self, name: str) -> Path:
        """Return the path of the backup with this name, whether or not it exists.

        Raises:
            InvalidBackupName: See ``check_name``.
        """
        return self.directory / check_name(name)

    def manifests(self) -> list[BackupManifest]:
        """Return the manifests of all complete backups, latest first."""
        found = [manifest for manifest in self._read_all() if manifest is not None]
        # Timestamps, because comparing datetimes with time zones is slower than reading the files.
        return sorted(found, key=lambda one: (one.created_at.timestamp(), one.name), reverse=True)

    def manifest(self, name: str) -> BackupManifest:
        """Read one manifest.

        Args:
            name: Name of a backup, or ``latest``.

        Raises:
            InvalidBackupName: See ``check_name``.
            BackupNotFound: There is no complete backup with this name, or none that ``latest``
                stands for.
        """
        if name == LATEST:
            return _latest(self.manifests())
        path = self.path(name)
        manifest = self._read(f"{path}{MANIFEST_SUFFIX}")
        if manifest is None:
            raise BackupNotFound()
        return manifest

    def unmanaged_files(self, among: Iterable[BackupManifest] | None = None) -> list[UnmanagedFile]:
        """Return dump files that have no matching manifest, by name.

        Args:
            among: All manifests, if the caller has already read them.
        """
        every = self.manifests() if among is None else among
        listed = {one.name for one in every if one.local}
        try:
            with os.scandir(self.directory) as entries:
                found = [
                    _unmanaged_file(one.name, one.stat())
                    for one in entries
                    if one.name not in listed and _DUMP.search(one.name) and one.is_file()
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(found, key=lambda one: one.name)

    def write_manifest(self, manifest: BackupManifest) -> None:
        """Write the manifest of a file; from then on the backup is listed.

        The manifest is written to a temporary file, flushed to the disk and renamed, so a crash
        never leaves a truncated manifest.
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

    def add_missing(self, manifests: Iterable[BackupManifest]) -> None:
        """List backups of which only the off-site copy exists, unless they are listed already.

        Args:
            manifests: The manifests in the off-site storage.
        """
        listed = {one.name for one in self.manifests()}
        for manifest in manifests:
            if manifest.name not in listed and manifest.offsite is not None:
                self.write_manifest(manifest)

    def amend(self, name: str, changes: dict[str, Any]) -> BackupManifest:
        """Change fields of a manifest; return the new manifest.

        A file lock serialises the changes of worker and API.

        Raises:
            InvalidBackupName: See ``check_name``.
            BackupNotFound: There is no complete backup with this name.
        """
        with self._locked():
            manifest = self.manifest(name).model_copy(update=changes)
            self.write_manifest(manifest)
        return manifest

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the directory; the kernel releases the lock when the process ends (flock(2))."""
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def sync(self) -> None:
        """Flush the directory itself, so that a rename survives a power failure."""
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove_partials(self) -> list[str]:
        """Delete files that a killed worker left; call only while no other job can be writing.

        Returns:
            The names of the deleted files.
        """
        with self._locked():
            return self._remove_partials()

    def _remove_partials(self) -> list[str]:
        removed = []
        for path in self.directory.glob("*" + PARTIAL_SUFFIX):
            path.unlink(missing_ok=True)
            removed.append(path.name)
            # The worker was killed after it wrote the manifest, before it renamed the dump.
            target = path.with_name(path.name.removesuffix(PARTIAL_SUFFIX))
            manifest = target.with_name(target.name + MANIFEST_SUFFIX)
            if manifest.exists() and not target.exists() and self._read(str(manifest)) is None:
                manifest.unlink(missing_ok=True)
                removed.append(manifest.name)
        for path in self.directory.glob("*" + UPLOAD_SUFFIX):
            # An upload in progress was written to recently.
            if time.time() - path.stat().st_mtime > _UPLOAD_SECONDS:
                path.unlink(missing_ok=True)
                removed.append(path.name)
        return removed

    @contextlib.contextmanager
    def partial_file(self, name: str) -> Iterator[tuple[Path, IO[bytes]]]:
        """Yield the path and the empty partial file of a new backup, with mode 0600.

        If the caller has not renamed the file by the end of the block, it is deleted.
        """
        path = self.path(name)
        path = path.with_name(path.name + PARTIAL_SUFFIX)
        path.unlink(missing_ok=True)
        try:
            with open(path, "x+b", opener=open_private) as file:
                yield path, file
        finally:
            path.unlink(missing_ok=True)

    def publish(self, partial: Path, manifest: BackupManifest) -> None:
        """List a new backup whose file is complete and flushed to the disk.

        The manifest is written first, and a manifest without its file is not listed. So the rename
        of the file publishes the backup, and every file without a manifest comes from elsewhere.

        Args:
            partial: Path of the file, in this directory.
            manifest: Manifest of the backup.

        Raises:
            InsufficientStorage: The manifest could not be written; no backup was added.
        """
        try:
            self.write_manifest(manifest)
            partial.rename(self.path(manifest.name))
            self.sync()
        except OSError as error:
            self.remove(manifest.name)
            raise InsufficientStorage(
                f"The manifest of {manifest.name} could not be written: {error}. Free some space,"
                " then try again."
            ) from error

    def free_bytes(self) -> int:
        """Return the free space for unprivileged users, in bytes."""
        disk = os.statvfs(self.directory)
        return disk.f_bavail * disk.f_frsize

    def check_free_space(self, data_bytes: int) -> None:
        """Check that there is enough free space for another backup.

        Args:
            data_bytes: Size of the tables in bytes, from information_schema. It limits the
                estimate, which is the size of the latest backup plus a quarter.

        Raises:
            InsufficientStorage: There is not enough free space; carries both sizes.
            OSError: The directory cannot be read.
        """
        last = next(iter(self.manifests()), None)
        needed = data_bytes
        if last is not None:
            needed = min(data_bytes, expected_bytes(last.size_bytes, last, data_bytes) * 5 // 4)
        free = self.free_bytes()
        if free < needed:
            raise InsufficientStorage(
                f"A backup needs about {needed:,} bytes, but the backup directory has only"
                f" {free:,} bytes free. Free some space, then try again.",
                needed_bytes=needed,
                free_bytes=free,
            )

    def remove(self, name: str) -> None:
        """Delete a backup, manifest first, so that every listed backup is complete.

        Raises:
            InvalidBackupName: See ``check_name``.
        """
        path = self.path(name)
        path.with_name(path.name + MANIFEST_SUFFIX).unlink(missing_ok=True)
        self.sync()
        path.unlink(missing_ok=True)
        self.sync()

    def remove_unless_last_verified(self, name: str, before: Callable[[], None]) -> None:
        """Delete a backup, unless it is the only verified one.

        Args:
            name: Name of a listed backup.
            before: Deletes the off-site copy; if it raises, nothing is deleted.

        Raises:
            InvalidBackupName: See ``check_name``.
            BackupNotFound: There is no complete backup with this name.
            LastVerifiedBackup: No other backup is verified.
        """
        with self._locked():
            verified = self.manifest(name).verification is Verification.VERIFIED
            if verified and not any(
                one.verification is Verification.VERIFIED and one.name != name
                for one in self.manifests()
            ):
                raise LastVerifiedBackup(
                    f"{name} is the only verified backup, so it was not deleted. Verify another"
                    " backup first."
                )
            before()
            self.remove(name)

    def remove_unless_pinned(self, name: str) -> bool:
        """Delete a backup unless it is pinned; return whether it was deleted."""
        with self._locked():
            if self.manifest(name).pinned:
                return False
            self.remove(name)
        return True

    def _read_all(self) -> Iterator[BackupManifest | None]:
        try:
            with os.scandir(self.directory) as entries:
                paths = {one.name: one.path for one in entries if _MANIFEST.search(one.name)}
        except (FileNotFoundError, NotADirectoryError):
            return
        for path in paths.values():
            yield self._read(path)
        for deleted in self._known.keys() - paths.keys():
            self._known.pop(deleted, None)

    def _parsed(self, path: str) -> BackupManifest:
        # Parsing a thousand manifests takes a second, checking their identity 10 ms. Each change
        # creates a new file under the same name (see ``write_manifest``), so the inode changes.
        # Paths are strings, because creating Path objects would take longer than the checks.
        status = os.stat(path)  # noqa: PTH116 - see above
        identity = (status.st_ino, status.st_mtime_ns, status.st_size)
        name = path.rpartition("/")[2]
        known = self._known.get(name)
        if known is not None and known[0] == identity:
            return known[1]
        manifest = BackupManifest.model_validate_json(Path(path).read_bytes())
        if name != check_name(manifest.name) + MANIFEST_SUFFIX:
            raise InvalidBackupName(f"{name} contains the manifest of {manifest.name}.")
        self._known[name] = (identity, manifest)
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
            log.warning("manifest_mismatched", file=path, size_bytes=size)
        # Without a complete local file, only an off-site copy may exist.
        return None if manifest.offsite is None else manifest.model_copy(update={"local": False})


def open_private(path: str, flags: int) -> int:
    """Open a file with mode 0600, because dumps contain personal data and password hashes."""
    return os.open(path, flags, 0o600)


def _latest(newest_first: list[BackupManifest]) -> BackupManifest:
    """Return the backup that ``latest`` stands for.

    Raises:
        BackupNotFound: There is none; says which backups exist and what to do.
    """
    if not newest_first:
        raise BackupNotFound("There are no backups yet. To create one, run: sysndd-admin backup")
    others = [one for one in newest_first if one.kind is not BackupKind.PRE_RESTORE]
    for one in others:
        if one.verification is Verification.VERIFIED:
            return one
    safety = [one for one in newest_first if one.kind is BackupKind.PRE_RESTORE]
    exist = [
        f"{len(found)} {label}, the newest is {found[0].name}"
        for found, label in ((others, "not verified"), (safety, "safety backup(s)"))
        if found
    ]
    step = f"sysndd-admin verify {others[0].name}" if others else "sysndd-admin backup"
    raise BackupNotFound(
        "`latest` is the newest verified backup that is not a safety backup, and there is none."
        f" There are: {'; '.join(exist)}. Run: {step}. Or give the name of a backup instead of"
        " `latest`."
    )


def _unmanaged_file(name: str, status: os.stat_result) -> UnmanagedFile:
    modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
    return UnmanagedFile(name=name, size_bytes=status.st_size, modified_at=modified_at)


def _size_of(path: str) -> int | None:
    """Return the size of a regular file in bytes, or None if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - see ``_parsed``
    except FileNotFoundError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None
