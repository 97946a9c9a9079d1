"""Creates a backup: checks privileges and free space, dumps, compares, and publishes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sysndd_backup.archive.compression import suffix_of
from sysndd_backup.archive.size_drop import find_size_drop
from sysndd_backup.context import BackupRequest, BackupTools
from sysndd_backup.dump.damage import Damage
from sysndd_backup.dump.ddl_fence import ddl_fence
from sysndd_backup.dump.dump import Dump, DumpResult, flags_for
from sysndd_backup.dump.excluded_rows import ExcludedRows, find_excluded_rows
from sysndd_backup.dump.privileges import check_privileges
from sysndd_backup.progress import Progress, ProgressReporter, run_in_thread
from sysndd_backup.server.server import Inventory, readable_version, take_inventory
from sysndd_core import __version__
from sysndd_core.backups.directory import PARTIAL_SUFFIX
from sysndd_core.backups.manifest import (
    BackupManifest,
    MissingObject,
    backup_name,
    expected_bytes,
)
from sysndd_core.db.site import read_site
from sysndd_core.errors import DumpFailed
from sysndd_core.jobs.models import BackupKind
from sysndd_core.logging import get_logger

_DUMP_ATTEMPTS = 5
_PAUSE_SECONDS = 1.0

log = get_logger(__name__)


async def create_backup(
    tools: BackupTools,
    request: BackupRequest,
    progress: Progress,
    *,
    low: int = 0,
    high: int = 100,
    damage: Damage | None = None,
) -> BackupManifest:
    """Dump the application schema into the store. The caller holds the schema lock.

    Args:
        tools: Server, client programs and store.
        request: The backup to create.
        progress: Reports the progress of the job; also checks the lease before the publication.
        low, high: Percent of the job at the beginning and at the end of the backup.
        damage: What cannot be read. The backup then contains everything else, and its manifest
            lists what is missing. None to require a complete dump.

    Returns:
        The manifest of the published backup.

    Raises:
        DumpFailed, ExcludedRowsReferenced, MissingPrivileges, InsufficientStorage: No file remains,
            and the list of backups is unchanged.
        LeaseLost: Another worker has claimed the job; nothing was published.
    """
    created_at = datetime.now(UTC)
    suffix = suffix_of(tools.compression, tools.keys)
    name = backup_name(request.kind, created_at, request.job_id, suffix)
    partial = tools.store.path(name).with_name(name + PARTIAL_SUFFIX)
    await progress("inventory", low, "Checking privileges and free space, listing objects")
    await check_privileges(tools.database, tools.server, tools.database.settings.name)
    try:
        dump = await _dump_schema(
            tools, request, partial, created_at, progress, percent=(low, high), damage=damage
        )
        # Reporting progress checks the fencing token: a worker whose lease has expired must not
        # publish a backup in addition to that of the next worker.
        await progress("publishing", high - 1, f"Publishing {name}")
        manifest = _manifest(tools, request, name, dump)
        drop = find_size_drop(manifest, await asyncio.to_thread(tools.store.manifests))
        manifest = manifest.model_copy(update={"size_drop": drop})
        await asyncio.to_thread(tools.store.publish, partial, manifest)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


@dataclass(frozen=True)
class CompleteDump:
    """A dump that contains the objects of its inventory.

    Attributes:
        created_at: Time at which it started, in UTC.
        ddl_fenced: Whether a DDL fence prevented schema changes during the dump.
        excluded: Tables whose rows were left out.
        missing: What it does not contain, because it could not be read.
        schema_version: Latest applied migration, or None without a ledger.
        site_id: ID of the site, or None if it is not recorded.
    """

    created_at: datetime
    ddl_fenced: bool
    inventory: Inventory
    excluded: ExcludedRows
    missing: tuple[MissingObject, ...]
    schema_version: str | None
    result: DumpResult
    site_id: str | None


async def _dump_schema(
    tools: BackupTools,
    request: BackupRequest,
    partial: Path,
    created_at: datetime,
    progress: Progress,
    *,
    percent: tuple[int, int],
    damage: Damage | None,
) -> CompleteDump:
    """Dump the schema, and compare the dump with information_schema before and after it."""
    schema, (low, high) = tools.database.settings.name, percent
    async with ddl_fence(tools.database.settings, tools.server) as ddl_fenced:
        inventory = await take_inventory(tools.database, schema)
        excluded = await _find_excluded_rows(tools, request, inventory)
        data_bytes = excluded.data_bytes(inventory)
        expected = await asyncio.to_thread(_expected_bytes, tools, data_bytes)
        dumping = (low, low + int((high - low) * 0.95))
        reporter = ProgressReporter(progress, "dumping", dumping, expected)
        leave_out = None if damage is None else damage.leave_out
        result = await _dump(tools, partial, excluded, reporter, leave_out)
        await _check_objects(tools, inventory)
        if damage is None:
            missing: tuple[MissingObject, ...] = ()
            _check_complete(tools, inventory, result)
        else:
            missing = damage.missing_from(inventory, result)
            inventory = damage.dumped(inventory, result)
        version = await readable_version(tools.database, schema)
        site = await read_site(tools.database, tools.database.settings.ops_name)
    site_id = site.id if site is not None else None
    return CompleteDump(
        created_at, ddl_fenced, inventory, excluded, missing, version, result, site_id
    )


async def _find_excluded_rows(
    tools: BackupTools, request: BackupRequest, inventory: Inventory
) -> ExcludedRows:
    """Find the tables whose rows are left out; none in a safety backup.

    Without the undo, the safety backup is the only copy of what a restore replaces.
    """
    if request.kind is BackupKind.PRE_RESTORE:
        return ExcludedRows()
    excluded = await find_excluded_rows(tools.database, tools.server, inventory, tools.exclude_rows)
    if excluded.tables:
        log.info("rows_excluded", tables=list(excluded.tables))
    if excluded.unmatched:
        log.warning("exclude_pattern_unmatched", patterns=list(excluded.unmatched))
    return excluded


def _expected_bytes(tools: BackupTools, data_bytes: int) -> int:
    """Check the free space, and estimate the size of the dump in bytes.

    The size of the last dump is the better estimate, because text and table pages differ in size.
    """
    tools.store.check_free_space(data_bytes)
    last = next(iter(tools.store.manifests()), None)
    if last is None:
        return max(1, data_bytes)
    return max(1, expected_bytes(last.uncompressed_bytes, last, data_bytes))


async def _dump(
    tools: BackupTools,
    partial: Path,
    excluded: ExcludedRows,
    reporter: ProgressReporter,
    leave_out: Sequence[str] | None,
) -> DumpResult:
    """Run the dump; retry if another connection's ALTER TABLE interrupted it."""
    for left in reversed(range(_DUMP_ATTEMPTS)):
        dump = Dump(
            tools.database.settings,
            tools.server,
            tools.clients,
            partial,
            tools.compression,
            keys=tools.keys,
            excluded=excluded,
            leave_out=leave_out,
        )
        try:
            return await reporter.watch(run_in_thread(dump.run, dump.stop), dump.bytes_done)
        except DumpFailed as error:
            if left == 0 or not error.extra.get("redefined"):
                raise
            log.warning("dump_retried", reason=error.detail)
            await asyncio.to_thread(partial.unlink, missing_ok=True)
            await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("the last attempt returns or raises")


