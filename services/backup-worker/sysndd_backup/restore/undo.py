"""Undoes the last restore: swaps the live tables with the retained tables that it replaced."""

import secrets
from dataclasses import dataclass

import pymysql.err

from sysndd_backup.context import BackupTools
from sysndd_backup.progress import JobRun
from sysndd_backup.restore.journal import Entry, Purpose
from sysndd_backup.restore.recovery import Recovery
from sysndd_backup.restore.restore import resolve_failed, swap_tables
from sysndd_backup.server.unreadable import count_readable_rows
from sysndd_core.errors import LeaseLost, RestoreFailed, SysnddError


@dataclass(frozen=True)
class UndoResult:
    """The result of an undo.

    Attributes:
        undone: Name of the backup whose restore was undone.
        rows_added, rows_removed: Rows added to and removed from the live database since the
            restore, from the row counts of the tables; changed rows are not included.
        kept_in: Schema with the tables as they were before the undo.
        warnings: Sentences about the site's program that is still held, or its failed post-hook.
    """

    undone: str | None
    rows_added: int
    rows_removed: int
    kept_in: str
    warnings: list[str]


async def undo_restore(tools: BackupTools, run: JobRun) -> UndoResult:
    """Undo the last restore.

    Args:
        tools: Server and connection pool.
        run: The attempt at the job.

    Raises:
        RestoreHookFailed: The pre-hook failed; the live database was not changed.
        RestoreFailed: There is no restore to undo, or the undo failed; the detail describes the
            state of the live database.
    """
    recovery = Recovery(tools.database, tools.undo_hours, tools.site_hold)
    await recovery.hold.check()
    last = await _last_restore(recovery)
    await run.progress("counting", 10, "Counting rows that were written since the restore")
    now, unreadable = await count_readable_rows(tools.database, last.live)
    added, removed = _changes(now, last)
    live = tools.database.settings.name
    entry = await recovery.journal.open(
        Purpose.UNDO,
        job_id=run.id,
        backup=last.backup,
        incoming=last.outgoing,
        outgoing=f"{live}_undone_{secrets.token_hex(4)}",
        row_counts={},
        new_objects=last.old_objects,
    )
    warnings: list[str] = []
    try:
        await recovery.hold.run_pre_hook(entry, run.progress, 50)
        warnings = await swap_tables(recovery, entry, run.progress, unreadable)
    except LeaseLost:
        raise
    except (SysnddError, pymysql.err.Error) as error:
        await resolve_failed(recovery, entry, error)
    return UndoResult(last.backup, added, removed, entry.outgoing, warnings)


async def _last_restore(recovery: Recovery) -> Entry:
    retained = await recovery.journal.retained(expired=False)
    if not retained or retained[0].purpose is not Purpose.RESTORE:
        raise RestoreFailed(
            "There is no restore to undo: none ran within BACKUP_UNDO_HOURS, or the last one was"
            " already undone. Nothing was changed."
        )
    return retained[0]


def _changes(now: dict[str, int], last: Entry) -> tuple[int, int]:
    names = now.keys() | last.row_counts.keys()
    changes = [now.get(name, 0) - last.row_counts.get(name, 0) for name in names]
    return sum(n for n in changes if n > 0), -sum(n for n in changes if n < 0)
