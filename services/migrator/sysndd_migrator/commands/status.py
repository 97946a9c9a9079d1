"""``status``: what the ledger alone does not show."""

from collections.abc import Mapping

from sysndd_migrator.apply.assertions import CHANGED_NOTHING
from sysndd_migrator.checks.drift import Drift
from sysndd_migrator.commands.migrator import Migrator
from sysndd_migrator.ledger.status import FileState, unfinished


async def drift_sentences(migrator: Migrator, states: Mapping[str, list[FileState]]) -> list[str]:
    """Return a sentence for each object that differs from the state after the last run.

    Args:
        migrator: The migrator.
        states: From ``assess``; a schema with an unfinished file is skipped.
    """
    drift = Drift(migrator.session, migrator.sources[0].schema)
    found = [
        await drift.sentences(source.schema)
        for source in migrator.managed
        if not unfinished(states[source.name])
    ]
    return [sentence for sentences in found for sentence in sentences]


async def without_effect(migrator: Migrator, states: Mapping[str, list[FileState]]) -> list[str]:
    """Return a sentence for each file that changed nothing and lacks ``-- expect: no-op``.

    Args:
        migrator: The migrator.
        states: From ``assess``.
    """
    runs = await migrator.journal.without_effect()
    return [
        f"{state.filename} {CHANGED_NOTHING}"
        for found in states.values()
        for state in found
        if state.row is not None and state.row.run_id in runs and state.row.success
        if not (state.script is not None and state.script.directives.no_op)
    ]
