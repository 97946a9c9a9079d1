"""Takes one backup: rights, room, inventory, dump, check against information_schema, publish."""

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sysndd_backup.archive.compression import suffix_of
from sysndd_backup.archive.directory import publish
from sysndd_backup.archive.encryption import Keys
from sysndd_backup.archive.off_site import SecondPlace
from sysndd_backup.dump.ddl_fence import ddl_fence
from sysndd_backup.dump.dump import Dump, DumpResult, flags_for
from sysndd_backup.dump.manifest import BackupOrder, Circumstances, manifest_of
from sysndd_backup.dump.privileges import check_rights
from sysndd_backup.load.confined_account import LoadAccount
from sysndd_backup.pace import pace
from sysndd_backup.progress import Progress
from sysndd_backup.restore.migrate_backup import Migrator
from sysndd_backup.server.clients import Clients
from sysndd_backup.server.server import Inventory, Server, take_inventory
from sysndd_core.backups.directory import PARTIAL_SUFFIX, BackupDirectory
from sysndd_core.backups.manifest import BackupManifest, backup_name, expected_bytes
from sysndd_core.db.database import Database
from sysndd_core.db.schema_version import current_version
from sysndd_core.errors import DumpFailed, Unavailable
from sysndd_core.logging import get_logger
from sysndd_core.settings.backup import BackupCompression

__all__ = ["BackupOrder", "BackupTools", "take_backup"]

_PROGRESS_SECONDS = 0.5
_DUMP_TRIES = 5
_PAUSE_SECONDS = 1.0

log = get_logger(__name__)


@dataclass(frozen=True)
class BackupTools:
    """What every backup and restore needs, put together once at start."""

    database: Database
    server: Server
    clients: Clients
    store: BackupDirectory
    compression: BackupCompression
    undo_hours: float = 24.0
    load_account: LoadAccount | None = None
    keys: Keys = field(default_factory=Keys)
    second: SecondPlace | None = None
    migrator: Migrator | None = None


async def take_backup(
    tools: BackupTools, order: BackupOrder, progress: Progress, *, low: int = 0, high: int = 100
) -> BackupManifest:
    """Dump the application schema into the store. The caller holds the schema's lock.

    Args:
        tools: server, client programs and store.
        order: which backup.
        progress: shown to the operator; also proves before publishing that the job is still ours.
        low, high: the range of percent that this backup fills within its job.

    Returns:
        The manifest of the published backup.

    Raises:
        DumpFailed, MissingRights, InsufficientStorage: nothing is left behind and the list of
            backups is unchanged.
        LeaseLost: another worker took over; nothing was published.
    """
    created_at = datetime.now(UTC)
    schema = tools.database.settings.name
    name = backup_name(
        order.kind, created_at, order.job_id, suffix_of(tools.compression, tools.keys)
    )
    target = tools.store.path(name)
    partial = target.with_name(name + PARTIAL_SUFFIX)
    await progress("inventory", low, "Checking rights and room, listing objects")
    await check_rights(tools.database, tools.server, schema)
    shown = _Range(progress, low, high)
    try:
        async with ddl_fence(tools.database.settings, tools.server) as fenced:
            found = await take_inventory(tools.database, schema)
            expected = await asyncio.to_thread(_expected_bytes, tools, found)
            result = await _dump(tools, partial, expected, shown)
            await _check(tools, schema, found, result)
            version = await current_version(tools.database, application=schema)
        circumstances = Circumstances(
            tools.server, tools.clients, flags_for(tools.server), tools.compression, schema,
            created_at, version, fenced, tools.keys.recipients,
        )  # fmt: skip
        # The fence: a worker that was taken for dead must not publish beside its successor.
        await progress("publishing", high - 1, f"Publishing {name}")
        manifest = manifest_of(name, order, found, result, circumstances)
        await asyncio.to_thread(publish, tools.store, partial, manifest)
    finally:
        partial.unlink(missing_ok=True)
    return manifest


def _expected_bytes(tools: BackupTools, found: Inventory) -> int:
    """Check the room, and estimate how many bytes of SQL will come.

    A dump is text: longer than the pages it comes from for numbers, shorter for sparse pages. The
    last backup knows better.
    """
    tools.store.check_room(found.data_bytes)
    last = next(iter(tools.store.manifests()), None)
    if last is None:
        return max(1, found.data_bytes)
    return max(1, expected_bytes(last.uncompressed_bytes, last, found.data_bytes))


class _Range:
    """Maps one phase's share onto the job's percent, which never goes back."""

    def __init__(self, progress: Progress, low: int, high: int) -> None:
        self._progress = progress
        self._low, self._high = low, high
        self._reached = low

    async def show(self, step: str, share: float, message: str) -> None:
        percent = self._low + int((self._high - self._low) * 0.95 * min(1.0, share))
        self._reached = max(self._reached, percent)
        await self._progress(step, self._reached, message)


async def _dump(tools: BackupTools, partial: Path, expected: int, shown: _Range) -> DumpResult:
    """Dump, again if somebody else's ALTER broke it off."""
    for left in reversed(range(_DUMP_TRIES)):
        dump = Dump(
            tools.database.settings,
            tools.server,
            tools.clients,
            partial,
            tools.compression,
            keys=tools.keys,
        )
        try:
            return await _watch(dump, expected, shown)
        except DumpFailed as error:
            if left == 0 or not error.extra.get("redefined"):
                raise
            log.warning("dump_taken_again", reason=error.detail)
            await asyncio.to_thread(partial.unlink, missing_ok=True)
            await asyncio.sleep(_PAUSE_SECONDS)
    raise AssertionError("the last try returns or raises")


async def _watch(dump: Dump, expected: int, shown: _Range) -> DumpResult:
    begun = time.monotonic()
    work = asyncio.create_task(asyncio.to_thread(dump.run))
    try:
        while not work.done():
            done, seconds = dump.bytes_read, time.monotonic() - begun
            # A moment without the database's answer is for the dump client to judge, not for us.
            with contextlib.suppress(Unavailable):
                await shown.show("dumping", done / expected, pace(done, expected, seconds))
            await asyncio.wait([work], timeout=_PROGRESS_SECONDS)
    except BaseException:
        dump.stop()
        await asyncio.gather(work, return_exceptions=True)
        raise
    return work.result()


async def _check(tools: BackupTools, schema: str, found: Inventory, result: DumpResult) -> None:
    if not found.tables:
        raise DumpFailed(f"The schema {schema} holds no table; an empty backup proves nothing.")
    after = await take_inventory(tools.database, schema)
    if found.objects() != after.objects():
        raise DumpFailed("Objects were created or dropped while the dump ran; take it again.")
    difference = result.census.difference(found)
    if difference is not None:
        raise DumpFailed(f"The dump is not what information_schema lists: {difference}.")
