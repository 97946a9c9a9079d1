"""Replaces the live database with a backup.

First, the file is checked and loaded into a shadow schema, and the result is checked. Then the
pre-hook holds the site's own program, maintenance mode starts, the safety backup is created, and
one statement swaps the tables. Until the swap, the live database is not changed. The restore
journal records each step, so that crash recovery (see ``recovery``) can complete or revert a
restore whose worker stopped.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import pymysql.err

from sysndd_backup.context import BackupRequest, BackupTools
from sysndd_backup.load.confined_account import restricted_load_account
from sysndd_backup.load.definers import DefinerStripper
from sysndd_backup.progress import Progress
from sysndd_backup.restore.accounts import (
    active_administrators,
    has_accounts,
    has_operator_administrator,
)
from sysndd_backup.restore.check_file import CheckedBackup, check_backup
from sysndd_backup.restore.damaged_tables import drop_keys_to_nothing
from sysndd_backup.restore.journal import Entry, Outcome, Purpose
from sysndd_backup.restore.migrate_backup import is_older
from sysndd_backup.restore.recovery import Recovery
from sysndd_backup.restore.safety_backup import (
    SafetyBackup,
    check_consent,
    create_safety_backup,
)
from sysndd_backup.restore.shadow import load_shadow
from sysndd_backup.restore.stored_objects import (
    drop_triggers_and_events,
    enable_events,
    read_objects,
    strip_definers,
)
from sysndd_backup.server.server import count_rows, readable_version
from sysndd_backup.server.session import open_session
from sysndd_backup.verify.loaded_schema import find_violations
from sysndd_core.backups.manifest import (
    BackupManifest,
    UnreadableObject,
    foreign_backup_refusal,
)
from sysndd_core.db.site import read_site
from sysndd_core.errors import (
    ConstraintViolations,
    ForeignBackup,
    LeaseLost,
    NoAdministratorInBackup,
    RestoreFailed,
    RestoreHookFailed,
    SafetyBackupFailed,
    SysnddError,
)
from sysndd_core.jobs.models import Consent, RestoreBackup
from sysndd_core.logging import get_logger

log = get_logger(__name__)

_SCHEMA_LOCK_SECONDS = 120.0
_LISTED = 10
_NOTHING_CHANGED = (
    RestoreHookFailed,
    SafetyBackupFailed,
    NoAdministratorInBackup,
    ConstraintViolations,
)
"""Errors whose details say that nothing was changed."""

MAINTENANCE_SEEN_SECONDS = 1.2
"""Seconds after which all API workers are in maintenance mode."""


@dataclass(frozen=True)
class RestoreResult:
    """The result of a restore.

    Attributes:
        restored: Name of the backup that is live now.
        safety_backup: Name of the backup of the replaced database; None if nothing in it could be
            read.
        missing_from_safety_backup: Objects that could not be read, with ``kind``, ``name`` and
            ``reason``.
        excluded_rows: Tables that are empty now, because the backup does not contain their rows.
        migrated: Whether pending migrations were applied to the backup.
        warnings: Sentences about foreign keys that were left out, about damaged objects that are
            gone, and about the site's program that is still held, or its failed post-hook.
    """

    restored: str
    safety_backup: str | None
    missing_from_safety_backup: list[dict[str, str]]
    table_count: int
    row_count: int
    sha256: str
    excluded_rows: list[str]
    migrated: bool
    warnings: list[str]


async def restore_backup(
    tools: BackupTools, job: RestoreBackup, request: BackupRequest, progress: Progress
) -> RestoreResult:
    """Replace the live database with a backup.

    Args:
        tools: Server, client programs and store.
        job: The backup to restore, and the risks that the operator accepts.
        request: The safety backup to create before the swap.
        progress: Reports the progress of the job.

    Raises:
        EncryptionKeyMissing, EncryptionKeyWrong: No identity can decrypt the backup; the live
            database was not changed.
        BackupDamaged: The file does not match its manifest; the live database was not changed.
        ForeignBackup: The operator did not accept this; the live database was not changed.
        ConstraintViolations, NoAdministratorInBackup: The operator did not accept this; the live
            database was not changed.
        SafetyBackupFailed: The live database was not changed.
        RestoreHookFailed: The pre-hook failed; the live database was not changed.
        RestoreFailed: The detail describes the state of the live database.
    """
    recovery = Recovery(tools.database, tools.undo_hours, tools.site_hold)
    await recovery.hold.check()
    manifest = await asyncio.to_thread(tools.store.manifest, job.name)
    await _check_site(tools, job, manifest)
    await check_consent(tools, job)
    await progress("checking", 1, f"Checking the whole file {job.name}")
    checked = await check_backup(tools, manifest, progress)
    entry = await _open_entry(recovery, manifest, request)
    safety_backup, migrated, warnings = SafetyBackup(None), False, list[str]()
    try:
        migrated, left_out = await _prepare_shadow(
            tools, recovery, checked, entry, progress, job=job
        )
        # Before maintenance, so that a slow hook does not reject writes, and before the safety
        # backup, so that it contains what the site's program wrote before it was held.
        await recovery.hold.run_pre_hook(entry, progress, 59)
        await recovery.journal.begin_maintenance(entry)
        await progress("maintenance", 60, "Maintenance mode: writes are rejected, reads continue")
        await asyncio.sleep(MAINTENANCE_SEEN_SECONDS)
        safety_backup = await create_safety_backup(tools, job, request, progress)
        warnings = left_out + await swap_tables(recovery, entry, progress, safety_backup.missing)
    except LeaseLost:
        raise
    except (SysnddError, pymysql.err.Error) as error:
        await resolve_failed(recovery, entry, error)
    await progress("cleaning", 97, "Dropping schemas that are no longer needed")
    await recovery.drop_superseded()
    return _result(manifest, safety_backup, migrated, warnings)


async def swap_tables(
    recovery: Recovery,
    entry: Entry,
    progress: Progress,
    unreadable: Sequence[UnreadableObject],
) -> list[str]:
    """Swap the tables under the schema lock, while the accounts of the site are locked.

    Args:
        recovery: The restore journal, and the steps of the swap.
        entry: An open journal entry.
        progress: Reports the progress of the job.
        unreadable: The live tables and views that cannot be read.

    Returns:
        Sentences about the site's program that is still held, or its failed post-hook, and about
        damaged objects that are gone.

    Raises:
        LeaseLost: Another worker has claimed the job or resolved the entry; nothing was changed.
        RestoreFailed, SchemaLocked, DatabaseUnavailable: The swap failed; call
            ``resolve_failed``.
    """
    async with open_session(
        recovery.database.settings, lock_timeout=_SCHEMA_LOCK_SECONDS
    ) as session:
        # The live database changes from here on. A worker whose lease has expired must stop, and
        # reporting progress checks the fencing token.
        await progress("swapping", 90, "Swapping the live tables in one statement")
        # Read the entry again, because the stored objects were recorded after it was opened.
        current = await recovery.journal.get(entry.id)
        if current.outcome is not None:
            raise LeaseLost("The restore was rolled back by another worker.")
        swap = recovery.swap(session)
        await swap.carry_out(current, unreadable)
        return swap.warnings


async def resolve_failed(
    recovery: Recovery, entry: Entry, error: SysnddError | pymysql.err.Error
) -> None:
    """Resolve an entry after an error; returns normally if the swap was completed.

    Args:
        recovery: The restore journal, and the steps of the swap.
        entry: An open journal entry.
        error: The error of the restore or undo.

    Raises:
        RestoreFailed, or one of ``_NOTHING_CHANGED``: The detail describes the state of the live
            database.
    """
    if isinstance(error, pymysql.err.Error):
        cause, error = error, RestoreFailed(f"The server rejected a statement: {error}.")
        error.__cause__ = cause
    log.error("restore_failed", entry=entry.id, reason=error.detail)
    try:
        outcome = await recovery.resolve(entry)
    except SysnddError as failure:
        raise RestoreFailed(
            f"{error.detail} The swap could not be completed or reverted yet ({failure.detail})."
            " The worker keeps trying; no action is required."
        ) from error
    if outcome is Outcome.DONE:
        return
    if isinstance(error, _NOTHING_CHANGED):
        raise error
    reverted = (await recovery.journal.get(entry.id)).swapping
    state = "The database is as before." if reverted else "Nothing was changed."
    raise RestoreFailed(f"{error.detail} {state}") from error


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
) -> tuple[bool, list[str]]:
    """Load, migrate and check the backup in the shadow schema.

    Returns:
        Whether it was migrated, and sentences about what was left out.
    """
    settings, shadow = tools.database.settings, entry.incoming
    async with restricted_load_account(settings, shadow, tools.load_account) as account:
        rewrite = await load_shadow(tools, checked, shadow, progress, account=account)
        migrated = await _migrate(tools, recovery, entry, progress)
        left_out = await _check_constraints(tools, job, entry)
        await _check_administrator(tools, job, entry)
        await _record_objects(tools, recovery, entry, rewrite)
    return migrated, left_out


async def _migrate(
    tools: BackupTools, recovery: Recovery, entry: Entry, progress: Progress
) -> bool:
    now = await readable_version(tools.database, tools.database.settings.name)
    # An uploaded dump has no version in its manifest, and perhaps a ledger in its tables.
    then = await readable_version(tools.database, entry.incoming)
    if not is_older(then, now):
        return False
    if tools.migrate is None:
        log.warning("restore_migration_skipped", backup=then, live=now)
        return False
    await progress("migrating", 58, f"Migrating the backup from {then} to {now}")
    await tools.migrate(entry.incoming)
    counts = await count_rows(tools.database, entry.incoming)
    await recovery.journal.record_row_counts(entry, counts)
    return True


async def _check_site(tools: BackupTools, job: RestoreBackup, manifest: BackupManifest) -> None:
    """Reject a backup of another site, unless the request accepts that.

    Raises:
        ForeignBackup: The request does not accept ``foreign_backup``.
    """
    site = await read_site(tools.database, tools.database.settings.ops_name)
    own = site.id if site is not None else None
    if manifest.is_foreign_to(own) and Consent.FOREIGN_BACKUP not in job.accept:
        raise ForeignBackup(foreign_backup_refusal(manifest))


async def _check_constraints(tools: BackupTools, job: RestoreBackup, entry: Entry) -> list[str]:
    """Reject data that violates its constraints, unless the request accepts it.

    Returns:
        One sentence for each foreign key that was left out, because its table does not exist.

    Raises:
        ConstraintViolations: The request does not accept ``constraint_violations``.
    """
    consent = Consent.CONSTRAINT_VIOLATIONS
    violations = await find_violations(tools, entry.incoming)
    if not violations:
        return []
    log.warning("constraints_violated", backup=job.name, violations=violations)
    if consent not in job.accept:
        raise ConstraintViolations(
            f"Restore refused: {job.name} contains data that violates its constraints."
            f" {' '.join(violations[:_LISTED])} Nothing was changed. To restore it as it is,"
            f" {consent.how_to_accept}"
        )
    async with open_session(tools.database.settings) as session:
        return await drop_keys_to_nothing(session, entry.incoming)


async def _check_administrator(tools: BackupTools, job: RestoreBackup, entry: Entry) -> None:
    """Reject a backup after which nobody could administer the site, unless the request accepts it.

    An operator who is an administrator can, whatever the backup contains.

    Raises:
        NoAdministratorInBackup: The request does not accept ``no_administrator``.
    """
    async with open_session(tools.database.settings) as session:
        if (
            Consent.NO_ADMINISTRATOR in job.accept
            or not await has_accounts(session, entry.live)
            or await has_operator_administrator(session, tools.database.settings.ops_name)
        ):
            return
        if not await active_administrators(session, entry.incoming):
            raise NoAdministratorInBackup(
                f"Restore refused: {job.name} contains no active administrator, so no one could"
                " administer the restored site. Nothing was changed. To restore it anyway,"
                f" {Consent.NO_ADMINISTRATOR.how_to_accept}"
            )


async def _record_objects(
    tools: BackupTools, recovery: Recovery, entry: Entry, rewrite: DefinerStripper
) -> None:
    """Record the stored objects of the backup as they will be created in the live database."""
    shadow, settings = entry.incoming, tools.database.settings
    async with open_session(settings) as session:
        objects = strip_definers(await read_objects(session, shadow, into=settings.name))
        objects = enable_events(objects, rewrite.enabled_events)
        await recovery.journal.record_objects(entry, objects)
        # An enabled event would change the tables that were counted.
        await drop_triggers_and_events(session, shadow)


def _result(
    manifest: BackupManifest, safety_backup: SafetyBackup, migrated: bool, warnings: list[str]
) -> RestoreResult:
    return RestoreResult(
        restored=manifest.name,
        safety_backup=safety_backup.name,
        missing_from_safety_backup=[
            {"kind": one.kind, "name": one.name, "reason": one.reason}
            for one in safety_backup.missing
        ],
        table_count=manifest.table_count,
        row_count=manifest.row_count,
        sha256=manifest.sha256,
        excluded_rows=manifest.excluded_rows,
        migrated=migrated,
        warnings=warnings,
    )
