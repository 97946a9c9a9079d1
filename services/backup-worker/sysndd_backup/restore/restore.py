"""Replaces the application schema by a backup, after a safety backup of what is there.

The order is the safety. The file is read to its end and its hashes compared; it is loaded into a
shadow schema beside live and verified there; writes are refused and the safety backup is taken; and
only then do the tables change places in one statement. Until then live is never touched, so a
backup that can't be loaded costs nothing. From the first scratch schema on, everything is in the
restore journal: ``recovery`` mends whatever a dead worker leaves.
"""

import asyncio
import secrets
from dataclasses import dataclass

from sysndd_backup.counting import count_rows
from sysndd_backup.dump.create_backup import BackupOrder, BackupTools, take_backup
from sysndd_backup.load.confined_account import WithoutDefiners, confined
from sysndd_backup.progress import Progress
from sysndd_backup.restore.accounts import active_administrators, has_accounts
from sysndd_backup.restore.check_file import CheckedBackup, check_backup
from sysndd_backup.restore.journal import Entry, Outcome, Purpose
from sysndd_backup.restore.migrate_backup import is_older
from sysndd_backup.restore.recovery import Recovery
from sysndd_backup.restore.shadow import load_shadow
from sysndd_backup.restore.stored_objects import (
    drop_active,
    read_programs,
    with_events_enabled,
    without_definers,
)
from sysndd_backup.server.session import open_session
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.db.schema_version import current_version
from sysndd_core.errors import (
    LeaseLost,
    NoAdministratorInBackup,
    RestoreFailed,
    SafetyBackupFailed,
    SysnddError,
)
from sysndd_core.jobs.models import RestoreBackup
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_SCHEMA_LOCK_SECONDS = 120.0

MAINTENANCE_SEEN_SECONDS = 1.2
"""After this much every API worker has noticed that writes are to be refused."""


@dataclass(frozen=True)
class RestoreResult:
    """What a restore did: names of the two backups and the numbers of what came live.

    ``migrated`` tells whether pending migrations were applied to it on the way.
    """

    restored: str
    safety_backup: str
    table_count: int
    row_count: int
    sha256: str
    migrated: bool


async def restore_backup(
    tools: BackupTools, wanted: RestoreBackup, order: BackupOrder, progress: Progress
) -> RestoreResult:
    """Replace the live schema by a backup.

    Args:
        tools: server, client programs and store.
        wanted: which listed backup, and what was typed for it.
        order: the safety backup to take before the tables change places.
        progress: shown to the operator.

    Raises:
        EncryptionKeyMissing, EncryptionKeyWrong: it can't be read here; live is untouched.
        BackupDamaged: the file is not what its manifest says; live is untouched.
        NoAdministratorInBackup: nobody has typed the second word; live is untouched.
        SafetyBackupFailed: live is untouched.
        RestoreFailed: the detail says what live is now.
    """
    name = wanted.name
    manifest = await asyncio.to_thread(tools.store.manifest, name)
    await progress("checking", 1, f"Reading {name} to its end")
    checked = await check_backup(tools, manifest, progress)
    recovery = Recovery(tools.database, tools.undo_hours)
    entry = await _open_entry(recovery, manifest, order)
    safety, migrated = "", False
    try:
        settings = tools.database.settings
        async with confined(settings, entry.incoming, tools.load_account) as account:
            rewrite = await load_shadow(tools, checked, entry.incoming, progress, account=account)
            migrated = await _bring_up_to_date(tools, recovery, checked, entry, progress)
            await _check_administrator(tools, wanted, entry)
            await _keep_programs(tools, recovery, entry, rewrite)
        await recovery.journal.begin_maintenance(entry)
        await progress("maintenance", 60, "Writes are refused from now on; reads go on")
        await asyncio.sleep(MAINTENANCE_SEEN_SECONDS)
        safety = await _safety_backup(tools, order, progress)
        await swap_tables(recovery, entry, progress)
    except LeaseLost:
        raise
    except SysnddError as error:
        await settle_failed(recovery, entry, error)
    await progress("cleaning", 97, "Dropping what is no longer needed")
    await recovery.drop_superseded()
    return RestoreResult(
        name, safety, manifest.table_count, manifest.row_count, manifest.sha256, migrated
    )


