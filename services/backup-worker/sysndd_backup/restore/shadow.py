"""Loads a checked backup into a scratch schema and verifies it there, confined to that schema."""

import asyncio
import contextlib
import time

from sysndd_backup.archive.compression import open_reader
from sysndd_backup.dump.create_backup import BackupTools
from sysndd_backup.load.client import Load
from sysndd_backup.load.confined_account import WithoutDefiners, confined
from sysndd_backup.load.parallel import SplitLoad
from sysndd_backup.pace import pace
from sysndd_backup.progress import Progress
from sysndd_backup.restore.check_file import CheckedBackup
from sysndd_backup.server.session import open_session
from sysndd_backup.verify.compare import verify_rows, verify_schema
from sysndd_core.settings.database import DatabaseSettings

_PROGRESS_SECONDS = 0.5


async def load_shadow(
    tools: BackupTools,
    checked: CheckedBackup,
    shadow: str,
    progress: Progress,
    *,
    only: str | None = None,
    account: DatabaseSettings | None = None,
) -> WithoutDefiners:
    """Make a scratch schema that holds the whole backup; events in it are disabled.

    Args:
        tools: server, client programs and store.
        checked: the backup, read to its end.
        shadow: plain name of the schema; what is in it is dropped.
        progress: shown to the operator; from 2 to 59 percent.
        only: the one table to load, without its foreign keys; None for everything. A backup that
            must be loaded from top to bottom is loaded as a whole all the same.
        account: one that ``confined`` gave for this schema; None for one that is gone again at the
            end. What is loaded belongs to it: MySQL neither runs nor describes a view or trigger
            whose owner is gone.

    Returns:
        What was rewritten on the way.

    Raises:
        RestoreFailed: it can't be loaded, or is not what the manifest says.
    """
    settings, manifest = tools.database.settings, checked.manifest
    async with open_session(settings) as session:
        await session.create_schema(shadow)
    rewrite, plan = WithoutDefiners(manifest.database, shadow), checked.plan
    if plan is not None and only is not None:
        plan = plan.of_one_table(only)
    async with contextlib.AsyncExitStack() as stack:
        if account is None:
            account = await stack.enter_async_context(
                confined(settings, shadow, tools.load_account)
            )
        load: Load | SplitLoad = Load(account, tools.clients, shadow, rewrite=rewrite)
        if plan is not None:
            load = SplitLoad(account, tools.clients, shadow, plan, rewrite=rewrite)
        await _watch(load, tools, checked, progress)
        await progress("verifying", 55, "Counting tables and rows")
        if only is None:
            await verify_schema(tools, manifest, shadow)
        else:
            await verify_rows(tools, shadow, only, manifest.rows_per_table.get(only, 0))
    return rewrite


async def _watch(
    load: Load | SplitLoad, tools: BackupTools, checked: CheckedBackup, progress: Progress
) -> None:
    path, expected = tools.store.path(checked.manifest.name), checked.manifest.uncompressed_bytes
    work = asyncio.create_task(load.run(lambda: open_reader(path, tools.keys)))
    begun = time.monotonic()
    try:
        while not work.done():
            done = load.bytes_sent
            text = pace(done, expected, time.monotonic() - begun)
            if isinstance(load, SplitLoad) and load.step != "rows":
                text = f"Adding {load.step}"
            share = min(1.0, done / max(1, expected))
            await progress("loading", 2 + int(50 * share), text)
            await asyncio.wait([work], timeout=_PROGRESS_SECONDS)
    except BaseException:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        raise
    work.result()
