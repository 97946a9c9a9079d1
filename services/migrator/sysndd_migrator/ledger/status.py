"""Files compared with the ledger: applied, pending, or requiring manual resolution."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sysndd_core.db.schema_version import MigrationDirectory, migration_number
from sysndd_migrator.errors import (
    AmbiguousFile,
    ChangedAfterApplied,
    DuplicateNumber,
    FailedMigration,
    NotClean,
)
from sysndd_migrator.files.script import Script
from sysndd_migrator.ledger.failed_statement import FailedStatement
from sysndd_migrator.ledger.ledger import LedgerRow


class State(StrEnum):
    """The state of a file."""

    APPLIED = "applied"
    COSMETIC = "cosmetic_change"
    PENDING = "pending"
    OUT_OF_ORDER = "out_of_order"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    CHANGED = "changed"
    MISSING = "missing"
    DUPLICATE = "duplicate_number"


WAITING = frozenset({State.PENDING, State.OUT_OF_ORDER, State.INTERRUPTED})
"""``up`` applies these."""
PROBLEMS = frozenset({State.FAILED, State.CHANGED, State.DUPLICATE})
"""``up`` refuses to run if one of these exists."""


@dataclass(frozen=True)
class FileState:
    """The state of one file.

    Attributes:
        filename: Name of the file.
        state: Its state.
        script: The file; None if it is missing.
        row: Its ledger row, or None.
        remark: What to know or do, in sentences; may be empty.
        failed: The statement that the server rejected, or None.
    """

    filename: str
    state: State
    script: Script | None
    row: LedgerRow | None
    remark: str = ""
    failed: FailedStatement | None = None


def assess(
    scripts: Sequence[Script],
    rows: Mapping[str, LedgerRow],
    *,
    duplicates: Mapping[int, tuple[str, ...]],
    failures: Mapping[str, FailedStatement] | None = None,
) -> list[FileState]:
    """Compare files and ledger.

    Args:
        scripts: The files in numeric order.
        rows: Rows of the ledger.
        duplicates: Numbers that several files have.
        failures: Rejected statements by the ID of the run, from the journal.

    Returns:
        The files in numeric order, including missing ones.
    """
    newest = max((_number(name) for name, row in rows.items() if row.success), default=-1)
    known = failures or {}
    states = [_assess_one(script, rows.get(script.filename), newest, known) for script in scripts]
    same_number = {name: names for names in duplicates.values() for name in names}
    states = [_with_duplicates(state, same_number) for state in states]
    present = {script.filename for script in scripts}
    states += [
        FileState(
            name,
            State.MISSING,
            None,
            row,
            f"{name} was applied, but is no longer in the directory.",
        )
        for name, row in rows.items()
        if name not in present
    ]
    return sorted(states, key=lambda state: (_number(state.filename), state.filename))


def _assess_one(
    script: Script,
    row: LedgerRow | None,
    newest: int,
    failures: Mapping[str, FailedStatement],
) -> FileState:
    name = script.filename
    if row is None:
        if script.number > newest:
            return FileState(name, State.PENDING, script, None)
        remark = f"{name} is pending, but a file with a higher number is already applied."
        return FileState(name, State.OUT_OF_ORDER, script, None, remark)
    if row.success:
        return FileState(name, *_applied(script, row))
    if row.failed:
        failed = failures.get(row.run_id or "")
        return FileState(name, State.FAILED, script, row, _failed_remark(row, failed), failed)
    return FileState(name, *_interrupted(script, row))


def _applied(script: Script, row: LedgerRow) -> tuple[State, Script, LedgerRow, str]:
    if row.checksum == script.checksum:
        return State.APPLIED, script, row, ""
    name = script.filename
    if _same_statements(script, row):
        remark = f"{name}: only comments or whitespace changed since it was applied."
        return State.COSMETIC, script, row, remark
    remark = (
        f"{name} was changed after it was applied on {row.applied_at:%Y-%m-%d %H:%M:%S} UTC. "
        "Restore its text, and write the change as a new file with the next number."
    )
    return State.CHANGED, script, row, remark


def _interrupted(script: Script, row: LedgerRow) -> tuple[State, Script, LedgerRow, str]:
    if _same_statements(script, row):
        remark = f"{script.filename} was interrupted; the next `up` resumes it."
        return State.INTERRUPTED, script, row, remark
    remark = (
        f"{script.filename} was interrupted and then changed, so it cannot be resumed. Restore its "
        "text and run `sysndd-migrator up`, then write the change as a new file."
    )
    return State.CHANGED, script, row, remark


def _same_statements(script: Script, row: LedgerRow) -> bool:
    try:
        return script.statements_checksum == row.statements_checksum
    except AmbiguousFile:
        return False


def _failed_remark(row: LedgerRow, failed: FailedStatement | None) -> str:
    at = failed.resume_at if failed else "K"
    return (
        f"{row.filename} failed on {row.applied_at:%Y-%m-%d %H:%M:%S} UTC: {row.error}. "
        f"Correct the file or the database. Then `sysndd-migrator resolve {row.filename} "
        f"--from-statement {at}` resumes there; `--applied` records it as applied after you "
        "have done its work by hand."
    )


def _with_duplicates(state: FileState, same_number: Mapping[str, tuple[str, ...]]) -> FileState:
    if state.filename not in same_number or state.state is State.FAILED:
        return state
    number = _number(state.filename)
    remark = (
        f"{' and '.join(same_number[state.filename])} have the same number {number}, so their "
        "order is undefined. Give the file that is not applied the next free number."
    )
    return FileState(state.filename, State.DUPLICATE, state.script, state.row, remark)


def refuse_problems(states: Iterable[FileState]) -> None:
    """Raise the error of the first file that requires manual resolution.

    Raises:
        DuplicateNumber: Another file has the same number.
        FailedMigration: A statement of it failed.
        ChangedAfterApplied: Its statements differ from those that were applied.
    """
    errors: dict[State, type[NotClean]] = {
        State.DUPLICATE: DuplicateNumber,
        State.FAILED: FailedMigration,
        State.CHANGED: ChangedAfterApplied,
    }
    for state in states:
        if state.state in errors:
            raise errors[state.state](state.remark, file=state.filename)


def unfinished(states: Iterable[FileState]) -> bool:
    """Return whether a file was begun, but not applied."""
    return any(state.row is not None and not state.row.success for state in states)


def ignored_remarks(directory: MigrationDirectory) -> list[str]:
    """Return a remark for each ``.sql`` file that is ignored because of its name."""
    return [
        f"{name} is ignored, because its name does not have the form NNN_name.sql."
        for name in directory.ignored
    ]


def _number(filename: str) -> int:
    number = migration_number(filename)
    return -1 if number is None else number
