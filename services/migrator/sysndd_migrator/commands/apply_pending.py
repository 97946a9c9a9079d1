"""Applies the pending files, while the migration lock is held."""

import contextlib
import uuid
from collections.abc import Sequence

import pymysql.err

from sysndd_core.db.site import has_ledger, table_names
from sysndd_core.logging import get_logger
from sysndd_core.sql.identifiers import quote_name
from sysndd_migrator.apply.file_run import FileRun, remarks_of
from sysndd_migrator.apply.progress import Progress
from sysndd_migrator.apply.run_context import RunContext
from sysndd_migrator.checks.drift import Drift, drift_remarks
from sysndd_migrator.commands.migrator import Migrator
from sysndd_migrator.commands.report import Announce, Applied, Report
from sysndd_migrator.errors import TablesExist
from sysndd_migrator.files.created_tables import created_tables
from sysndd_migrator.files.sources import Source
from sysndd_migrator.ledger.status import WAITING, FileState, State, refuse_problems, unfinished
from sysndd_migrator.server.session import Session, not_permitted, server_error

log = get_logger(__name__)

_UNKNOWN_DATABASE = 1049


async def apply_pending(
    migrator: Migrator, announce: Announce, *, strict: bool, accept_drift: bool
) -> Report:
    """Apply the pending files. The caller holds the lock.

    Args:
        migrator: The migrator.
        announce: Called after each file.
        strict: Reject a file that changes nothing and does not state ``-- expect: no-op``.
        accept_drift: Accept schema changes that no migration made.

    Raises:
        MigratorError: The run failed; has an exit code.
    """
    # The previous holder of the lock may have applied the same files.
    states = await migrator.assess()
    for found in states.values():
        refuse_problems(found)
    report = Report(remarks=migrator.remarks(states))
    todo = {
        name: [state for state in found if state.state in WAITING] for name, found in states.items()
    }
    for source in migrator.managed:
        await _refuse_existing_tables(migrator, source, states[source.name], todo[source.name])
    for state in [state for found in todo.values() for state in found]:
        assert state.script is not None
        # Raises for an ambiguous file before anything is changed.
        _ = state.script.units, state.script.directives
    drift = Drift(migrator.session, migrator.sources[0].schema)
    features = await migrator.site.features()
    await _prepare(migrator, drift)
    drifted: dict[str, dict[str, tuple[str | None, str | None]]] = {}
    for source in migrator.managed:
        fresh = accept_drift or unfinished(states[source.name])
        drifted[source.schema] = {} if fresh else await drift.drifted(source.schema)
        await drift.suspend(source.schema)
    report.remarks += drift_remarks(drifted)
    context = _context(migrator, strict=strict)
    try:
        for source in migrator.managed:
            await _accept_cosmetic(migrator, source, states[source.name])
            for state in todo[source.name]:
                applied = await _apply(migrator, context, source, state, report)
                report.applied.append(applied)
                with contextlib.suppress(OSError):  # a closed pipe must not stop a migration
                    announce(applied)
        for schema, objects in drifted.items():
            await migrator.lock.ensure_held()
            await drift.record(schema, objects)
        await migrator.site.write(features)
    finally:
        context.progress.close()
    return report


async def _refuse_existing_tables(
    migrator: Migrator, source: Source, states: Sequence[FileState], todo: Sequence[FileState]
) -> None:
    """Refuse a first run whose files would create a table that exists already.

    ``CREATE TABLE IF NOT EXISTS`` would take somebody else's table of that name, such as ``user``,
    for the one of the migration.

    Raises:
        TablesExist: A file creates a table that exists.
    """
    if any(state.row is not None for state in states):
        return
    if await has_ledger(migrator.session, source.schema):
        return
    there = {name.lower(): name for name in await table_names(migrator.session, source.schema)}
    for state in todo if there else ():
        assert state.script is not None
        created = [there[name] for name in created_tables(state.script) if name in there]
        if created:
            next_step = (
                " The platform needs a schema of its own: check OPS_DB_NAME."
                if source is migrator.sources[0]
                else " If the schema is the result of these files, record them with"
                f" `sysndd-migrator baseline {state.filename}`. Otherwise these files are not for"
                " this schema: check DB_NAME and MIGRATIONS_DIR, or set SCHEMA_MODE=observe."
            )
            raise TablesExist(
                f"{state.filename} creates {', '.join(created)}, but the schema {source.schema} has"
                f" {'them' if len(created) > 1 else 'it'} already, and no migration of its ledger"
                f" created it. Nothing was changed.{next_step}",
                tables=created,
            )


def _context(migrator: Migrator, *, strict: bool) -> RunContext:
    return RunContext(
        session=migrator.session,
        lock=migrator.lock,
        journal=migrator.journal,
        interruption=migrator.interruption,
        progress=Progress(migrator.session),
        strict=strict,
    )


async def _prepare(migrator: Migrator, drift: Drift) -> None:
    for source in migrator.managed:
        await _create_schema(migrator.session, source.schema)
    await migrator.journal.create()
    await drift.create()
    for source in migrator.managed:
        await migrator.ledger(source.name).create()


async def _create_schema(session: Session, schema: str) -> None:
    try:
        await session.use(schema)
        return
    except pymysql.err.Error as error:
        if server_error(error)[0] not in {_UNKNOWN_DATABASE, 1044}:
            raise
    try:
        await session.execute(
            f"CREATE DATABASE IF NOT EXISTS {quote_name(schema)} CHARACTER SET utf8mb4"
        )
    except pymysql.err.Error as error:
        raise (
            not_permitted(
                error,
                f"use or create the schema {schema} (create it and grant ALL on it)",
            )
            or error
        ) from error
    log.info("schema_created", schema=schema)


async def _accept_cosmetic(migrator: Migrator, source: Source, states: Sequence[FileState]) -> None:
    for state in states:
        if state.state is State.COSMETIC and state.script is not None:
            ledger = migrator.ledger(source.name)
            await migrator.write([ledger.checksum_updated(state.filename, state.script.checksum)])


async def _apply(
    migrator: Migrator, context: RunContext, source: Source, state: FileState, report: Report
) -> Applied:
    script = state.script
    assert script is not None
    resumed = state.row.run_id if state.row is not None else None
    run = FileRun(
        context,
        migrator.ledger(source.name),
        script,
        run_id=resumed or uuid.uuid4().hex,
        done=await migrator.journal.read(resumed) if resumed else None,
    )
    log.info("migration_started", schema=source.schema, file=script.filename, resumed=run.resumed)
    result = await run.apply()
    report.remarks += remarks_of(script, result)
    return Applied(
        source.schema,
        script.filename,
        len(script.statements),
        result.duration_ms,
        result.changed,
    )
