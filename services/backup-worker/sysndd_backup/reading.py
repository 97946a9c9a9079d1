"""What must be true before a backup is read: it is here, and a key fits."""

import asyncio

from sysndd_backup.backup import BackupTools
from sysndd_core.stores.backups import BackupManifest


async def make_readable(tools: BackupTools, manifest: BackupManifest) -> None:
    """Make sure that a backup's file can be read, before anything depends on it.

    Raises:
        EncryptionKeyMissing, EncryptionKeyWrong: it is encrypted, and no identity fits.
        BackupDamaged: its beginning is not what its name says.
    """
    await asyncio.to_thread(tools.keys.check_file, tools.store.path(manifest.name))
