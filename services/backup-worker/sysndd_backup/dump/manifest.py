"""Puts together what is known of a finished dump."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sysndd_backup.dump.dump import DumpResult
from sysndd_backup.server.clients import Clients
from sysndd_backup.server.server import Inventory, Server
from sysndd_core import tool_version
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.jobs.models import BackupKind
from sysndd_core.settings.backup import BackupCompression


@dataclass(frozen=True)
class BackupOrder:
    """Which backup to take, and for whom."""

    kind: BackupKind
    job_id: str
    requested_by: int | None


@dataclass(frozen=True)
class Circumstances:
    """Under which a dump was taken.

    Attributes:
        created_at: when it began, UTC.
        schema_version: newest applied migration, None without a ledger.
        fenced: whether the server kept schema changes out.
        recipients: whom the file is encrypted to.
    """

    server: Server
    clients: Clients
    client_flags: tuple[str, ...]
    compression: BackupCompression
    database: str
    created_at: datetime
    schema_version: str | None
    fenced: bool
    recipients: tuple[str, ...] = ()


def manifest_of(
    name: str, order: BackupOrder, found: Inventory, result: DumpResult, at: Circumstances
) -> BackupManifest:
    """Describe a dump that was checked against ``found``."""
    rows = result.census.rows_of(found.tables)
    finished_at = datetime.now(UTC)
    return BackupManifest(
        name=name,
        kind=order.kind,
        created_at=at.created_at,
        finished_at=finished_at,
        duration_ms=round((finished_at - at.created_at).total_seconds() * 1000),
        size_bytes=result.size_bytes,
        uncompressed_bytes=result.uncompressed_bytes,
        sha256=result.sha256,
        uncompressed_sha256=result.uncompressed_sha256,
        compression=at.compression,
        database=at.database,
        table_count=len(found.tables),
        view_count=len(found.views),
        trigger_count=found.trigger_count,
        routine_count=len(found.routines),
        event_count=len(found.events),
        row_count=sum(rows.values()),
        rows_per_table=rows,
        server_vendor=at.server.vendor,
        server_version=at.server.version,
        client_version=at.clients.version,
        client_flags=list(at.client_flags),
        schema_version=at.schema_version,
        application_version=tool_version(),
        fenced=at.fenced,
        data_bytes=found.data_bytes,
        encrypted=bool(at.recipients),
        recipients=list(at.recipients),
        job_id=order.job_id,
        requested_by=order.requested_by,
    )
