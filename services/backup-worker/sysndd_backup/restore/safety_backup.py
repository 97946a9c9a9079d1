"""The safety backup of a restore: a copy of everything readable in the live database.

A database is often restored because it is damaged, so its damage must not prevent the restore. If
a complete dump is impossible, the safety backup contains what can be read, and its manifest lists
the rest. If nothing can be read, there is none. Either requires the operator's consent.
"""

import time
from dataclasses import dataclass

from sysndd_backup.context import BackupRequest, BackupTools
from sysndd_backup.dump.create_backup import create_backup
from sysndd_backup.dump.damage import Damage, find_damage
from sysndd_backup.progress import Progress
from sysndd_backup.server.server import take_inventory
from sysndd_backup.server.unreadable import has_restarted
from sysndd_core.backups.manifest import MissingObject
from sysndd_core.db.database import Database
from sysndd_core.errors import (
    DatabaseUnavailable,
    DumpFailed,
    LeaseLost,
    SafetyBackupFailed,
    SysnddError,
)
from sysndd_core.jobs.models import Consent, RestoreBackup
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_CONSENT = Consent.INCOMPLETE_SAFETY_BACKUP
_LISTED = 5
_SERVER_STOPS = 5
"""How often the server may stop before the safety backup is given up."""


@dataclass(frozen=True)
class SafetyBackup:
    """The safety backup of a restore.

    Attributes:
        name: Name of the backup; None if nothing in the live database could be read.
        missing: What it does not contain.
    """

    name: str | None
    missing: tuple[MissingObject, ...] = ()


async def check_consent(tools: BackupTools, job: RestoreBackup) -> None:
    """Check before the load that the safety backup will be complete, or need not be.

    Damage inside a table is found only by the dump, which reads all of it.

    Raises:
        SafetyBackupFailed: The live database is damaged, and the request does not accept
            ``incomplete_safety_backup``.
    """
    if _CONSENT in job.accept:
        return
    state = await _inspect(tools.database)
    if state.reason is not None:
        raise _refusal(state.reason)


async def create_safety_backup(
    tools: BackupTools, job: RestoreBackup, request: BackupRequest, progress: Progress
) -> SafetyBackup:
    """Create the safety backup. The caller holds the schema lock.

    Args:
        tools: Server, client programs and store.
        job: The restore, with the risks that the operator accepts.
        request: The safety backup to create.
        progress: Reports the progress of the job, from 60 to 90 percent.

    Raises:
        SafetyBackupFailed: No safety backup exists, and nothing may be replaced.
        LeaseLost: Another worker has claimed the job.
    """
    try:
        return await _create_despite_restarts(tools, job, request, progress)
    except (LeaseLost, SafetyBackupFailed):
        raise
    except SysnddError as error:
        raise SafetyBackupFailed(f"The safety backup failed: {error.detail}") from error


async def _create_despite_restarts(
    tools: BackupTools, job: RestoreBackup, request: BackupRequest, progress: Progress
) -> SafetyBackup:
    """Create the backup; start again if the server stopped, but not at a table that was named.

    Its own background threads also read damaged pages, for example to update statistics.
    """
    for left in reversed(range(_SERVER_STOPS)):
        started = time.monotonic()
        try:
            return await _create(tools, job, request, progress)
        except DatabaseUnavailable:
            if left == 0 or not await has_restarted(tools.database, started):
                raise
            log.warning("server_stopped_in_safety_backup")
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True)
class _State:
    """What can be read.

    Attributes:
        damage: The tables and views that cannot be read.
        readable: Whether a table can be read.
        reason: Why a complete dump is impossible; None if it is not.
    """

    damage: Damage
    readable: bool
    reason: str | None


async def _inspect(database: Database) -> _State:
    schema = database.settings.name
    tables = (await take_inventory(database, schema)).tables
    damage = await find_damage(database, schema)
    unreadable = {one.name for one in damage.objects if one.kind == "table"}
    reason = None
    if not tables:
        reason = f"the live database {schema} has no tables"
    elif damage.objects:
        reason = f"the live database cannot be read completely: {_listed(damage.objects)}"
    return _State(damage, not unreadable.issuperset(tables), reason)


async def _create(
    tools: BackupTools, job: RestoreBackup, request: BackupRequest, progress: Progress
) -> SafetyBackup:
    state = await _inspect(tools.database)
    damage, reason = state.damage, state.reason
    # With known damage, a complete dump would fail, on a large database after hours.
    if reason is None:
        started = time.monotonic()
        try:
            manifest = await create_backup(tools, request, progress, low=60, high=90)
            return SafetyBackup(manifest.name)
        except DumpFailed as error:
            reason = f"the dump failed: {error.detail}"
            damage = await _with_lost_table(tools.database, damage, error, started) or damage
    if _CONSENT not in job.accept:
        raise _refusal(reason)
    log.warning("safety_backup_incomplete", reason=reason)
    if not state.readable:
        return SafetyBackup(None, damage.objects)
    return await _create_incomplete(tools, request, progress, damage)


async def _create_incomplete(
    tools: BackupTools, request: BackupRequest, progress: Progress, damage: Damage
) -> SafetyBackup:
    """Create a backup of what can be read, without tables at which the server stops."""
    for left in reversed(range(_SERVER_STOPS + 1)):
        started = time.monotonic()
        try:
            manifest = await create_backup(tools, request, progress, low=60, high=90, damage=damage)
        except DumpFailed as error:
            found = await _with_lost_table(tools.database, damage, error, started)
            if found is None or left == 0:
                raise
            damage = found
        else:
            return SafetyBackup(manifest.name, tuple(manifest.incomplete))
    raise AssertionError("the last attempt returns or raises")


async def _with_lost_table(
    database: Database, damage: Damage, error: DumpFailed, started: float
) -> Damage | None:
    """Return the damage with the table at which the server stopped; None if it did not stop."""
    table = error.extra.get("lost_at_table")
    if table is None or not await has_restarted(database, started):
        return None
    log.warning("server_stopped_in_dump", table=table)
    return damage.with_table_that_stops_server(str(table), error.detail)


def _listed(objects: tuple[MissingObject, ...]) -> str:
    more = f" and {len(objects) - _LISTED} more" if len(objects) > _LISTED else ""
    return ", ".join(map(str, objects[:_LISTED])) + more


def _refusal(reason: str) -> SafetyBackupFailed:
    return SafetyBackupFailed(
        f"Restore refused: a complete safety backup is impossible, because {reason.rstrip('.')}."
        " Nothing was changed. To restore with a safety backup of what can be read,"
        f" {_CONSENT.how_to_accept}"
    )
