"""``up``: applies pending files to both schemas, platform first, under the lock."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pymysql.err

from sysndd_core.db.site import table_names
from sysndd_core.errors import SettingsError
from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import quote_name
from sysndd_migrator.apply.assertions import CHANGED_NOTHING
from sysndd_migrator.apply.file_run import FileRun, remarks_of
from sysndd_migrator.apply.progress import Progress
from sysndd_migrator.apply.run_context import RunContext
from sysndd_migrator.checks.drift import Drift, drift_remarks
from sysndd_migrator.errors import ServerUnavailable, TablesExist, UnreleasedSchema
from sysndd_migrator.files.created_tables import created_tables
from sysndd_migrator.files.sources import Source, read_sources
from sysndd_migrator.ledger.journal import Journal
from sysndd_migrator.ledger.ledger import Ledger, LedgerRow
from sysndd_migrator.ledger.site_record import SiteRecord
from sysndd_migrator.ledger.status import (
    WAITING,
    FileState,
    State,
    assess,
    ignored_remarks,
    refuse_problems,
)
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.server.lock import MigrationLock
from sysndd_migrator.server.session import Session, Write, not_permitted, server_error

log = get_logger(__name__)

_UNKNOWN_DATABASE = 1049
_UNRELEASED_VERSION = "0.1.0"
"""The version of every build before 0.9.0."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A file that this run applied.

    Attributes:
        schema: Name of the schema.
        filename: Name of the file.
        statements: Number of its statements.
        duration_ms: Duration in milliseconds.
        changed: False if its work was done already.
    """

    schema: str
    filename: str
    statements: int
    duration_ms: int
    changed: bool = True


@dataclass
class Report:
    """The result of ``up``: applied files, and remarks for the operator."""

    applied: list[Applied] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


Announce = Callable[[Applied], None]


class Migrator:
    """The operations of ``up`` and ``status``, on one session.

    Args:
        session: The connection that holds the lock.
        sources: Platform and application, in this order.
        interruption: The request to stop.
    """

    def __init__(
        self, session: Session, sources: tuple[Source, Source], interruption: Interruption
    ) -> None:
        self._session = session
        self._interruption = interruption
        self.sources = sources
        platform, application = sources
        self.journal = Journal(session, platform.schema)
        self.drift = Drift(session, platform.schema)
        self._ledgers = {source.name: Ledger(session, source.schema) for source in sources}
        self.lock = MigrationLock(session, application.schema)
        self.site = SiteRecord(session)

    @property
    def managed(self) -> tuple[Source, ...]:
        """The sources whose files are applied: not the application in mode ``observe``."""
        return tuple(source for source in self.sources if source.managed)

    @property
    def session(self) -> Session:
        """The connection that holds the lock."""
        return self._session

    def ledger(self, source: str) -> Ledger:
        """Return the ledger of ``platform`` or ``application``."""
        return self._ledgers[source]

    async def write(self, writes: Sequence[Write]) -> None:
        """Write ledger and journal rows in one transaction, under the lock.

        Raises:
            LockLost: This connection does not hold the lock.
        """
        await self.lock.ensure_held()
        await self._session.commit_all(writes)

    async def assess(self) -> dict[str, list[FileState]]:
        """Compare the files of each source with its ledger.

        Returns:
            The states by the name of the source.

        Raises:
            ForeignLedger: A table of another tool has the name of the ledger.
        """
        return {source.name: await self._assess(source) for source in self.sources}

    async def _assess(self, source: Source) -> list[FileState]:
        if not source.managed:
            return []
        rows = await self._ledgers[source.name].read()
        if source is self.sources[0]:
            _refuse_unreleased(source.schema, rows.values())
        failed = [row.run_id for row in rows.values() if row.failed and row.run_id]
        return assess(
            source.scripts,
            rows,
            duplicates=source.directory.duplicates,
            failures=await self.journal.failures(failed),
        )

    async def up(
        self,
        *,
        timeout: float | None = None,
        announce: Announce = lambda applied: None,
        strict: bool = False,
        accept_drift: bool = False,
    ) -> Report:
        """Apply the pending files.

        Args:
            timeout: Seconds to wait for the lock; None to wait while its holder makes progress.
            announce: Called after each file.
            strict: Reject a file that changes nothing and does not state ``-- expect: no-op``.
            accept_drift: Accept schema changes that no migration made.

        Raises:
            MigratorError: The run failed; has an exit code.
            ForeignPlatformSchema: The platform schema belongs to another application schema.
        """
        recorded = await self.site.check() is not None
        states = await self.assess()
        if recorded and _all_applied(states) and not accept_drift:
            # Without the lock, so that a start with nothing to do costs one query for each ledger.
            return Report(remarks=self._remarks(states))
        await self.lock.acquire(timeout=timeout, check=self._interruption.check)
        try:
            return await self._up(announce, strict=strict, accept_drift=accept_drift)
        finally:
            with contextlib.suppress(pymysql.err.Error, OSError):
                await self.lock.release()

    async def _up(self, announce: Announce, *, strict: bool, accept_drift: bool) -> Report:
        # The previous holder of the lock may have applied the same files.
        states = await self.assess()
        for found in states.values():
            refuse_problems(found)
        report = Report(remarks=self._remarks(states))
        todo = {
            name: [state for state in found if state.state in WAITING]
            for name, found in states.items()
        }
        await self._refuse_existing_tables(states["application"], todo["application"])
        for state in [state for found in todo.values() for state in found]:
            assert state.script is not None
            # Raises for an ambiguous file before anything is changed.
            _ = state.script.units, state.script.directives
        features = await self.site.features()
        await self._prepare()
        drifted: dict[str, dict[str, tuple[str | None, str | None]]] = {}
        for source in self.managed:
            fresh = accept_drift or _unfinished(states[source.name])
            drifted[source.schema] = {} if fresh else await self.drift.drifted(source.schema)
            await self.drift.suspend(source.schema)
        report.remarks += drift_remarks(drifted)
        context = self._context(strict=strict)
        try:
            for source in self.managed:
                await self._accept_cosmetic(source, states[source.name])
                for state in todo[source.name]:
                    applied = await self._apply(context, source, state, report)
                    report.applied.append(applied)
                    with contextlib.suppress(OSError):  # a closed pipe must not stop a migration
                        announce(applied)
            for schema, objects in drifted.items():
                await self.lock.ensure_held()
                await self.drift.record(schema, objects)
            await self.site.write(features)
        finally:
            context.progress.close()
        return report

    async def _refuse_existing_tables(
        self, states: Sequence[FileState], todo: Sequence[FileState]
    ) -> None:
        """Refuse a first run whose files would create a table that exists already.

        ``CREATE TABLE IF NOT EXISTS`` would take somebody else's table of that name, such as
        ``user``, for the one of the migration.

        Raises:
            TablesExist: A file creates a table that exists.
        """
        application = self.sources[1]
        if any(state.row is not None for state in states):
            return
        there = {
            name.lower(): name for name in await table_names(self._session, application.schema)
        }
        for state in todo if there else ():
            assert state.script is not None
            created = [there[name] for name in created_tables(state.script) if name in there]
            if created:
                raise TablesExist(
                    f"{state.filename} creates {', '.join(created)}, but the schema"
                    f" {application.schema} has {'them' if len(created) > 1 else 'it'} already, and"
                    " no migration of its ledger created it. Nothing was changed. If the schema"
                    " is the result of these files, record them with"
                    f" `sysndd-migrator baseline {state.filename}`. Otherwise these files are not"
                    " for this schema: check DB_NAME and MIGRATIONS_DIR, or set"
                    " SCHEMA_MODE=observe.",
                    tables=created,
                )

    def _context(self, *, strict: bool) -> RunContext:
        return RunContext(
            session=self._session,
            lock=self.lock,
            journal=self.journal,
            interruption=self._interruption,
            progress=Progress(self._session),
            strict=strict,
        )

    async def _prepare(self) -> None:
        for source in self.managed:
            await self._create_schema(source.schema)
        await self.journal.create()
        await self.drift.create()
        for source in self.managed:
            await self._ledgers[source.name].create()

    async def _create_schema(self, schema: str) -> None:
        try:
            await self._session.use(schema)
            return
        except pymysql.err.Error as error:
            if server_error(error)[0] not in {_UNKNOWN_DATABASE, 1044}:
                raise
        try:
            await self._session.execute(
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

    async def _accept_cosmetic(self, source: Source, states: list[FileState]) -> None:
        for state in states:
            if state.state is State.COSMETIC and state.script is not None:
                ledger = self._ledgers[source.name]
                await self.write([ledger.checksum_updated(state.filename, state.script.checksum)])

    async def _apply(
        self, context: RunContext, source: Source, state: FileState, report: Report
    ) -> Applied:
        script = state.script
        assert script is not None
        resumed = state.row.run_id if state.row is not None else None
        run = FileRun(
            context,
            self._ledgers[source.name],
            script,
            run_id=resumed or uuid.uuid4().hex,
            done=await self.journal.read(resumed) if resumed else None,
        )
        log.info(
            "migration_started", schema=source.schema, file=script.filename, resumed=run.resumed
        )
        result = await run.apply()
        report.remarks += remarks_of(script, result)
        return Applied(
            source.schema,
            script.filename,
            len(script.statements),
            result.duration_ms,
            result.changed,
        )

    async def drift_sentences(self, states: Mapping[str, list[FileState]]) -> list[str]:
        """Return a sentence for each object that differs from the state after the last run.

        Args:
            states: From ``assess``; a schema with an unfinished file is skipped.
        """
        found = [
            await self.drift.sentences(source.schema)
            for source in self.managed
            if not _unfinished(states[source.name])
        ]
        return [sentence for sentences in found for sentence in sentences]

    async def without_effect(self, states: Mapping[str, list[FileState]]) -> list[str]:
        """Return a sentence for each file that changed nothing and lacks ``-- expect: no-op``.

        Args:
            states: From ``assess``.
        """
        runs = await self.journal.without_effect()
        return [
            f"{state.filename} {CHANGED_NOTHING}"
            for found in states.values()
            for state in found
            if state.row is not None and state.row.run_id in runs and state.row.success
            if not (state.script is not None and state.script.directives.no_op)
        ]

    def _remarks(self, states: Mapping[str, list[FileState]]) -> list[str]:
        remarks = [
            remark for source in self.sources for remark in ignored_remarks(source.directory)
        ]
        remarks += [
            state.remark
            for found in states.values()
            for state in found
            if state.remark and state.state is not State.INTERRUPTED
        ]
        return remarks


def _unfinished(states: Iterable[FileState]) -> bool:
    return any(state.row is not None and not state.row.success for state in states)


def _all_applied(states: Mapping[str, list[FileState]]) -> bool:
    done = {State.APPLIED, State.MISSING}
    return all(state.state in done for found in states.values() for state in found)


@contextlib.asynccontextmanager
async def open_migrator(
    settings: DatabaseSettings, directory: Path, interruption: Interruption | None = None
) -> AsyncIterator[Migrator]:
    """Read the files and connect; close the connection at the end of the block.

    Args:
        settings: The server and the schemas.
        directory: The application's migrations.
        interruption: The request to stop; a new one by default.

    Raises:
        SettingsError: Both schemas have the same name.
        InputUnreadable: A file or directory cannot be read.
        ServerUnavailable: No connection, or it was lost.
    """
    if settings.name.casefold() == settings.ops_name.casefold():
        raise SettingsError(["OPS_DB_NAME and DB_NAME name the same schema; use two schemas"])
    sources = read_sources(settings, directory)
    session = await Session.open(settings)
    try:
        yield Migrator(session, sources, interruption or Interruption(settings))
    except (pymysql.err.OperationalError, pymysql.err.InterfaceError, OSError) as error:
        number, reason = server_error(error)
        raise ServerUnavailable(
            f"The database returned an error outside any migration: {reason} (error {number})."
        ) from error
    finally:
        session.close()


def _refuse_unreleased(schema: str, rows: Iterable[LedgerRow]) -> None:
    """Refuse a platform schema of a version before the first release.

    Raises:
        UnreleasedSchema: No migration path leads from its tables.
    """
    if any(row.tool_version == _UNRELEASED_VERSION for row in rows):
        raise UnreleasedSchema(
            f"The platform schema {schema} was created by a development version before 0.9.0, "
            "which cannot be upgraded. In a local run, `make reset` deletes it with all of its "
            "data; elsewhere drop it, or set OPS_DB_NAME to another name."
        )