async def swap_tables(recovery: Recovery, entry: Entry, progress: Progress) -> None:
    """Exchange the tables under the schema lock.

    Raises:
        LeaseLost: the job or the entry is no longer ours; nothing was changed.
        RestoreFailed, SchemaLocked, DatabaseUnavailable: settle the entry.
    """
    async with open_session(
        recovery.database.settings, lock_timeout=_SCHEMA_LOCK_SECONDS
    ) as session:
        # The fence: from here on live changes. A worker that was taken for dead stops here, and so
        # does one whose entry was settled by somebody else.
        await progress("swapping", 90, "Exchanging the live tables in one statement")
        # Read again: what was kept since the entry was opened, its programs, is in the journal.
        current = await recovery.journal.get(entry.id)
        if current.outcome is not None:
            raise LeaseLost("The restore was taken back by another worker.")
        await recovery.swap(session).carry_out(current)


async def settle_failed(recovery: Recovery, entry: Entry, error: SysnddError) -> None:
    """Settle an exchange that failed; return when it could be finished after all.

    Raises:
        RestoreFailed, SafetyBackupFailed, NoAdministratorInBackup: with what live is now.
    """
    log.error("restore_broken_off", entry=entry.id, reason=error.detail)
    try:
        outcome = await recovery.settle(entry)
    except SysnddError as problem:
        raise RestoreFailed(
            f"{error.detail} It could not be settled yet ({problem.detail}); the worker finishes it"
            " or takes it back by itself."
        ) from error
    if outcome is Outcome.DONE:
        return
    if isinstance(error, SafetyBackupFailed | NoAdministratorInBackup):
        raise error
    touched = (await recovery.journal.get(entry.id)).swapping
    now = "The database is as before." if touched else "Nothing was changed."
    raise RestoreFailed(f"{error.detail} {now}") from error


async def _open_entry(recovery: Recovery, manifest: BackupManifest, order: BackupOrder) -> Entry:
    live, unique = recovery.database.settings.name, secrets.token_hex(4)
    return await recovery.journal.open(
        Purpose.RESTORE,
        job_id=order.job_id,
        backup=manifest.name,
        incoming=f"{live}_shadow_{unique}",
        outgoing=f"{live}_before_{unique}",
        row_counts=manifest.rows_per_table,
    )


async def _safety_backup(tools: BackupTools, order: BackupOrder, progress: Progress) -> str:
    try:
        return (await take_backup(tools, order, progress, low=60, high=90)).name
    except LeaseLost:
        raise
    except SysnddError as error:
        raise SafetyBackupFailed(f"The safety backup failed: {error.detail}") from error


async def _bring_up_to_date(
    tools: BackupTools, recovery: Recovery, checked: CheckedBackup, entry: Entry, progress: Progress
) -> bool:
    live = tools.database.settings.name
    now = await current_version(tools.database, application=live)
    then = checked.manifest.schema_version
    if not is_older(then, now):
        return False
    if tools.migrator is None:
        log.warning("restored_without_migrations", backup=then, live=now)
        return False
    await progress("migrating", 58, f"Bringing it from {then} to {now}")
    await tools.migrator.apply(entry.incoming)
    await recovery.journal.keep_row_counts(entry, await count_rows(tools.database, entry.incoming))
    return True


async def _check_administrator(tools: BackupTools, wanted: RestoreBackup, entry: Entry) -> None:
    """Refuse a database that nobody could administer, unless exactly that was confirmed."""
    async with open_session(tools.database.settings) as session:
        if wanted.without_administrator or not await has_accounts(session, entry.live):
            return
        if not await active_administrators(session, entry.incoming):
            raise NoAdministratorInBackup(
                f"{wanted.name} holds no active Administrator: nobody could administer the site"
                " after this restore. Nothing was changed. To restore it all the same, type the"
                " second word too."
            )


async def _keep_programs(
    tools: BackupTools, recovery: Recovery, entry: Entry, rewrite: WithoutDefiners
) -> None:
    shadow, settings = entry.incoming, tools.database.settings
    async with open_session(settings) as session:
        programs = without_definers(await read_programs(session, shadow, into=settings.name))
        programs = with_events_enabled(programs, rewrite.enabled_events)
        await recovery.journal.keep_programs(entry, programs)
        # An enabled event would go on changing the tables that were just counted.
        await drop_active(session, shadow)
