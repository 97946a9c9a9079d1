"""Replaces the application schema by a backup, after a safety backup of what is there.

The order is the safety. The file is read to its end and its hashes are compared; it is loaded into a
shadow schema and checked there; writes are refused and the safety backup is created; and only then
do the tables change places in one statement. Until then live is never touched, so a backup that
can't be loaded costs nothing. From the first scratch schema on, everything is in the restore
journal: ``recovery`` resolves whatever a dead worker leaves.
"""

import asyncio
import secrets
from dataclasses import dataclass

from sysndd_backup.context import BackupRequest, BackupTools
from sysndd_backup.dump.create_backup import create_backup
from sysndd_backup.load.confined_account import restricted_load_account
from sysndd_backup.load.definers import DefinerStripper
from sysndd_backup.progress import Progress
from sysndd_backup.restore.accounts import active_administrators, has_accounts
from sysndd_backup.restore.check_file import CheckedBackup, check_backup
from sysndd_backup.restore.journal import Entry, Outcome, Purpose
from sysndd_backup.restore.migrate_backup import is_older
from sysndd_backup.restore.recovery import Recovery
from sysndd_backup.restore.shadow import load_shadow
from sysndd_backup.restore.stored_objects import (
    drop_triggers_and_events,
    enable_events,
    read_objects,
    strip_definers,
)
from sysndd_backup.server.server import count_rows
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
from sysndd_core.jobs.models import Consent, RestoreBackup
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_SCHEMA_LOCK_SECONDS = 120.0

MAINTENANCE_SEEN_SECONDS = 1.2
"""After this time every API worker has noticed that writes are to be refused."""


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
    tools: BackupTools, job: RestoreBackup, request: BackupRequest, progress: Progress
) -> RestoreResult:
    """Replace the live schema by a backup.

    Args:
        tools: server, client programs and store.
        job: which listed backup, and what was confirmed for it.
        request: the safety backup to create before the tables change places.
        progress: shown to the operator.

    Raises:
        EncryptionKeyMissing, EncryptionKeyWrong: it can't be read here; live is untouched.
        BackupDamaged: the file is not what its manifest says; live is untouched.
        NoAdministratorInBackup: that was not confirmed; live is untouched.
        SafetyBackupFailed: live is untouched.
        RestoreFailed: the detail says what live is now.
    """
    manifest = await asyncio.to_thread(tools.store.manifest, job.name)
    await progress("checking", 1, f"Reading {job.name} to its end")
    checked = await check_backup(tools, manifest, progress)
    recovery = Recovery(tools.database, tools.undo_hours)
    entry = await _open_entry(recovery, manifest, request)
    safety_backup, migrated = "", False
    try:
        migrated = await _prepare_shadow(tools, recovery, checked, entry, progress, job=job)
        await recovery.journal.begin_maintenance(entry)
        await progress("maintenance", 60, "Writes are refused from now on; reads continue")
        await asyncio.sleep(MAINTENANCE_SEEN_SECONDS)
        safety_backup = await _create_safety_backup(tools, request, progress)
        await swap_tables(recovery, entry, progress)
    except LeaseLost:
        raise
    except SysnddError as error:
        await resolve_failed(recovery, entry, error)
    await progress("cleaning", 97, "Dropping what is no longer needed")
    await recovery.drop_superseded()
    return _result(manifest, safety_backup, migrated)


async def swap_tables(recovery: Recovery, entry: Entry, progress: Progress) -> None:
    """Exchange the tables under the schema lock.

    Raises:
        LeaseLost: the job or the entry is no longer ours; nothing was changed.
        RestoreFailed, SchemaLocked, DatabaseUnavailable: resolve the entry.
    """
    async with open_session(
        recovery.database.settings, lock_timeout=_SCHEMA_LOCK_SECONDS
    ) as session:
        # Fencing: from here on live changes. A worker whose lease ran out stops here, and so does
        # one whose entry another worker has resolved.
        await progress("swapping", 90, "Exchanging the live tables in one statement")
        # Read again: the stored objects were recorded after the entry was opened.
        current = await recovery.journal.get(entry.id)
        if current.outcome is not None:
            raise LeaseLost("The restore was rolled back by another worker.")
        await recovery.swap(session).carry_out(current)


