"""Keeps the off-site storage in step with the directory, and downloads what is only there.

Its failure never fails a backup: the local file stays, the manifest says what went wrong, and the
copy is tried again every few minutes.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from sysndd_backup.archive.directory import partial_file
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
    """The bucket that holds a copy of every backup.

    Args:
        store: the directory.
        copies: the bucket.
    """

    def __init__(self, store: BackupDirectory, copies: S3Copies) -> None:
        self.copies = copies
        self._store = store

    async def copy(
        self, name: str, progress: Progress | None = None, *, percent: int = 0
    ) -> BackupManifest:
        """Copy a local backup; return its manifest, with the result of the copy.

        Never raises for a failure of the storage. A backup that another process is copying right
        now is skipped.

        Args:
            name: of a listed backup.
            progress: shown to the operator; None outside of jobs.
            percent: of the job, during the copy.

        Raises:
            BackupNotFound: it was deleted meanwhile.
        """
        manifest = await asyncio.to_thread(self._store.manifest, name)
        path = self._store.path(name)
        try:
            with _exclusive(path) as ours:
                if not ours:
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
        """Write the manifest of a copy again, after a verification for instance. Never raises."""
        with contextlib.suppress(BackupNotFound):
            manifest = await asyncio.to_thread(self._store.manifest, name)
            if manifest.offsite is not None:
                try:
                    await asyncio.to_thread(self.copies.put_manifest, manifest)
                except OffsiteStorageUnavailable as error:
                    log.warning("offsite_manifest_not_written", name=name, reason=error.detail)

    async def download(
        self, manifest: BackupManifest, progress: Progress | None = None, *, percent: int = 0
    ) -> None:
        """Download a file that is only off-site, and check its hash.

        Raises:
            OffsiteStorageUnavailable, BackupDamaged, InsufficientStorage: nothing is left of it.
        """
        free = self._store.free_bytes()
        if free < manifest.size_bytes:
            raise InsufficientStorage(
                f"The copy has {manifest.size_bytes:,} bytes and the backup directory {free:,} free.",
                needed_bytes=manifest.size_bytes,
                free_bytes=free,
            )
        with partial_file(self._store, manifest.name) as (partial, file):
            await run_with_progress(
                lambda report: self.copies.fetch(manifest, file, report),
                ProgressReporter(progress, "fetching", (percent, percent), manifest.size_bytes),
            )
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
            partial.rename(self._store.path(manifest.name))
        await asyncio.to_thread(self._store.sync)
        log.info("offsite_copy_downloaded", name=manifest.name)

    async def run_forever(self) -> None:
        """Bring both locations in step, now and every five minutes."""
        while True:
            try:
                await self.synchronize()
            except SysnddError as error:
                log.warning("offsite_sync_failed", code=error.code, reason=error.detail)
            except OSError as error:
                log.warning("offsite_sync_failed", reason=str(error))
            await asyncio.sleep(_SYNC_SECONDS)

    async def synchronize(self) -> None:
        """List what is only off-site, forget what is gone there, and copy what is only here.

        Raises:
            OffsiteStorageUnavailable: the storage does not answer; nothing was changed.
        """
        here = {one.name: one for one in await asyncio.to_thread(self._store.manifests)}
        there = {one.name: one for one in await asyncio.to_thread(self.copies.manifests)}
        for name, manifest in there.items():
            if name not in here and manifest.offsite is not None:
                await asyncio.to_thread(self._store.write_manifest, manifest)
        for name, manifest in here.items():
            with contextlib.suppress(BackupNotFound):
                await self._synchronize(name, manifest, there.get(name))

    async def _synchronize(
        self, name: str, here: BackupManifest, there: BackupManifest | None
    ) -> None:
        if there is None and not here.local:
            log.warning("offsite_copy_missing", name=name)
            await asyncio.to_thread(self._store.remove, name)
        elif there is None:
            await self.copy(name)
        elif here.to_json() != there.to_json():
            if here.offsite is None:
                # Copied by a worker that was killed before it could note so.
                await asyncio.to_thread(self._store.amend, name, {"offsite": there.offsite})
            await self.upload_manifest(name)


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[bool]:
    """Hold a file's lock; yield False where another process does (flock(2)).

    The kernel releases it when a process dies. So the process that copies a file knows that an
    upload of it that is still open in the storage belongs to a dead worker.
    """
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
