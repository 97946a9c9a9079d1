"""Synchronises off-site storage with the backup directory, and downloads off-site copies.

A failure of the storage never fails a backup: the local file remains, the manifest records the
error, and the copy is retried every five minutes.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from sysndd_backup.progress import Progress, ProgressReporter, run_with_progress
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.backups.s3 import S3Copies
from sysndd_core.errors import (
    BackupNotFound,
    InsufficientStorage,
    OffsiteStorageUnavailable,
    SysnddError,
)
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_SYNC_SECONDS = 300


class OffsiteStorage:
    """Off-site storage with a copy of every backup.

    Args:
        store: The backup directory.
        copies: The copies in the bucket.
    """

    def __init__(self, store: BackupDirectory, copies: S3Copies) -> None:
        self.copies = copies
        self._store = store

    async def copy(
        self, name: str, progress: Progress | None = None, *, percent: int = 0
    ) -> BackupManifest:
        """Copy a local backup to off-site storage.

        Does nothing if another process is copying the same backup.

        Args:
            name: Name of the backup.
            progress: Reports the progress of the job; None outside jobs.
            percent: Percent of the job during the copy.

        Returns:
            The manifest, which records the copy, or the error if the storage failed.

        Raises:
            BackupNotFound: The backup was deleted during the copy.
        """
        manifest = await asyncio.to_thread(self._store.manifest, name)
        path = self._store.path(name)
        try:
            with _exclusive(path) as locked:
                if not locked:
                    return manifest
                offsite = await run_with_progress(
                    lambda report: self.copies.put(manifest, path, report),
                    ProgressReporter(progress, "copying", (percent, percent), manifest.size_bytes),
                )
            changes = {"offsite": offsite, "offsite_error": None}
            manifest = await asyncio.to_thread(self._store.amend, name, changes)
            await asyncio.to_thread(self.copies.put_manifest, manifest)
        except (OffsiteStorageUnavailable, OSError) as error:
            detail = error.detail if isinstance(error, OffsiteStorageUnavailable) else str(error)
            log.error("offsite_copy_failed", name=name, reason=detail)
            failed = {"offsite": None, "offsite_error": detail}
            return await asyncio.to_thread(self._store.amend, name, failed)
        return manifest

    async def upload_manifest(self, name: str) -> None:
        """Write the current manifest of a copy, for example after a verification.

        A failure is only logged: the next synchronisation repeats it.
        """
        with contextlib.suppress(BackupNotFound):
            manifest = await asyncio.to_thread(self._store.manifest, name)
            if manifest.offsite is not None:
                try:
                    await asyncio.to_thread(self.copies.put_manifest, manifest)
                except OffsiteStorageUnavailable as error:
                    log.warning("offsite_manifest_write_failed", name=name, reason=error.detail)

    async def download(
        self, manifest: BackupManifest, progress: Progress | None = None, *, percent: int = 0
    ) -> None:
        """Download an off-site copy to the backup directory, and check its hash.

        Args:
            manifest: Manifest of a backup without a local file.
            progress: Reports the progress of the job; None outside jobs.
            percent: Percent of the job during the download.

        Raises:
            OffsiteStorageUnavailable: The storage rejected the request or does not respond.
            BackupDamaged: The copy does not match its manifest.
            InsufficientStorage: There is not enough free space.
        """
        free = self._store.free_bytes()
        if free < manifest.size_bytes:
            raise InsufficientStorage(
                f"The off-site copy of {manifest.name} has {manifest.size_bytes:,} bytes, but the"
                f" backup directory has only {free:,} bytes free. Free some space, then try again.",
                needed_bytes=manifest.size_bytes,
                free_bytes=free,
            )
        with self._store.partial_file(manifest.name) as (partial, file):
            await run_with_progress(
                lambda report: self.copies.fetch(manifest, file, report),
                ProgressReporter(progress, "downloading", (percent, percent), manifest.size_bytes),
            )
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
            partial.rename(self._store.path(manifest.name))
        await asyncio.to_thread(self._store.sync)
        log.info("offsite_copy_downloaded", name=manifest.name)

    async def run_forever(self) -> None:
        """Synchronise both locations, now and every five minutes."""
        while True:
            try:
                await self.synchronize()
            except SysnddError as error:
                log.warning("offsite_sync_failed", code=error.code, reason=error.detail)
            except OSError as error:
                log.warning("offsite_sync_failed", reason=str(error))
            await asyncio.sleep(_SYNC_SECONDS)

    async def synchronize(self) -> None:
        """Synchronise both locations.

        Adds off-site copies to the list of backups, removes backups from it whose only copy was
        deleted off-site, and copies local backups.

        Raises:
            OffsiteStorageUnavailable: The storage does not respond; nothing was changed.
        """
        listed = {one.name: one for one in await asyncio.to_thread(self._store.manifests)}
        copied = {one.name: one for one in await asyncio.to_thread(self.copies.manifests)}
        await asyncio.to_thread(self._store.add_missing, copied.values())
        for name, manifest in listed.items():
            with contextlib.suppress(BackupNotFound):
                await self._synchronize(name, manifest, copied.get(name))

    async def _synchronize(
        self, name: str, listed: BackupManifest, copied: BackupManifest | None
    ) -> None:
        if copied is None and not listed.local:
            log.warning("offsite_copy_missing", name=name)
            await asyncio.to_thread(self._store.remove, name)
        elif copied is None:
            await self.copy(name)
        elif listed.to_json() != copied.to_json():
            if listed.offsite is None:
                # A worker was killed after the copy, before it could record it.
                await asyncio.to_thread(self._store.amend, name, {"offsite": copied.offsite})
            await self.upload_manifest(name)


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[bool]:
    """Lock a file; yield False if another process holds the lock (flock(2)).

    The kernel releases the lock when the process ends, so the holder knows that an incomplete
    upload of the file in the storage belongs to a stopped worker.
    """
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
