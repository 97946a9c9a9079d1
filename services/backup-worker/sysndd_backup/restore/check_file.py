"""Reads a backup to its end before anything is done with it, and plans how to load it."""

import asyncio
import hashlib
import re
from dataclasses import dataclass

from sysndd_backup.archive.compression import UNPACK_ERRORS
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
    """A backup that was read to its end.

    Attributes:
        plan: how it can be loaded in parallel; None where it must be loaded from top to bottom.
    """

    manifest: BackupManifest
    plan: LoadPlan | None


async def check_backup(
    tools: BackupTools, manifest: BackupManifest, progress: Progress | None = None
) -> CheckedBackup:
    """Make sure that a backup is what its manifest says and that this server can take it.

    A file that is only off-site is downloaded, which ``progress`` shows.

    Raises:
        EncryptionKeyMissing, EncryptionKeyWrong: it can't be read here.
        BackupDamaged: hash, decoding or the last line are wrong.
        RestoreFailed: vendor, version or a collation does not fit this server.
    """
    await tools.reader.ensure_readable(manifest, progress)
    _check_server(tools, manifest)
    planner = await asyncio.to_thread(_read, tools, manifest)
    if not planner.last_line.startswith(TRAILER):
        raise BackupDamaged('The dump is cut off: its last line is not "-- Dump completed".')
    await _check_collations(tools, planner.collations)
    plan = planner.plan()
    if plan is None:
        log.warning("serial_load_fallback", backup=manifest.name, reason=planner.refusal)
    return CheckedBackup(manifest, plan)


def _check_server(tools: BackupTools, manifest: BackupManifest) -> None:
    if manifest.server_vendor != tools.server.vendor:
        raise RestoreFailed(
            f"The backup comes from {manifest.server_vendor}, this server is"
            f" {tools.server.vendor}. Nothing was changed."
        )
    then, now = _series(manifest.server_version), _series(tools.server.version)
    if then > now:
        raise RestoreFailed(
            f"The backup comes from {manifest.server_vendor} {manifest.server_version}, this server"
            f" is the older {tools.server.version}. Nothing was changed."
        )


def _series(version: str) -> tuple[int, ...]:
    """Return the numbers of a release series; within one, dumps go both ways."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else ()


def _read(tools: BackupTools, manifest: BackupManifest) -> Planner:
    plain, planner = hashlib.sha256(), Planner()
    scan = DumpScan(planner)
    tools.reader.check_hash(manifest)
    try:
        with tools.reader.open(manifest) as reader:
            while chunk := reader.read(_CHUNK):
                plain.update(chunk)
                scan.feed(chunk)
    except UNPACK_ERRORS as error:
        raise BackupDamaged(f"The file can't be read to its end: {error}") from error
    if plain.hexdigest() != manifest.uncompressed_sha256:
        raise BackupDamaged("The unpacked dump's SHA-256 is not the one of its manifest.")
    scan.finish()
    return planner


async def _check_collations(tools: BackupTools, named: set[str]) -> None:
    rows = await tools.database.fetch_all(
        "SELECT DISTINCT collation_name AS name FROM information_schema.collations"
    )
    # MariaDB lists some without their character set: uca1400_ai_ci of utf8mb4_uca1400_ai_ci.
    known = {str(row["name"]).lower() for row in rows}
    for name in sorted(named):
        short = name.lower().partition("_")[2]
        if not {name.lower(), short} & known:
            raise RestoreFailed(
                f"This server lacks the collation {name}, which the backup uses. Nothing was"
                " changed."
            )
