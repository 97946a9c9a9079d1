"""What must be true before a backup is read: a key fits, and the file is here."""

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
        store: the directory.
        keys: to decrypt with.
        offsite: where files may be that are not in the directory; None without off-site storage.
    """

    store: BackupDirectory
    keys: Keys
    offsite: OffsiteStorage | None

    async def ensure_readable(
        self, manifest: BackupManifest, progress: Progress | None, *, percent: int = 0
    ) -> None:
        """Make sure that a backup's file can be read, before anything depends on it.

        Args:
            manifest: of the backup.
            progress: shown to the operator during a download; None outside of jobs.
            percent: of the job, during a download.

        Raises:
            EncryptionKeyMissing, EncryptionKeyWrong: it is encrypted, and no identity fits.
            BackupDamaged: it does not begin as its name says, or the downloaded copy's hash is
                wrong.
            OffsiteStorageUnavailable: the only copy is off-site, and can't be read.
            InsufficientStorage: there is no space to download it.
        """
        if not manifest.local and self.offsite is None:
            raise OffsiteStorageUnavailable(
                f"{manifest.name} is only in S3-compatible storage, and BACKUP_S3_BUCKET is not set"
                " here."
            )
        if manifest.encrypted:
            await asyncio.to_thread(self._check_key, manifest)
        if not manifest.local and self.offsite is not None:
            await self.offsite.download(manifest, progress, percent=percent)

    def check_hash(self, manifest: BackupManifest) -> None:
        """Make sure that a file is the one that its manifest describes; blocks on the disk.

        Raises:
            BackupDamaged: it is not, or can't be read.
        """
        try:
            with self.store.path(manifest.name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise BackupDamaged(f"The file can't be read: {error}") from error
        if found != manifest.sha256:
            raise BackupDamaged("The file's SHA-256 is not the one of its manifest.")

    def open(self, manifest: BackupManifest) -> IO[bytes]:
        """Return a stream of the decrypted and decompressed dump.

        Reading raises ``UNPACK_ERRORS`` where the file is cut off or damaged.
        """
        return open_reader(self.store.path(manifest.name), self.keys)

    def _check_key(self, manifest: BackupManifest) -> None:
        """Make sure that a key fits.

        To age, a damaged header looks like one for another recipient: it names none that could be
        compared. The manifest knows whom the file was encrypted to, and its hash.
        """
        try:
            self.keys.check_header(self._header(manifest), manifest.name)
        except EncryptionKeyWrong as error:
            if self.keys.are_of(manifest.recipients):
                raise BackupDamaged(
                    f"{manifest.name}: its header is damaged: it was encrypted to a key that is"
                    " here, and that does not open it."
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
