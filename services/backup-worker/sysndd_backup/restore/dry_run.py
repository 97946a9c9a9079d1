"""The dry run of a restore: the changes it would make to tables, rows and accounts."""

import asyncio
from dataclasses import asdict
from typing import Any

from sysndd_backup.context import BackupTools
from sysndd_backup.progress import JobRun
from sysndd_backup.restore.accounts import (
    AccountChanges,
    compare_accounts,
    has_operator_administrator,
)
from sysndd_backup.restore.check_file import CheckedBackup, check_backup
from sysndd_backup.restore.scratch_schemas import ScratchSchemas
from sysndd_backup.restore.shadow import load_shadow
from sysndd_backup.server.session import open_session
from sysndd_backup.server.unreadable import count_readable_rows
from sysndd_core.backups.manifest import BackupManifest
from sysndd_core.db.site import read_site
from sysndd_core.jobs.models import Consent

_ACCOUNTS = "user"


async def dry_run_restore(tools: BackupTools, name: str, run: JobRun) -> dict[str, Any]:
    """Check the whole file of a backup, and compare it with the live database.

    Only the accounts are loaded, into a scratch schema that is dropped at the end.

    Args:
        tools: Server, client programs and store.
        name: Name of the backup.
        run: The attempt at the job.

    Returns:
        ``tables`` that differ, with ``live_rows`` and ``backup_rows`` (None if a table does not
        exist), ``excluded_rows``: the tables that will be empty, with ``live_rows``, ``accounts``
        as ``AccountChanges``, ``unreadable``: what cannot be read in the live database, with
        ``kind``, ``name`` and ``reason``, ``constraint_violations``: what the verification of the
        backup found, and ``required_consents``.

    Raises:
        SysnddError: See ``check_backup`` and ``load_shadow``.
    """
    manifest = await asyncio.to_thread(tools.store.manifest, name)
    await run.progress("checking", 1, f"Checking the whole file {name}")
    checked = await check_backup(tools, manifest, run.progress)
    await run.progress("counting", 60, "Counting the rows of the live database")
    live, unreadable = await count_readable_rows(tools.database, tools.database.settings.name)
    then = manifest.rows_per_table
    accounts = await _accounts(tools, checked, run)
    return {
        "name": name,
        "sha256": manifest.sha256,
        "table_count": manifest.table_count,
        "live_table_count": len(live),
        "row_count": manifest.row_count,
        "live_row_count": sum(live.values()),
        "tables": [
            {"table": table, "live_rows": live.get(table), "backup_rows": then.get(table)}
            for table in sorted(live.keys() | then.keys())
            if live.get(table) != then.get(table)
        ],
        "excluded_rows": [
            {"table": table, "live_rows": live.get(table)} for table in manifest.excluded_rows
        ],
        "accounts": asdict(accounts),
        "constraint_violations": manifest.constraint_violations,
        "unreadable": [one.model_dump() for one in unreadable],
        "required_consents": await _required_consents(
            tools, manifest, accounts, complete=bool(live) and not unreadable
        ),
    }


async def _required_consents(
    tools: BackupTools, manifest: BackupManifest, accounts: AccountChanges, *, complete: bool
) -> list[str]:
    settings = tools.database.settings
    site = await read_site(tools.database, settings.ops_name)
    required = []
    if manifest.is_foreign_to(site.id if site is not None else None):
        required.append(Consent.FOREIGN_BACKUP.value)
    if accounts.active_administrators == 0:
        async with open_session(settings) as session:
            if not await has_operator_administrator(session, settings.ops_name):
                required.append(Consent.NO_ADMINISTRATOR.value)
    if manifest.constraint_violations:
        required.append(Consent.CONSTRAINT_VIOLATIONS.value)
    if not complete:
        required.append(Consent.INCOMPLETE_SAFETY_BACKUP.value)
    return required


async def _accounts(tools: BackupTools, checked: CheckedBackup, run: JobRun) -> AccountChanges:
    settings = tools.database.settings
    if _ACCOUNTS not in checked.manifest.rows_per_table:
        return AccountChanges()
    scratch_schemas = ScratchSchemas(tools.database)
    scratch = await scratch_schemas.open(run.id, checked.manifest.name, _ACCOUNTS, hours=0)
    try:
        await load_shadow(tools, checked, scratch, run.progress, only=_ACCOUNTS)
        async with open_session(settings) as session:
            return await compare_accounts(session, settings.name, scratch)
    finally:
        await scratch_schemas.drop(scratch)