async def resolve_failed(recovery: Recovery, entry: Entry, error: SysnddError) -> None:
    """Resolve an exchange that failed; return when it could be finished after all.

    Raises:
        RestoreFailed, SafetyBackupFailed, NoAdministratorInBackup: with what live is now.
    """
    log.error("restore_failed", entry=entry.id, reason=error.detail)
    try:
        outcome = await recovery.resolve(entry)
    except SysnddError as problem:
        raise RestoreFailed(
            f"{error.detail} It could not be resolved yet ({problem.detail}); the worker finishes"
            " it or rolls it back by itself."
        ) from error
    if outcome is Outcome.DONE:
        return
    if isinstance(error, SafetyBackupFailed | NoAdministratorInBackup):
        raise error
    touched = (await recovery.journal.get(entry.id)).swapping
    now = "The database is as before." if touched else "Nothing was changed."
    raise RestoreFailed(f"{error.detail} {now}") from error


async def _open_entry(
    recovery: Recovery, manifest: BackupManifest, request: BackupRequest
) -> Entry:
    live, unique = recovery.database.settings.name, secrets.token_hex(4)
    return await recovery.journal.open(
        Purpose.RESTORE,
        job_id=request.job_id,
        backup=manifest.name,
        incoming=f"{live}_shadow_{unique}",
        outgoing=f"{live}_before_{unique}",
        row_counts=manifest.rows_per_table,
    )


async def _prepare_shadow(
    tools: BackupTools,
    recovery: Recovery,
    checked: CheckedBackup,
    entry: Entry,
    progress: Progress,
    *,
    job: RestoreBackup,
) -> bool:
    """Load, migrate and check the backup in its shadow schema; return whether it was migrated."""
    settings, shadow = tools.database.settings, entry.incoming
    async with restricted_load_account(settings, shadow, tools.load_account) as account:
        rewrite = await load_shadow(tools, checked, shadow, progress, account=account)
        migrated = await _migrate(tools, recovery, checked, entry, progress)
        await _check_administrator(tools, job, entry)
        await _record_objects(tools, recovery, entry, rewrite)
    return migrated


async def _create_safety_backup(
    tools: BackupTools, request: BackupRequest, progress: Progress
) -> str:
    try:
        return (await create_backup(tools, request, progress, low=60, high=90)).name
    except LeaseLost:
        raise
    except SysnddError as error:
        raise SafetyBackupFailed(f"The safety backup failed: {error.detail}") from error


async def _migrate(
    tools: BackupTools, recovery: Recovery, checked: CheckedBackup, entry: Entry, progress: Progress
) -> bool:
    live = tools.database.settings.name
    now = await current_version(tools.database, application=live)
    then = checked.manifest.schema_version
    if not is_older(then, now):
        return False
    if tools.migrate is None:
        log.warning("restored_without_migrations", backup=then, live=now)
        return False
    await progress("migrating", 58, f"Migrating it from {then} to {now}")
    await tools.migrate(entry.incoming)
    counts = await count_rows(tools.database, entry.incoming)
    await recovery.journal.record_row_counts(entry, counts)
    return True


async def _check_administrator(tools: BackupTools, job: RestoreBackup, entry: Entry) -> None:
    """Reject a backup without an active administrator, unless the request accepts that.

    Raises:
        NoAdministratorInBackup: The request does not accept ``no_administrator``.
    """
    async with open_session(tools.database.settings) as session:
        if Consent.NO_ADMINISTRATOR in job.accept or not await has_accounts(session, entry.live):
            return
        if not await active_administrators(session, entry.incoming):
            raise NoAdministratorInBackup(
                f"Restore refused: {job.name} contains no active administrator, so no one could"
                " administer the restored site. Nothing was changed. To restore it anyway, repeat"
                f" the command with --accept {Consent.NO_ADMINISTRATOR}, or the API request with"
                f' "accept": ["{Consent.NO_ADMINISTRATOR}"].'
            )


async def _record_objects(
    tools: BackupTools, recovery: Recovery, entry: Entry, rewrite: DefinerStripper
) -> None:
    """Record the backup's stored objects as they will be created in live."""
    shadow, settings = entry.incoming, tools.database.settings
    async with open_session(settings) as session:
        objects = strip_definers(await read_objects(session, shadow, into=settings.name))
        objects = enable_events(objects, rewrite.enabled_events)
        await recovery.journal.record_objects(entry, objects)
        # An enabled event would change the tables that were just counted.
        await drop_triggers_and_events(session, shadow)


def _result(manifest: BackupManifest, safety_backup: str, migrated: bool) -> RestoreResult:
    return RestoreResult(
        restored=manifest.name,
        safety_backup=safety_backup,
        table_count=manifest.table_count,
        row_count=manifest.row_count,
        sha256=manifest.sha256,
        migrated=migrated,
    )
