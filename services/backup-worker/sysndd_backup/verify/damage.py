"""Decides whether a failed verification shows that the backup itself is damaged.

A backup is damaged if its hash differs, or if the server series that made it rejects the dump.
Everything else says nothing about the file: another series words definitions differently, a disk
is full, a connection is lost. Only damaged backups lose the protection of the retention policy.
"""

import gzip
import re

from sysndd_backup.context import BackupTools
from sysndd_backup.server.server import identify
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.errors import BackupDamaged, RestoreFailed, SysnddError, VerificationFailed

# Messages of the client programs and of the driver: "ERROR 1064 (42000) …", "(1064, …".
_CODE = re.compile(r"(?:ERROR |\()(\d{1,5})\b")
_SERIES = re.compile(r"(\d+)\.(\d+)")
_FIRST_CLIENT_CODE, _LAST_CLIENT_CODE = 2000, 2999
_ENVIRONMENT = frozenset(
    # Files, disk, memory, threads, connections and shutdown.
    {1004, 1005, 1006, 1021, 1023, 1024, 1025, 1026, 1030, 1036, 1037, 1038, 1040, 1041, 1042}
    | {1043, 1053, 1077, 1078, 1079, 1080, 1105, 1114, 1129, 1130, 1135, 1152, 1153, 1154, 1155}
    | {1156, 1157, 1158, 1159, 1160, 1161, 1180, 1184, 1189, 1190, 1203, 1226, 1317, 1836, 1927}
    | {1969, 3024, 4031}
    # Locks.
    | {1205, 1206, 1213, 3572}
    # Accounts, privileges, plugins and configuration.
    | {1044, 1045, 1142, 1143, 1227, 1286, 1290, 1370, 1410, 1418, 1419, 1449, 1524, 1698, 1792}
)


async def shows_damage(
    tools: BackupTools, manifest: BackupManifest, error: VerificationFailed | BackupDamaged
) -> bool:
    """Return whether an error of a verification shows that the backup is damaged.

    Args:
        tools: The server, whose series is read again: it may have been upgraded since the start.
        manifest: Manifest of the backup, from before the verification.
        error: The error.
    """
    cause = error.__cause__
    if isinstance(error, BackupDamaged):
        read_error = isinstance(cause, OSError) and not isinstance(cause, gzip.BadGzipFile)
        # The off-site copy of a file with another hash is not known to be damaged.
        return not read_error and not (manifest.local and manifest.offsite is not None)
    if not isinstance(cause, RestoreFailed) or not _is_rejection(cause.detail):
        return False
    try:
        server = await identify(tools.database)
    except SysnddError:
        return False
    return series_of(manifest.server_vendor, manifest.server_version) == series_of(
        server.vendor, server.version
    )


def series_of(vendor: str, version: str) -> tuple[str, str]:
    """Return the series of a server: vendor, and the first two numbers of its version."""
    match = _SERIES.search(version)
    return vendor.casefold(), match[0] if match else version


def _is_rejection(detail: str) -> bool:
    """Return whether the server rejected a statement of the dump for what it contains."""
    match = _CODE.search(detail)
    if match is None:
        return False
    code = int(match[1])
    return code not in _ENVIRONMENT and not _FIRST_CLIENT_CODE <= code <= _LAST_CLIENT_CODE
