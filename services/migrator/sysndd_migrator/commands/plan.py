"""``plan``: what ``up`` would apply, and the lock of each statement; changes no live table.

The result is stored in the platform schema, from where the admin pages and the API show it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pymysql.err

from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import qualified_name
from sysndd_migrator.checks.lint_rules import Finding, check
from sysndd_migrator.checks.lock_class import ClassifiedStatement, LockClass, LockClassRun
from sysndd_migrator.checks.scratch import Purpose, Scratch, scratch_schemas
from sysndd_migrator.checks.scratch_run import server_version
from sysndd_migrator.commands.migrator import Migrator, open_migrator
from sysndd_migrator.files.outside import other_schemas
from sysndd_migrator.files.sources import Source
from sysndd_migrator.files.units import Kind
from sysndd_migrator.ledger.status import PROBLEMS, WAITING, FileState
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.server.session import Session, is_missing, server_error
from sysndd_migrator.server.snapshot import read_snapshot

log = get_logger(__name__)

_STORED = "migration_plan"


@dataclass(frozen=True)
class Size:
    """Size of a live table, by the server's statistics (approximate, and not always current)."""

    rows: int
    size_bytes: int


@dataclass(frozen=True)
class Step:
    """One statement of the plan."""

    classified: ClassifiedStatement
    size: Size | None


@dataclass
class PlannedFile:
    """A pending file.

    Attributes:
        source: ``platform`` or ``application``.
        state: State of the file, as in ``status``.
        steps: Its statements that are not done.
        warnings: Findings of ``lint``.
    """

    source: str
    state: FileState
    steps: list[Step]
    warnings: list[Finding]

    def document(self) -> dict[str, object]:
        """Return the plan of the file as ``plan --json`` prints it."""
        return {
            "source": self.source,
            "file": self.state.filename,
            "state": self.state.state.value,
            "statements": [
                {
                    "position": step.classified.position,
                    "line": step.classified.statement.line,
                    "sql": step.classified.sent,
                    "lock": step.classified.lock.name,
                    "table": step.classified.table,
                    "rows": step.size.rows if step.size else None,
                    "bytes": step.size.size_bytes if step.size else None,
                    "error": step.classified.error,
                }
                for step in self.steps
            ],
            "warnings": [warning.document() for warning in self.warnings],
        }


@dataclass
class Plan:
    """What ``up`` would apply.

    Attributes:
        files: The pending files in order.
        problems: Files that require manual resolution; ``up`` refuses to run until then.
    """

    files: list[PlannedFile] = field(default_factory=list)
    problems: list[FileState] = field(default_factory=list)


async def plan(settings: DatabaseSettings, directory: Path, interruption: Interruption) -> Plan:
    """Run the pending files on empty clones of the live tables.

    Args:
        settings: The server and the live schemas.
        directory: The application's migrations.
        interruption: The request to stop.

    Raises:
        AmbiguousFile: A pending file is ambiguous.
        NotPermitted: The account may not create scratch schemas.
        ForeignLedger: A table of another tool has the name of the ledger.
    """
    async with open_migrator(settings, directory, interruption) as migrator:
        states = await migrator.assess()
        result = Plan()
        for found in states.values():
            result.problems += [
                state for state in found if state.remark and state.state in PROBLEMS
            ]
        if any(state.state in WAITING for found in states.values() for state in found):
            result.files = await _classify(migrator, settings, states, interruption)
        await _store(migrator, result)
        return result


async def _classify(
    migrator: Migrator,
    settings: DatabaseSettings,
    states: Mapping[str, list[FileState]],
    interruption: Interruption,
) -> list[PlannedFile]:
    files = []
    async with scratch_schemas(settings, Purpose.PLAN) as scratch:
        session = await Session.open(settings)
        try:
            for source in migrator.sources:
                lock_class_run = await _clone(session, source, scratch, interruption)
                sizes = await table_sizes(session, source.schema)
                for state in states[source.name]:
                    if state.state in WAITING:
                        files.append(await _file(migrator, lock_class_run, source, state, sizes))
        finally:
            session.close()
    return files


async def _clone(
    session: Session, source: Source, scratch: Scratch, interruption: Interruption
) -> LockClassRun:
    into = scratch.settings.ops_name if source.name == "platform" else scratch.settings.name
    forbidden = await other_schemas(session) - {into.lower()}
    lock_class_run = LockClassRun(session, into, forbidden, interruption)
    await lock_class_run.clone(await read_snapshot(session, source.schema, contents=False))
    return lock_class_run


async def _file(
    migrator: Migrator,
    lock_class_run: LockClassRun,
    source: Source,
    state: FileState,
    sizes: dict[str, Size],
) -> PlannedFile:
    assert state.script is not None
    done: set[int] = set()
    if state.row is not None and state.row.run_id:
        finished = {
            first
            for first, row in (await migrator.journal.read(state.row.run_id)).items()
            if row.finished
        }
        for unit in state.script.units:
            if unit.first in finished and unit.kind is not Kind.SESSION:
                done.update(range(unit.first, unit.last + 1))
    steps = [
        Step(classified, sizes.get((classified.table or "").lower()))
        for classified in await lock_class_run.run(state.script, done=done)
        if classified.lock is not LockClass.SESSION or classified.error
    ]
    return PlannedFile(source.name, state, steps, check(state.script))


async def table_sizes(session: Session, schema: str) -> dict[str, Size]:
    """Return the sizes of a schema's tables, by name in lower case."""
    rows = await session.fetch_all(
        "SELECT table_name AS n, COALESCE(table_rows, 0) AS r, "
        "COALESCE(data_length, 0) + COALESCE(index_length, 0) AS b "
        "FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        (schema,),
    )
    return {str(row["n"]).lower(): Size(int(row["r"]), int(row["b"])) for row in rows}


async def _store(migrator: Migrator, plan: Plan) -> None:
    """Replace the stored plan; a plan that cannot be stored is still returned."""
    session = migrator.session
    schemas = {source.name: source.schema for source in migrator.sources}
    table = qualified_name(schemas["platform"], _STORED)
    try:
        await session.execute("BEGIN")
        await session.execute(f"DELETE FROM {table}")
        for file in plan.files:
            script = file.state.script
            await session.execute(
                f"INSERT INTO {table} (schema_name, filename, checksum, measured_at, server,"
                " document) VALUES (%s, %s, %s, UTC_TIMESTAMP(6), %s, %s)",
                (
                    schemas[file.source],
                    file.state.filename,
                    script.checksum if script else "",
                    server_version(session),
                    json.dumps(file.document()),
                ),
            )
        await session.execute("COMMIT")
    except pymysql.err.Error as error:
        number, reason = server_error(error)
        if not is_missing(error):  # the platform schema itself is pending
            log.warning("plan_cache_write_failed", errno=number, reason=reason)
        await session.execute("ROLLBACK")
