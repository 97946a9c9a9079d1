"""``resolve``: records a decision about a failed file in ledger and journal."""

import uuid
from collections.abc import Sequence

from sysndd_core import __version__
from sysndd_core.logging import get_logger
from sysndd_migrator.commands.migrator import Migrator
from sysndd_migrator.errors import NotClean
from sysndd_migrator.files.script import Script
from sysndd_migrator.ledger.status import FileState, State
from sysndd_migrator.server.session import Outcome, Write

log = get_logger(__name__)

_OPEN = frozenset({State.FAILED, State.INTERRUPTED, State.CHANGED})


async def resolve(
    migrator: Migrator, filename: str, *, from_statement: int | None, timeout: float | None
) -> str:
    """Record how to continue with a failed or interrupted file.

    Args:
        migrator: The migrator.
        filename: Name of the file.
        from_statement: Statement at which the next ``up`` resumes, from 1; None if all of the
            file's work was done by hand.
        timeout: Seconds to wait for the lock.

    Returns:
        One sentence that describes what was recorded.

    Raises:
        NotClean: The file needs no decision, or the statement is inside a unit.
    """
    await migrator.lock.acquire(timeout=timeout)
    try:
        source, state = _find(await migrator.assess(), filename)
        if state.script is None or state.row is None or state.row.success:
            raise NotClean(f"{filename} needs no decision.", file=filename)
        run_id = uuid.uuid4().hex
        writes = [_begun(migrator, source, state.script, run_id)]
        if from_statement is None:
            ledger = migrator.ledger(source)
            writes += [
                ledger.succeeded(filename, 0),
                ledger.decided(filename, "resolved"),
            ]
            sentence = f"{filename} is recorded as applied."
        else:
            writes += _skipped(migrator, source, state.script, run_id, from_statement)
            sentence = f"The next `up` resumes {filename} at statement {from_statement}."
        await migrator.write(writes)
        log.warning("migration_resolved", file=filename, from_statement=from_statement)
        return sentence
    finally:
        await migrator.lock.release()


def _find(states: dict[str, list[FileState]], filename: str) -> tuple[str, FileState]:
    for source, found in states.items():
        for state in found:
            if state.filename == filename and state.state in _OPEN:
                return source, state
    raise NotClean(f"There is no failed or interrupted file {filename}.", file=filename)


def _begun(migrator: Migrator, source: str, script: Script, run_id: str) -> Write:
    return migrator.ledger(source).begun(
        filename=script.filename,
        checksum=script.checksum,
        statements_checksum=script.statements_checksum,
        statements=len(script.statements),
        tool_version=__version__,
        run_id=run_id,
    )


def _skipped(
    migrator: Migrator, source: str, script: Script, run_id: str, first: int
) -> Sequence[Write]:
    """Return the writes that mark the units before a statement as finished."""
    starts = [unit.first for unit in script.units] + [len(script.statements) + 1]
    if first not in starts:
        before = max((start for start in starts if start < first), default=1)
        raise NotClean(
            f"{script.filename} cannot resume at statement {first}, which commits together "
            f"with statement {before}. Use --from-statement {before}.",
            file=script.filename,
        )
    journal, schema = migrator.journal, migrator.ledger(source).schema
    decided = Outcome(0, 0, "resolved")
    return [
        journal.done(journal.unit_columns(run_id, schema, script, unit), decided)
        for unit in script.units
        if unit.first < first
    ]
