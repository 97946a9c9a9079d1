"""Keeps the second place of backups equal to the first, and brings back what is only there.

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
from sysndd_backup.pace import watched
from sysndd_backup.progress import Progress
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.backups.s3 import S3Copies
from sysndd_core.errors import (
    BackupNotFound,
    CopyFailed,
    InsufficientStorage,
    SysnddError,
)
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_LOOK_SECONDS = 300


class SecondPlace:
    """The bucket beside the directory.

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
        """Copy a local backup; return its manifest, which says what came of it.

        Never raises for what the storage does. What another process is copying right now is left
        to it.

        Args:
            name: of a listed backup.
            progress: shown to the operator; None for work beside the jobs.
            percent: of the job, while this goes on.

        Raises:
            BackupNotFound: it was deleted meanwhile.
        """
        manifest = await asyncio.to_thread(self._store.manifest, name)
        path = self._store.path(name)
        try:
            with _only_one(path) as ours:
                if not ours:
                    return manifest
                remote = await watched(
                    lambda told: self.copies.put(manifest, path, told),
                    progress, "copying", (percent, percent), manifest.size_bytes,
                )  # fmt: skip
            changes = {"remote": remote, "remote_error": None}
            manifest = await asyncio.to_thread(self._store.amend, name, changes)
            await asyncio.to_thread(self.copies.put_manifest, manifest)
        except (CopyFailed, OSError) as error:
            detail = error.detail if isinstance(error, CopyFailed) else str(error)
            log.error("second_copy_failed", name=name, reason=detail)
            failed = {"remote": None, "remote_error": detail}
            return await asyncio.to_thread(self._store.amend, name, failed)
        return manifest

    async def bring_manifest(self, name: str) -> None:
        """Write the manifest of a copy again: its proof, say, has changed. Never raises."""
        with contextlib.suppress(BackupNotFound):
            manifest = await asyncio.to_thread(self._store.manifest, name)
            if manifest.remote is not None:
                try:
                    await asyncio.to_thread(self.copies.put_manifest, manifest)
                except CopyFailed as error:
                    log.warning("manifest_not_copied", name=name, reason=error.detail)

    async def bring_home(
        self, manifest: BackupManifest, progress: Progress | None = None, *, percent: int = 0
    ) -> None:
        """Fetch a file that is only in the second place, and check its hash.

        Raises:
            CopyFailed, BackupDamaged, InsufficientStorage: nothing is left of it.
        """
        free = self._store.free_bytes()
        if free < manifest.size_bytes:
            raise InsufficientStorage(
                f"The copy has {manifest.size_bytes:,} bytes and the backup directory {free:,} free.",
                needed_bytes=manifest.size_bytes,
                free_bytes=free,
            )
        with partial_file(self._store, manifest.name) as (partial, file):
            await watched(
                lambda told: self.copies.fetch(manifest, file, told),
                progress, "fetching", (percent, percent), manifest.size_bytes,
            )  # fmt: skip
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
            partial.rename(self._store.path(manifest.name))
        await asyncio.to_thread(self._store.sync)
        log.info("copy_fetched", name=manifest.name)

    async def keep(self) -> None:
        """Compare the two places now and every five minutes, for ever."""
        while True:
            try:
                await self.compare()
            except SysnddError as error:
                log.warning("second_place_not_compared", code=error.code, reason=error.detail)
            except OSError as error:
                log.warning("second_place_not_compared", reason=str(error))
            await asyncio.sleep(_LOOK_SECONDS)

    async def compare(self) -> None:
        """List what is only there, forget what is gone there, and copy what is only here.

        Raises:
            CopyFailed: the storage does not answer; nothing was changed.
        """
        here = {one.name: one for one in await asyncio.to_thread(self._store.manifests)}
        there = {one.name: one for one in await asyncio.to_thread(self.copies.manifests)}
        for name, manifest in there.items():
            if name not in here and manifest.remote is not None:
                await asyncio.to_thread(self._store.write_manifest, manifest)
        for name, manifest in here.items():
            with contextlib.suppress(BackupNotFound):
                await self._settle(name, manifest, there.get(name))

    async def _settle(self, name: str, here: BackupManifest, there: BackupManifest | None) -> None:
        if there is None and not here.local:
            log.warning("copy_gone", name=name)
            await asyncio.to_thread(self._store.remove, name)
        elif there is None:
            await self.copy(name)
        elif here.to_json() != there.to_json():
            if here.remote is None:
                # Copied by a worker that was killed before it could note so.
                await asyncio.to_thread(self._store.amend, name, {"remote": there.remote})
            await self.bring_manifest(name)


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[bool]:
    """Hold a file's lock; yield False where another process does (flock(2)).

    The kernel frees it when a process dies. So whoever copies a file knows that an upload of it
    that is still open in the storage is a dead worker's.
    """
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
