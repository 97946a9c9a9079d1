"""Loads a checked backup into a scratch schema, and compares the result with its manifest."""

import contextlib

from sysndd_backup.context import BackupTools
from sysndd_backup.load.confined_account import restricted_load_account
from sysndd_backup.load.definers import DefinerStripper
from sysndd_backup.load.parallel import Load
from sysndd_backup.progress import Progress, ProgressReporter
from sysndd_backup.restore.check_file import CheckedBackup
from sysndd_backup.server.session import open_session
from sysndd_backup.verify.loaded_schema import verify_rows, verify_schema
from sysndd_core.settings.database import DatabaseSettings


async def load_shadow(
    tools: BackupTools,
    checked: CheckedBackup,
    shadow: str,
    progress: Progress,
    *,
    only: str | None = None,
    account: DatabaseSettings | None = None,
) -> DefinerStripper:
    """Load a backup into a new scratch schema, with its events disabled.

    Args:
        tools: Server, client programs and store.
        checked: The backup, after ``check_backup``.
        shadow: Name of the schema, not quoted; an existing schema is dropped.
        progress: Reports the progress of the job, from 2 to 59 percent.
        only: The only table to load, without its foreign keys; None to load all objects. A backup
            without a load plan is always loaded completely.
        account: An account from ``restricted_load_account`` for this schema; None to create one
            and drop it at the end. It is the definer of the stored objects, and MySQL neither runs
            nor describes a view or trigger without its definer.

    Returns:
        The stripper of definers, with the names of the events that it disabled.

    Raises:
        RestoreFailed: The backup cannot be loaded, or the result does not match the manifest.
    """
    async with open_session(tools.database.settings) as session:
        await session.create_schema(shadow)
    async with contextlib.AsyncExitStack() as stack:
        if account is None:
            account = await stack.enter_async_context(
                restricted_load_account(tools.database.settings, shadow, tools.load_account)
            )
        rewrite = await _load(tools, checked, shadow, progress, account=account, only=only)
        await progress("verifying", 55, "Counting tables and rows")
        await _compare(tools, checked, shadow, only)
    return rewrite


async def _load(
    tools: BackupTools,
    checked: CheckedBackup,
    shadow: str,
    progress: Progress,
    *,
    account: DatabaseSettings,
    only: str | None,
) -> DefinerStripper:
    manifest, plan = checked.manifest, checked.plan
    if plan is not None and only is not None:
        plan = plan.of_one_table(only)
    rewrite = DefinerStripper(manifest.database, shadow)
    load = Load(account, tools.clients, shadow, plan=plan, rewrite=rewrite)
    reporter = ProgressReporter(progress, "loading", (2, 52), manifest.uncompressed_bytes)
    await reporter.watch(
        load.run(lambda: tools.reader.open(manifest)), load.bytes_sent, message=load.message
    )
    return rewrite


async def _compare(
    tools: BackupTools, checked: CheckedBackup, shadow: str, only: str | None
) -> None:
    manifest = checked.manifest
    if only is None:
        await verify_schema(tools, manifest, shadow)
    else:
        await verify_rows(tools, shadow, only, manifest.rows_per_table.get(only, 0))
