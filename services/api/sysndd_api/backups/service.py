"""Creates, uploads, verifies, pins and deletes backups, for the API, the pages and the CLI."""

import asyncio
import contextlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from sysndd_api.audit.service import Audit
from sysndd_api.backups.models import BackupQuery
from sysndd_api.backups.store import BackupStore
from sysndd_api.backups.uploads import discard, receive
from sysndd_api.jobs.service import JobRequests
from sysndd_api.security.access import Actor
from sysndd_api.web.downloads import Download
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest, UnmanagedFile
from sysndd_core.backups.s3 import S3Copies, locked
from sysndd_core.db.database import Database
from sysndd_core.errors import (
    BackupNotFound,
    ConfirmationRequired,
    InsufficientStorage,
    OffsiteStorageUnavailable,
)
from sysndd_core.jobs.models import (
    BackupKind,
    CreateBackup,
    ImportBackup,
    VerifyBackup,
)
from sysndd_core.jobs.rows import JobRows
from sysndd_core.sql.table_patterns import TablePatterns

DELETE_WORD = "DELETE"


class Backups:
    """Reads backups from their manifests and submits the jobs that create and verify them."""

    def __init__(
        self,
        *,
        database: Database,
        store: BackupStore,
        directory: BackupDirectory,
        exclude_rows: TablePatterns,
        rows: JobRows,
        requests: JobRequests,
        audit: Audit,
        copies: S3Copies | None,
        upload_limit: int,
    ) -> None:
        self._upload_limit = upload_limit
        self._copies = copies
        self._database = database
        self._store = store
        self._directory = directory
        self._exclude_rows = exclude_rows
        self._rows = rows
        self._requests = requests
        self._audit = audit

    async def list_all(self) -> list[BackupManifest]:
        """Return the manifest of every complete backup, newest first."""
        return await asyncio.to_thread(self._directory.manifests)

    async def search(
        self, query: BackupQuery, manifests: list[BackupManifest] | None = None
    ) -> list[BackupManifest]:
        """Return the manifests that match a query, in its order.

        Args:
            query: The filters and the order.
            manifests: All manifests, if the caller has already read them.
        """
        manifests = await self.list_all() if manifests is None else manifests
        found = [one for one in manifests if _matches(one, query)]
        field = query.sort.removeprefix("-")
        # The sort is stable: equal values stay newest first.
        found.sort(key=lambda one: getattr(one, field), reverse=query.sort.startswith("-"))
        return found

    async def get(self, name: str) -> BackupManifest:
        """Return the manifest of a backup.

        Raises:
            InvalidBackupName: The name cannot be that of a backup.
            BackupNotFound: No backup has this name.
        """
        return await asyncio.to_thread(self._directory.manifest, name)

    async def find(self, name: str) -> BackupManifest:
        """Return the manifest of a backup, also if only its off-site copy exists and is not listed.

        For the command line: on a new machine, no worker has compared both locations yet.

        Raises:
            InvalidBackupName: The name cannot be that of a backup.
            BackupNotFound: No backup has this name.
            OffsiteStorageUnavailable: The off-site storage does not respond.
        """
        try:
            return await self.get(name)
        except BackupNotFound:
            if self._copies is None:
                raise
        copied = await asyncio.to_thread(self._copies.manifests)
        await asyncio.to_thread(self._directory.add_missing, copied)
        return await self.get(name)

    async def download_backup(self, actor: Actor, name: str) -> Download:
        """Return the bytes of a backup and record the download in the audit log.

        Raises:
            InvalidBackupName: The name cannot be that of a backup.
            BackupNotFound: No backup has this name.
            OffsiteStorageUnavailable: Only the off-site copy exists, and off-site storage is not
                configured for the API.
        """
        manifest = await self.get(name)
        if not manifest.local and self._copies is None:
            raise _offsite_storage_missing(manifest)
        detail = {"sha256": manifest.sha256}
        async with self._database.transaction() as tx:
            await self._audit.write(
                tx, actor, "download_backup", object_name=manifest.name, detail=detail
            )
        return Download(manifest, self._directory.path(manifest.name), self._copies)

    async def create_backup(self, actor: Actor) -> str:
        """Submit a manual backup.

        Returns:
            The ID of the job.

        Raises:
            OperationInProgress: A job that must not overlap is queued or running.
            InsufficientStorage: The backup directory has less free space than the data needs.
        """
        await self.check_free_space(BackupKind.MANUAL)
        async with self._database.transaction() as tx:
            job = CreateBackup(kind=BackupKind.MANUAL)
            return await self._requests.submit(tx, actor, job)

    async def upload_backup(
        self, actor: Actor, filename: str, chunks: AsyncIterator[bytes], content_length: int
    ) -> str:
        """Store an uploaded dump and submit the job that imports it.

        Args:
            actor: The account that uploads it.
            filename: Name of the file on the client.
            chunks: The bytes of the file.
            content_length: Announced size in bytes, 0 if unknown.

        Returns:
            The ID of the job.

        Raises:
            InvalidBackupName: The extension is not .sql, .sql.gz or .sql.zst.
            BodyTooLarge: The file exceeds BACKUP_UPLOAD_MAX_BYTES; nothing is stored.
            InsufficientStorage: The file does not fit into the backup directory; nothing is stored.
        """
        free = await asyncio.to_thread(self._directory.free_bytes)
        if content_length > free:
            raise InsufficientStorage(
                f"The file has {content_length:,} bytes, but the backup directory has only"
                f" {free:,} bytes of free space.",
                needed_bytes=content_length,
                free_bytes=free,
            )
        received = await receive(self._directory, filename, chunks, self._upload_limit)
        try:
            async with self._database.transaction() as tx:
                job = ImportBackup(name=received.name, uploaded=True)
                detail = {
                    "sha256": received.sha256,
                    "filename": filename[:200],
                    "size_bytes": received.size_bytes,
                }
                return await self._requests.submit(
                    tx, actor, job, action="upload_backup", object_name=received.name, detail=detail
                )
        except BaseException:
            discard(self._directory, received)
            raise

    async def unmanaged_files(
        self, manifests: list[BackupManifest] | None = None
    ) -> list[UnmanagedFile]:
        """Return the unmanaged files: dumps in the backup directory without a manifest.

        Args:
            manifests: All manifests, if the caller has already read them.
        """
        return await asyncio.to_thread(self._directory.unmanaged_files, manifests)

    async def verify_backup(self, actor: Actor, name: str) -> str:
        """Submit the verification of a backup, or the import of an unmanaged file.

        Returns:
            The ID of the job.

        Raises:
            InvalidBackupName: The name cannot be that of a backup.
            BackupNotFound: No backup and no unmanaged file has this name.
            OperationInProgress: A job that must not overlap is queued or running.
        """
        job: VerifyBackup | ImportBackup
        detail: dict[str, Any] = {}
        try:
            manifest = await self.get(name)
            name, detail["sha256"] = manifest.name, manifest.sha256
            job = VerifyBackup(name=name)
        except BackupNotFound:
            if name not in {one.name for one in await self.unmanaged_files()}:
                raise
            job = ImportBackup(name=name)
        async with self._database.transaction() as tx:
            return await self._requests.submit(
                tx, actor, job, action="verify_backup", object_name=name, detail=detail
            )

    async def pin(self, actor: Actor, name: str, *, pinned: bool) -> BackupManifest:
        """Pin a backup, which excludes it from the retention policy, or unpin it.

        Returns:
            The changed manifest.

        Raises:
            InvalidBackupName: The name cannot be that of a backup.
            BackupNotFound: No backup has this name.
        """
        manifest = await self.get(name)
        name = manifest.name
        action = "pin_backup" if pinned else "unpin_backup"
        async with self._database.transaction() as tx:
            await self._audit.write(
                tx, actor, action, object_name=name, detail={"sha256": manifest.sha256}
            )
            return await asyncio.to_thread(self._directory.amend, name, {"pinned": pinned})

    async def delete_backup(self, actor: Actor, name: str, confirm: Any) -> None:
        """Delete a backup permanently, with its off-site copy.

        Args:
            actor: The account that requests it.
            name: Name of a backup.
            confirm: The confirmation as received; must be ``DELETE``.

        Raises:
            ConfirmationRequired: ``confirm`` is not exactly ``DELETE``.
            InvalidBackupName: The name cannot be that of a backup.
            BackupNotFound: No backup has this name.
            LastVerifiedBackup: It is the only verified backup.
            BackupLocked: S3 Object Lock protects its off-site copy; nothing was deleted.
            OffsiteStorageUnavailable: Its off-site copy could not be deleted; nothing was deleted.
            OperationInProgress: A queued or running backup job may be reading it.
        """
        check_confirmation(confirm, DELETE_WORD)
        manifest = await self.get(name)
        name = manifest.name
        async with self._database.transaction() as tx:
            await self._rows.check_free(tx, VerifyBackup.active_key)
            await self._audit.write(
                tx, actor, "delete_backup", object_name=name, detail={"sha256": manifest.sha256}
            )
            await asyncio.to_thread(
                self._directory.remove_unless_last_verified,
                name,
                lambda: self._remove_copy(manifest),
            )

    async def check_free_space(self, kind: BackupKind) -> None:
        """Check that the backup directory has enough free space for a backup of the live data.

        Args:
            kind: Kind of the backup. Only a safety backup contains the excluded rows.

        Raises:
            InsufficientStorage: It has not.
        """
        excluded = TablePatterns() if kind is BackupKind.PRE_RESTORE else self._exclude_rows
        needed = await self._store.data_bytes(excluded)
        # The worker creates the directory. Until then only the worker can check its free space.
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._directory.check_free_space, needed)

    def _remove_copy(self, manifest: BackupManifest) -> None:
        if manifest.offsite is None:
            return
        until = manifest.offsite.locked_until
        if until is not None and until > datetime.now(UTC):
            raise locked(manifest.name, manifest.offsite.bucket, until)
        if self._copies is None:
            raise _offsite_storage_missing(manifest)
        self._copies.remove(manifest.name)


def _matches(one: BackupManifest, query: BackupQuery) -> bool:
    verification = "none" if one.verification is None else one.verification.value
    return (
        (query.search is None or query.search.casefold() in one.name.casefold())
        and query.kind in (None, one.kind)
        and query.verification in (None, verification)
        and query.pinned in (None, one.pinned)
    )


def _offsite_storage_missing(manifest: BackupManifest) -> OffsiteStorageUnavailable:
    bucket = manifest.offsite.bucket if manifest.offsite else "that is no longer configured"
    return OffsiteStorageUnavailable(
        f"{manifest.name} is in the bucket {bucket}. Set BACKUP_S3_* for this service too."
    )


def check_confirmation(confirm: Any, word: str, *, field: str = "confirm") -> None:
    """Check that a confirmation is exactly the required word.

    Args:
        confirm: The confirmation as received, of any type.
        word: The required word.
        field: Name of the field, for the error.

    Raises:
        ConfirmationRequired: It is anything else.
    """
    if not isinstance(confirm, str) or not hmac.compare_digest(confirm.encode(), word.encode()):
        raise ConfirmationRequired(f'Type {word} exactly in the field "{field}".')
