"""Undoes the last restore: the previous tables are still there, so it is one rename."""

import secrets
from dataclasses import dataclass

from sysndd_backup.context import BackupTools
from sysndd_backup.progress import JobRun
from sysndd_backup.restore.journal import Entry, Purpose
from sysndd_backup.restore.recovery import Recovery
from sysndd_backup.restore.restore import resolve_failed, swap_tables
from sysndd_backup.server.server import count_rows
from sysndd_core.errors import LeaseLost, RestoreFailed, SysnddError


@dataclass(frozen=True)
class UndoResult:
    """What an undo did.

    Attributes:
        undone: the backup whose restore was undone.
        rows_added, rows_removed: in live since that restore, by the number of rows per table; rows
            that were only changed are not among them.
        kept_in: schema that holds the tables as they were just before the undo.
    """

    undone: str | None
    rows_added: int
    rows_removed: int
    kept_in: str


async def undo_restore(tools: BackupTools, run: JobRun) -> UndoResult:
    """Exchange the live tables for those that the last restore replaced.

    Raises:
        RestoreFailed: there is nothing to undo, or it failed; the detail says what live is now.
    """
    recovery = Recovery(tools.database, tools.undo_hours)
    last = await _last_restore(recovery)
    await run.progress("counting", 10, "Counting rows that were written since")
    added, removed = await _written_since(tools, last)
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
    try:
        await swap_tables(recovery, entry, run.progress)
    except LeaseLost:
        raise
    except SysnddError as error:
        await resolve_failed(recovery, entry, error)
    return UndoResult(last.backup, added, removed, entry.outgoing)


async def _last_restore(recovery: Recovery) -> Entry:
    kept = await recovery.journal.kept(expired=False)
    if not kept or kept[0].purpose is not Purpose.RESTORE:
        raise RestoreFailed("There is no restore that could be undone. Nothing was changed.")
    return kept[0]


async def _written_since(tools: BackupTools, last: Entry) -> tuple[int, int]:
    now = await count_rows(tools.database, last.live)
    names = now.keys() | last.row_counts.keys()
    grown = [now.get(name, 0) - last.row_counts.get(name, 0) for name in names]
    return sum(n for n in grown if n > 0), -sum(n for n in grown if n < 0)
