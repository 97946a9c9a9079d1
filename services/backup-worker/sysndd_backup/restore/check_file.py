"""Checks the whole file of a backup before it is used, and plans how to load it."""

import asyncio
import hashlib
import re
from dataclasses import dataclass

from sysndd_backup.archive.compression import DECOMPRESSION_ERRORS
from sysndd_backup.context import BackupTools
from sysndd_backup.dump.scanner import TRAILER, DumpScan
from sysndd_backup.load.plan import LoadPlan, Planner
from sysndd_backup.progress import Progress
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.errors import BackupDamaged, RestoreFailed
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_CHUNK = 1 << 20


@dataclass(frozen=True)
class CheckedBackup:
    """A backup whose file was checked.

    Attributes:
        plan: Plan of a parallel load; None to load the backup serially.
    """

    manifest: BackupManifest
    plan: LoadPlan | None


async def check_backup(
    tools: BackupTools, manifest: BackupManifest, progress: Progress | None = None
) -> CheckedBackup:
    """Check that a backup matches its manifest and is compatible with this server.

    Args:
        tools: Server, keys and store.
        manifest: Manifest of the backup; a backup without a local file is downloaded.
        progress: Reports the progress of the download; None outside jobs.

    Raises:
        EncryptionKeyMissing, EncryptionKeyWrong: No identity can decrypt the backup.
        BackupDamaged: The file is truncated or damaged, or does not match its manifest.
        RestoreFailed: Vendor, version or a collation is not compatible with this server.
    """
    await tools.reader.ensure_readable(manifest, progress)
    _check_server(tools, manifest)
    planner = await asyncio.to_thread(_scan, tools, manifest)
    if not planner.last_line.startswith(TRAILER):
        raise BackupDamaged(
            f'The backup {manifest.name} is truncated: its last line is not "-- Dump completed".'
        )
    await _check_collations(tools, planner.collations)
    plan = planner.plan()
    if plan is None:
        log.warning("serial_load_fallback", backup=manifest.name, reason=planner.obstacle)
    return CheckedBackup(manifest, plan)


def _check_server(tools: BackupTools, manifest: BackupManifest) -> None:
    if manifest.server_vendor != tools.server.vendor:
        raise RestoreFailed(
            f"{manifest.name} cannot be restored, because it is from {manifest.server_vendor} and"
            f" this server is {tools.server.vendor}. Nothing was changed."
        )
    then, now = _series(manifest.server_version), _series(tools.server.version)
    if then > now:
        raise RestoreFailed(
            f"{manifest.name} cannot be restored, because it is from {manifest.server_vendor}"
            f" {manifest.server_version} and this server is the older version"
            f" {tools.server.version}. Nothing was changed. Upgrade the server first."
        )


def _series(version: str) -> tuple[int, ...]:
    """Return the release series of a version, within which dumps are compatible."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else ()


def _scan(tools: BackupTools, manifest: BackupManifest) -> Planner:
    plain, planner = hashlib.sha256(), Planner()
    scan = DumpScan(planner)
    tools.reader.check_hash(manifest)
    try:
        with tools.reader.open(manifest) as reader:
            while chunk := reader.read(_CHUNK):
                plain.update(chunk)
                scan.feed(chunk)
    except DECOMPRESSION_ERRORS as error:
        raise BackupDamaged(
            f"The backup file {manifest.name} is truncated or damaged: {error}"
        ) from error
    if plain.hexdigest() != manifest.uncompressed_sha256:
        raise BackupDamaged(
            f"The backup {manifest.name} is damaged: the SHA-256 of the decompressed dump differs"
            " from the manifest."
        )
    scan.finish()
    return planner


async def _check_collations(tools: BackupTools, named: set[str]) -> None:
    rows = await tools.database.fetch_all(
        "SELECT DISTINCT collation_name AS name FROM information_schema.collations"
    )
    # MariaDB lists some collations without their character set, such as uca1400_ai_ci.
    known = {str(row["name"]).lower() for row in rows}
    for name in sorted(named):
        short = name.lower().partition("_")[2]
        if not {name.lower(), short} & known:
            raise RestoreFailed(
                f"The backup cannot be restored, because this server does not support its collation"
                f" {name}. Nothing was changed."
            )
