"""What must be true before a backup is read: a key fits, and the file is here."""

import asyncio
import hashlib

from sysndd_backup.archive.encryption import HEADER_BYTES
from sysndd_backup.dump.create_backup import BackupTools
from sysndd_backup.progress import Progress
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.errors import BackupDamaged, CopyFailed, EncryptionKeyWrong


async def make_readable(
    tools: BackupTools, manifest: BackupManifest, progress: Progress | None, *, percent: int = 0
) -> None:
    """Make sure that a backup's file can be read, before anything depends on it.

    Args:
        tools: keys and places.
        manifest: of the backup.
        progress: shown to the operator while a copy is fetched; None for nobody.
        percent: of the job, while that goes on.

    Raises:
        EncryptionKeyMissing, EncryptionKeyWrong: it is encrypted, and no identity fits.
        BackupDamaged: its beginning is not what its name says, or its copy's hash is wrong.
        CopyFailed: it is only in the second place, and that can't be read.
        InsufficientStorage: there is no room to fetch it.
    """
    if not manifest.local and tools.second is None:
        raise CopyFailed(
            f"{manifest.name} is only in S3-compatible storage, and BACKUP_S3_BUCKET is not set here."
        )
    if manifest.encrypted:
        await asyncio.to_thread(_check_key, tools, manifest)
    if not manifest.local and tools.second is not None:
        await tools.second.bring_home(manifest, progress, percent=percent)


def _check_key(tools: BackupTools, manifest: BackupManifest) -> None:
    """Make sure that a key fits.

    A damaged header looks to age like one for somebody else: it names no recipient that could be
    compared. The manifest knows whom the file was encrypted to, and what its hash was.
    """
    try:
        tools.keys.check_header(_header(tools, manifest), manifest.name)
    except EncryptionKeyWrong as error:
        if tools.keys.are_of(manifest.recipients):
            raise BackupDamaged(
                f"{manifest.name}: its header is damaged: it was encrypted to a key that is here, and"
                " that does not open it."
            ) from error
        if manifest.local:
            check_hash(tools, manifest)
        raise


def check_hash(tools: BackupTools, manifest: BackupManifest) -> None:
    """Make sure that a file is the one that its manifest describes; blocks on the disk.

    Raises:
        BackupDamaged: it is not, or can't be read.
    """
    try:
        with tools.store.path(manifest.name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BackupDamaged(f"The file can't be read: {error}") from error
    if found != manifest.sha256:
        raise BackupDamaged("The file's SHA-256 is not the one of its manifest.")


def _header(tools: BackupTools, manifest: BackupManifest) -> bytes:
    if manifest.local:
        with tools.store.path(manifest.name).open("rb") as file:
            return file.read(HEADER_BYTES)
    assert tools.second is not None
    return b"".join(tools.second.copies.read(manifest.name, last=HEADER_BYTES))
