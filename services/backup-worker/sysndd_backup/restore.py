"""Replaces the application schema by a backup, after a safety backup of what is there.

The order is the safety. The file is read to its end and its hashes compared; the safety backup is
taken; the backup is loaded into a shadow schema beside live and counted there; and only then do the
tables change places in one statement. Until then live is never touched, so a backup that can't be
loaded costs nothing.
"""

import asyncio
import hashlib
from dataclasses import dataclass

from sysndd_backup.backup import BackupOrder, BackupTools, take_backup
from sysndd_backup.loading import Load
from sysndd_backup.packing import UNPACK_ERRORS, open_reader
from sysndd_backup.server import quoted, take_inventory
from sysndd_backup.swap import (
    Programs,
    drop_schema,
    exchange,
    recreate_schema,
    replace_programs,
    script_programs,
)
from sysndd_core.errors import (
    BackupDamaged,
    JobFailed,
    LeaseLost,
    RestoreFailed,
    SafetyBackupFailed,
    SysnddError,
)
from sysndd_core.logging import get_logger
from sysndd_core.stores.backups import BackupManifest
from sysndd_core.worker import Progress

log = get_logger(__name__)

_CHUNK = 1 << 20


@dataclass(frozen=True)
class RestoreResult:
    """What a restore did: names of the two backups and the numbers of what is live now."""

    restored: str
    safety_backup: str
    table_count: int
    row_count: int


async def restore_backup(
    tools: BackupTools, name: str, order: BackupOrder, progress: Progress
) -> RestoreResult:
    """Replace the live schema by the backup ``name``.

    Args:
        tools: server, client programs and store.
        name: of a listed backup.
        order: the safety backup to take first.
        progress: shown to the operator.

    Raises:
        BackupDamaged: the file is not what its manifest says; live is untouched.
        SafetyBackupFailed: live is untouched.
        RestoreFailed: the detail says what live is now.
    """
    manifest = await asyncio.to_thread(tools.store.manifest, name)
    await progress("checking", 1, f"Reading {name} to its end")
    await asyncio.to_thread(_check_file, tools, manifest)
    _check_vendor(tools, manifest)
    try:
        safety = await take_backup(tools, order, progress, low=10, high=40)
    except LeaseLost:
        raise
    except SysnddError as error:
        raise SafetyBackupFailed(f"The safety backup failed: {error.detail}") from error
    live = tools.database.settings.name
    shadow, previous = f"{live}_restore_shadow", f"{live}_restore_previous"
    try:
        await _load_shadow(tools, manifest, shadow, progress)
        # The fence: from here on live changes.
        await progress("swapping", 85, "Exchanging the live tables in one statement")
        await _swap(tools, manifest, shadow=shadow, previous=previous)
    except RestoreFailed:
        await _tidy(tools, shadow, previous)
        raise
    await progress("cleaning", 97, "Dropping the previous tables")
    await _tidy(tools, shadow, previous)
    return RestoreResult(name, safety.name, manifest.table_count, manifest.row_count)


async def _tidy(tools: BackupTools, *schemas: str) -> None:
    """Drop the schemas that only a restore uses; what can't be dropped now, the next run drops."""
    for schema in schemas:
        try:
            await drop_schema(tools, schema)
        except SysnddError as error:
            log.warning("schema_not_dropped", schema=schema, reason=error.detail)


def _check_file(tools: BackupTools, manifest: BackupManifest) -> None:
    packed, plain, path = hashlib.sha256(), hashlib.sha256(), tools.store.path(manifest.name)
    try:
        with path.open("rb") as raw:
            while chunk := raw.read(_CHUNK):
                packed.update(chunk)
        if packed.hexdigest() != manifest.sha256:
            raise BackupDamaged("The file's SHA-256 is not the one of its manifest.")
        with open_reader(path) as reader:
            while chunk := reader.read(_CHUNK):
                plain.update(chunk)
    except UNPACK_ERRORS as error:
        raise BackupDamaged(f"The file can't be read to its end: {error}") from error
    if plain.hexdigest() != manifest.uncompressed_sha256:
        raise BackupDamaged("The unpacked dump's SHA-256 is not the one of its manifest.")


