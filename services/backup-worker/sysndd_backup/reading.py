"""What must be true before a backup is read: a key fits, and the file is here."""

import asyncio

from sysndd_backup.backup import BackupTools
from sysndd_backup.encryption import HEADER_BYTES
from sysndd_backup.job_runs import Progress
from sysndd_core.errors import CopyFailed
from sysndd_core.stores.backups import BackupManifest


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
    if manifest.local:
        await asyncio.to_thread(tools.keys.check_file, tools.store.path(manifest.name))
        return
    if tools.second is None:
        raise CopyFailed(
            f"{manifest.name} is only in S3-compatible storage, and BACKUP_S3_BUCKET is not set here."
        )
    if manifest.encrypted:
        header = await asyncio.to_thread(
            lambda copies: b"".join(copies.read(manifest.name, last=HEADER_BYTES)),
            tools.second.copies,
        )
        tools.keys.check_header(header, manifest.name)
    await tools.second.bring_home(manifest, progress, percent=percent)
