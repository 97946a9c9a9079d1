"""Reads backup files: checks keys and hashes, downloads off-site copies, and opens the dump."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import IO

from sysndd_backup.archive.compression import open_reader
from sysndd_backup.archive.encryption import HEADER_BYTES, Keys
from sysndd_backup.archive.off_site import OffsiteStorage
from sysndd_backup.progress import Progress
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.errors import BackupDamaged, EncryptionKeyWrong, OffsiteStorageUnavailable


@dataclass(frozen=True)
class BackupReader:
    """Reads backup files.

    Attributes:
        store: The backup directory.
        keys: Keys to decrypt with.
        offsite: Off-site storage, or None if none is configured.
    """

    store: BackupDirectory
    keys: Keys
    offsite: OffsiteStorage | None

    async def ensure_readable(
        self, manifest: BackupManifest, progress: Progress | None, *, percent: int = 0
    ) -> None:
        """Check the key of a backup, and download its file if there is only an off-site copy.

        Args:
            manifest: Manifest of the backup.
            progress: Reports the progress of the job during a download; None outside jobs.
            percent: Percent of the job during a download.

        Raises:
            EncryptionKeyMissing, EncryptionKeyWrong: No identity can decrypt the backup.
            BackupDamaged: The header is damaged, or the download does not match the manifest.
            OffsiteStorageUnavailable: The only copy is off-site and cannot be read.
            InsufficientStorage: There is not enough free space for the download.
        """
        if not manifest.local and self.offsite is None:
            raise OffsiteStorageUnavailable(
                f"{manifest.name} cannot be read, because its only copy is off-site and"
                " BACKUP_S3_BUCKET is not set. Configure the bucket that contains the copy."
            )
        if manifest.encrypted:
            await asyncio.to_thread(self._check_key, manifest)
        if not manifest.local and self.offsite is not None:
            await self.offsite.download(manifest, progress, percent=percent)

    def check_hash(self, manifest: BackupManifest) -> None:
        """Check that the hash of a file matches its manifest; blocks on the disk.

        Raises:
            BackupDamaged: The hash differs, or the file cannot be read.
        """
        try:
            with self.store.path(manifest.name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BackupDamaged(
                f"The backup file {manifest.name} cannot be read: {error}"
            ) from error
        if found != manifest.sha256:
            raise BackupDamaged(
                f"The backup file {manifest.name} is damaged: its SHA-256 differs from the"
                " manifest."
            )

    def open(self, manifest: BackupManifest) -> IO[bytes]:
        """Return a stream of the decrypted and decompressed dump.

        Reading raises one of ``DECOMPRESSION_ERRORS`` if the file is truncated or damaged.
        """
        return open_reader(self.store.path(manifest.name), self.keys)

    def _check_key(self, manifest: BackupManifest) -> None:
        """Check that a key fits.

        To age, a damaged header looks like a header for other recipients. The recipients and the
        hash in the manifest distinguish the two.
        """
        try:
            self.keys.check_header(self._header(manifest), manifest.name)
        except EncryptionKeyWrong as error:
            if self.keys.match_any(manifest.recipients):
                raise BackupDamaged(
                    f"The header of {manifest.name} is damaged: BACKUP_ENCRYPTION_IDENTITY belongs"
                    " to one of its recipients, but does not decrypt it."
                ) from error
            if manifest.local:
                self.check_hash(manifest)
            raise

    def _header(self, manifest: BackupManifest) -> bytes:
        if manifest.local:
            with self.store.path(manifest.name).open("rb") as file:
                return file.read(HEADER_BYTES)
        assert self.offsite is not None
        return b"".join(self.offsite.copies.read(manifest.name, last=HEADER_BYTES))