def _check_vendor(tools: BackupTools, manifest: BackupManifest) -> None:
    if manifest.server_vendor != tools.server.vendor:
        raise RestoreFailed(
            f"The backup comes from {manifest.server_vendor}, this server is"
            f" {tools.server.vendor}. Nothing was changed."
        )


async def _load_shadow(
    tools: BackupTools, manifest: BackupManifest, shadow: str, progress: Progress
) -> None:
    try:
        await recreate_schema(tools, shadow)
        load = Load(tools.database.settings, tools.clients, shadow)
        path = tools.store.path(manifest.name)
        work = asyncio.create_task(load.run(lambda: open_reader(path)))
        try:
            while not work.done():
                share = load.bytes_sent / max(1, manifest.uncompressed_bytes)
                await progress("loading", 40 + int(40 * share), "Loading beside the live tables")
                await asyncio.wait([work], timeout=0.5)
        except BaseException:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise
        work.result()
        await progress("verifying", 80, "Counting tables and rows")
        await _verify(tools, manifest, shadow)
    except RestoreFailed as error:
        raise RestoreFailed(f"{error.detail} Nothing was changed.") from error


async def _swap(
    tools: BackupTools, manifest: BackupManifest, *, shadow: str, previous: str
) -> None:
    live = tools.database.settings.name
    new_programs = await script_programs(tools, shadow)
    old_programs = await script_programs(tools, live)
    await recreate_schema(tools, previous)
    try:
        await exchange(tools, live=live, incoming=shadow, outgoing=previous, programs=new_programs)
        await _verify(tools, manifest, live)
    except SysnddError as error:
        log.error("swap_failed", reason=error.detail)
        await _swap_back(tools, shadow=shadow, previous=previous, programs=old_programs)
        raise RestoreFailed(f"{error.detail} The database is as before.") from error


async def _swap_back(tools: BackupTools, *, shadow: str, previous: str, programs: Programs) -> None:
    """Undo a swap that stopped half-way: the tables are all in one place or all in the other."""
    live = tools.database.settings.name
    try:
        if (await take_inventory(tools.database, previous)).tables:
            await recreate_schema(tools, shadow)
            await exchange(tools, live=live, incoming=previous, outgoing=shadow, programs=programs)
        else:
            await replace_programs(tools, live, programs)
    except SysnddError as error:
        # Not a RestoreFailed: the schemas are kept, because the previous tables are in one of them.
        raise JobFailed(
            f"The swap could not be undone: {error.detail} The previous tables are in {previous}"
            f" or {live}; nothing was dropped."
        ) from error


async def _verify(tools: BackupTools, manifest: BackupManifest, schema: str) -> None:
    """Compare a schema's objects and rows with the manifest.

    Raises:
        RestoreFailed: naming the first difference.
    """
    found = await take_inventory(tools.database, schema)
    counts = {
        "tables": (len(found.tables), manifest.table_count),
        "views": (len(found.views), manifest.view_count),
        "triggers": (found.trigger_count, manifest.trigger_count),
        "routines": (len(found.routines), manifest.routine_count),
        "events": (len(found.events), manifest.event_count),
    }
    for kind, (now, then) in counts.items():
        if now != then:
            raise RestoreFailed(f"There are {now} {kind}, the backup held {then}.")
    for table, rows in manifest.rows_per_table.items():
        row = await tools.database.fetch_one(
            f"SELECT COUNT(*) AS n FROM {quoted(schema)}.{quoted(table)}"
        )
        if row is None or row["n"] != rows:
            raise RestoreFailed(f"The table {table} has not the {rows} rows that the backup held.")
