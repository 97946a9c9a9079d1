"""Takes one backup: inventory, dump, check against information_schema, publish."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sysndd_backup.clients import Clients
from sysndd_backup.dump import Dump, DumpResult
from sysndd_backup.packing import SUFFIXES
from sysndd_backup.server import Inventory, Server, take_inventory
from sysndd_core import tool_version
from sysndd_core.database import Database
from sysndd_core.errors import DumpFailed, Unavailable
from sysndd_core.jobs import BackupKind
from sysndd_core.schema_version import current_version
from sysndd_core.settings import BackupCompression
from sysndd_core.stores.backups import (
    PARTIAL_SUFFIX,
    BackupDirectory,
    BackupManifest,
    backup_name,
)
from sysndd_core.worker import Progress

_PROGRESS_SECONDS = 0.5
# A dump is text: longer than the pages it comes from for numbers, shorter for sparse pages.
_TEXT_PER_DATA_BYTE = 1.0


@dataclass(frozen=True)
class BackupTools:
    """What every backup and restore needs, put together once at start."""

    database: Database
    server: Server
    clients: Clients
    store: BackupDirectory
    compression: BackupCompression


@dataclass(frozen=True)
class BackupOrder:
    """Which backup to take, and for whom."""

    kind: BackupKind
    job_id: str
    requested_by: int | None


async def take_backup(
    tools: BackupTools, order: BackupOrder, progress: Progress, *, low: int = 0, high: int = 100
) -> BackupManifest:
    """Dump the application schema into the store.

    Args:
        tools: server, client programs and store.
        order: which backup.
        progress: shown to the operator; also proves before publishing that the job is still ours.
        low, high: the range of percent that this backup fills within its job.

    Returns:
        The manifest of the published backup.

    Raises:
        DumpFailed: nothing is left behind and the list of backups is unchanged.
        LeaseLost: another worker took over; nothing was published.
    """
    created_at, begun = datetime.now(UTC), time.monotonic()
    schema = tools.database.settings.name
    name = backup_name(order.kind, created_at, order.job_id, SUFFIXES[tools.compression])
    target = tools.store.path(name)
    partial = target.with_name(name + PARTIAL_SUFFIX)
    await progress("inventory", low, "Listing tables, views, triggers and routines")
    before = await take_inventory(tools.database, schema)
    try:
        result = await _dump(tools, partial, before, _Range(progress, low, high))
        await _check(tools, schema, before, result)
        version = await current_version(tools.database, application=schema)
        # The fence: a worker that was taken for dead must not publish beside its successor.
        await progress("publishing", high - 1, f"Publishing {name}")
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    manifest = BackupManifest(
        name=name,
        kind=order.kind,
        created_at=created_at,
        finished_at=datetime.now(UTC),
        duration_ms=round((time.monotonic() - begun) * 1000),
        size_bytes=result.size_bytes,
        uncompressed_bytes=result.uncompressed_bytes,
        sha256=result.sha256,
        uncompressed_sha256=result.uncompressed_sha256,
        compression=tools.compression,
        database=schema,
        table_count=len(before.tables),
        view_count=len(before.views),
        trigger_count=before.trigger_count,
        routine_count=len(before.routines),
        event_count=len(before.events),
        row_count=sum(result.rows_per_table.values()),
        rows_per_table={table: result.rows_per_table.get(table, 0) for table in before.tables},
        server_vendor=tools.server.vendor,
        server_version=tools.server.version,
        client_version=tools.clients.version,
        schema_version=version,
        application_version=tool_version(),
        job_id=order.job_id,
        requested_by=order.requested_by,
    )
    await asyncio.to_thread(tools.store.write_manifest, manifest)
    return manifest


@dataclass(frozen=True)
class _Range:
    """Maps one phase's share onto the job's percent."""

    progress: Progress
    low: int
    high: int

    async def show(self, step: str, share: float, message: str) -> None:
        percent = self.low + int((self.high - self.low) * 0.95 * min(1.0, share))
        await self.progress(step, percent, message)


async def _dump(
    tools: BackupTools, partial: Path, inventory: Inventory, shown: _Range
) -> DumpResult:
    dump = Dump(tools.database.settings, tools.server, tools.clients, partial, tools.compression)
    expected = max(1.0, inventory.data_bytes * _TEXT_PER_DATA_BYTE)
    work = asyncio.create_task(asyncio.to_thread(dump.run))
    try:
        while not work.done():
            # A moment without the database's answer is for the dump client to judge, not for us.
            with contextlib.suppress(Unavailable):
                await shown.show(
                    "dumping", dump.bytes_read / expected, f"{dump.bytes_read:,} bytes"
                )
            await asyncio.wait([work], timeout=_PROGRESS_SECONDS)
    except BaseException:
        dump.stop()
        await asyncio.gather(work, return_exceptions=True)
        raise
    return work.result()


async def _check(tools: BackupTools, schema: str, before: Inventory, result: DumpResult) -> None:
    after = await take_inventory(tools.database, schema)
    if (before.tables, before.views) != (after.tables, after.views):
        raise DumpFailed("Tables were created or dropped while the dump ran; take it again.")
    unknown = set(result.rows_per_table) - set(before.tables)
    if unknown:
        raise DumpFailed(f"The dump holds rows of unknown tables: {', '.join(sorted(unknown))}.")
    if not before.tables:
        raise DumpFailed(f"The schema {schema} holds no table; an empty backup proves nothing.")
