"""Manifests of backups that no test made."""

from datetime import datetime
from typing import Any

from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.jobs.models import BackupKind
from sysndd_core.settings.backup import BackupCompression


def make_manifest(name: str, finished_at: datetime, **changes: Any) -> BackupManifest:
    """Return the manifest of a manual backup with one table.

    Args:
        name: Name of the backup.
        finished_at: When it started and ended.
        changes: Values of other fields.
    """
    fields: dict[str, Any] = {
        "name": name,
        "kind": BackupKind.MANUAL,
        "created_at": finished_at,
        "finished_at": finished_at,
        "duration_ms": 1,
        "size_bytes": 1,
        "uncompressed_bytes": 1,
        "sha256": "",
        "uncompressed_sha256": "",
        "compression": BackupCompression.ZSTD,
        "database": "sysndd",
        "table_count": 1,
        "view_count": 0,
        "trigger_count": 0,
        "routine_count": 0,
        "event_count": 0,
        "row_count": 0,
        "rows_per_table": {},
        "server_vendor": "mariadb",
        "server_version": "",
        "client_version": "",
        "schema_version": None,
        "application_version": "",
        "job_id": "",
        "requested_by": None,
    }
    return BackupManifest(**fields | changes)