async def _check_objects(tools: BackupTools, before: Inventory) -> None:
    schema = tools.database.settings.name
    if not before.tables:
        raise DumpFailed(
            f"The schema {schema} has no tables, so there is nothing to back up. Check DB_NAME."
        )
    after = await take_inventory(tools.database, schema)
    if before.objects() != after.objects():
        raise DumpFailed(
            f"Objects of the schema {schema} were created or dropped during the dump. Create the"
            " backup again after the schema change."
        )


def _check_complete(tools: BackupTools, inventory: Inventory, result: DumpResult) -> None:
    difference = result.statistics.difference(inventory)
    if difference is not None:
        raise DumpFailed(
            f"The dump does not match information_schema: {difference}. Check the dump client"
            f" {tools.clients.dump}, then create the backup again."
        )


def _manifest(
    tools: BackupTools, request: BackupRequest, name: str, dump: CompleteDump
) -> BackupManifest:
    inventory, excluded, result = dump.inventory, dump.excluded, dump.result
    finished_at = datetime.now(UTC)
    rows = result.statistics.rows_of(inventory.tables)
    return BackupManifest(
        name=name,
        kind=request.kind,
        job_id=request.job_id,
        requested_by=request.requested_by,
        created_at=dump.created_at,
        finished_at=finished_at,
        duration_ms=round((finished_at - dump.created_at).total_seconds() * 1000),
        size_bytes=result.size_bytes,
        uncompressed_bytes=result.uncompressed_bytes,
        sha256=result.sha256,
        uncompressed_sha256=result.uncompressed_sha256,
        compression=tools.compression,
        database=tools.database.settings.name,
        table_count=len(inventory.tables),
        view_count=len(inventory.views),
        incomplete=list(dump.missing),
        trigger_count=inventory.trigger_count,
        routine_count=len(inventory.routines),
        event_count=len(inventory.events),
        row_count=sum(rows.values()),
        rows_per_table=rows,
        excluded_rows=list(excluded.tables),
        data_bytes=excluded.data_bytes(inventory),
        site_id=dump.site_id,
        server_vendor=tools.server.vendor,
        server_version=tools.server.version,
        client_version=tools.clients.version,
        client_flags=[*flags_for(tools.server), *excluded.client_options],
        schema_version=dump.schema_version,
        application_version=__version__,
        ddl_fenced=dump.ddl_fenced,
        encrypted=bool(tools.keys.recipients),
        recipients=list(tools.keys.recipients),
    )
