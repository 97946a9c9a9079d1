"""``up``: applies pending files to both schemas, platform first, under the lock."""

import contextlib
from collections.abc import Mapping

import pymysql.err

from sysndd_migrator.commands.migrator import Migrator
from sysndd_migrator.commands.report import Announce, Applied, Report
from sysndd_migrator.ledger.status import FileState, State


def _announce_nothing(_: Applied) -> None:
    pass


async def up(
    migrator: Migrator,
    *,
    timeout: float | None = None,
    announce: Announce = _announce_nothing,
    strict: bool = False,
    accept_drift: bool = False,
) -> Report:
    """Apply the pending files.

    Args:
        migrator: The migrator.
        timeout: Seconds to wait for the lock; None to wait while its holder makes progress.
        announce: Called after each file.
        strict: Reject a file that changes nothing and does not state ``-- expect: no-op``.
        accept_drift: Accept schema changes that no migration made.

    Raises:
        MigratorError: The run failed; has an exit code.
        ForeignPlatformSchema: The platform schema belongs to another application schema.
        SchemaNotAttached: The application schema has tables of somebody else.
    """
    recorded = await migrator.site.check() is not None
    states = await migrator.assess()
    if all(state.row is None for state in states["application"]):
        await migrator.site.check_attached()
    if recorded and _all_applied(states) and not accept_drift:
        # Without the lock, so that a start with nothing to do costs one query for each ledger.
        return Report(remarks=migrator.remarks(states))
    # Imported here, because a start with nothing to do would spend a fifth of its time on it.
    from sysndd_migrator.commands.apply_pending import apply_pending  # noqa: PLC0415

    await migrator.lock.acquire(timeout=timeout, check=migrator.interruption.check)
    try:
        return await apply_pending(migrator, announce, strict=strict, accept_drift=accept_drift)
    finally:
        with contextlib.suppress(pymysql.err.Error, OSError):
            await migrator.lock.release()


def _all_applied(states: Mapping[str, list[FileState]]) -> bool:
    done = {State.APPLIED, State.MISSING}
    return all(state.state in done for found in states.values() for state in found)
