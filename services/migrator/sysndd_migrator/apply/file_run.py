"""Applies one file, unit by unit, and records each unit.

``unit_run`` sends and records a unit. This module skips the units that an earlier run completed,
retries a blocked unit, and turns errors into messages and records.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pymysql.err

from sysndd_core.db.blockers import find_blocker
from sysndd_core.logging import get_logger
from sysndd_migrator.apply import failure
from sysndd_migrator.apply.assertions import CHANGED_NOTHING
from sysndd_migrator.apply.effect import definition_hash
from sysndd_migrator.apply.run_context import RunContext
from sysndd_migrator.apply.session_cleanup import session_cleanup_statements
from sysndd_migrator.apply.unit_run import FileProgress, UnitRunner
from sysndd_migrator.errors import MigratorError, PostconditionFailed
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.units import Kind, Unit, uses_temporary_tables
from sysndd_migrator.ledger.journal import JournalRow
from sysndd_migrator.ledger.ledger import Ledger
from sysndd_migrator.ledger.record import FileRecord
from sysndd_migrator.server.fingerprint import names_in
from sysndd_migrator.server.session import LOCK_TIMEOUTS, Outcome, server_error

log = get_logger(__name__)

_LONGEST_BACKOFF = 5.0
_KILLED = 1317

# Units of these kinds do not change the session.
_SESSION_NEUTRAL = frozenset({Kind.DEFINITION, Kind.DATA})


@dataclass(frozen=True, slots=True)
class FileResult:
    """The result of a file.

    Attributes:
        duration_ms: Milliseconds from the first statement to the last.
        changed: Whether the file changed anything.
        leaked: Session variables that it left changed, with their values.
    """

    duration_ms: int
    changed: bool
    leaked: Mapping[str, str]


class FileRun:
    """The application of one file to one schema.

    Args:
        context: Session, lock, journal and the request to stop.
        ledger: Ledger of the file's schema.
        script: The file.
        run_id: ID of the journal rows; that of the earlier run if the file is resumed.
        done: Journal of the earlier run; None for a new run.
    """

    def __init__(
        self,
        context: RunContext,
        ledger: Ledger,
        script: Script,
        *,
        run_id: str,
        done: Mapping[int, JournalRow] | None,
    ) -> None:
        self._context = context
        self._session = context.session
        self._ledger = ledger
        self._script = script
        self._record = FileRecord(context.session, ledger, context.journal, script, run_id)
        self._done = done or {}
        self.resumed = done is not None
        self._progress = FileProgress(
            changed=any(row.changed for row in self._done.values() if row.finished)
        )
        self._runner = UnitRunner(context, ledger.schema, script, self._record, self._progress)

    async def apply(self) -> FileResult:
        """Send the units that are not done, and record them.

        Raises:
            StatementFailed: The server rejected a statement.
            PostconditionFailed: An assertion does not hold.
            Blocked: Another connection kept a table locked.
            Interrupted: A stop was requested.
            LockLost: The migration lock was lost.
            ServerUnavailable: The connection was lost.
        """
        await self._session.use(self._ledger.schema)
        self._refuse_lost_temporary_tables()
        if not self.resumed:
            await self._record.file_begun()
        await self._apply_units()
        duration = self._record.elapsed
        return FileResult(duration, self._progress.changed, await self._clean_session())

    async def _apply_units(self) -> None:
        units = self._script.units
        for unit in units:
            self._context.interruption.check()
            if not await self._is_done(unit):
                await self._run(unit)
        if self._progress.recorded:
            return
        try:
            await self._runner.check_assertions(changed=self._progress.changed)
        except PostconditionFailed as error:
            if not units:
                raise
            raise await self._not_met(units[-1], error) from error
        await self._record.file_succeeded()

    async def _clean_session(self) -> dict[str, str]:
        """Clean the session before the next file uses it; return the variables left changed."""
        simple = all(unit.kind in _SESSION_NEUTRAL for unit in self._script.units)
        leaked: dict[str, object] = {}
        if not (simple and await self._session.is_unchanged()):
            leaked = await self._session.reset(self._ledger.schema, transactions=not simple)
        if not simple or b"@" in self._script.data:
            for statement in session_cleanup_statements(self._script.statements):
                await self._session.execute(statement)
        left = {name: str(value) for name, value in leaked.items()}
        if left:
            log.warning("session_variables_reset", file=self._script.filename, variables=left)
        return left

    def _refuse_lost_temporary_tables(self) -> None:
        begun = any(row.finished for row in self._done.values())
        if begun and uses_temporary_tables(self._script.statements):
            raise failure.temporary_tables_lost(self._script)

    # -- units of an earlier run ----------------------------------------------------------------

    async def _is_done(self, unit: Unit) -> bool:
        row = self._done.get(unit.first)
        if row is None or unit.kind is Kind.SESSION:
            return False
        if row.finished:
            return True
        if unit.kind in {Kind.DATA, Kind.TRANSACTION}:
            return False  # otherwise its own transaction would contain the record
        if unit.kind is Kind.TABLES_LOCKED:
            raise failure.undecidable(self._script, unit)
        if await self._hash(unit) == row.fingerprint:
            return False
        if unit.kind is Kind.OPAQUE and not _is_single_change(unit):
            raise failure.undecidable(self._script, unit)
        log.info(
            "unit_already_applied",
            file=self._script.filename,
            statement=unit.first,
            line=unit.statements[0].line,
        )
        outcome = Outcome(0, 0, "detected after a kill")
        await self._record.unit_finished(unit, outcome)
        self._progress.changed = True
        return True

    async def _hash(self, unit: Unit) -> str:
        return await definition_hash(self._session, self._ledger.schema, self._script, unit)

    # -- sending --------------------------------------------------------------------------------

    async def _run(self, unit: Unit) -> None:
        deadline = time.monotonic() + self._context.locked_retry
        pause = 0.5
        while True:
            try:
                with self._context.interruption.killing(self._session.thread_id):
                    await self._runner.run(unit)
                return
            except pymysql.err.Error as error:
                number, _ = server_error(error)
                if number not in LOCK_TIMEOUTS:
                    raise await self._failure(unit, error) from error
                await self._report_blocker(unit, error, give_up=time.monotonic() >= deadline)
            except PostconditionFailed as error:
                raise await self._not_met(unit, error) from error
            except (OSError, asyncio.IncompleteReadError) as error:
                raise failure.connection_lost(self._script, self._progress.sent, error) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_BACKOFF)

    # -- failures -------------------------------------------------------------------------------

    async def _report_blocker(self, unit: Unit, error: pymysql.err.Error, *, give_up: bool) -> None:
        await self._session.execute("ROLLBACK")
        await self._context.lock.ensure_held()
        self._context.interruption.check()
        names = names_in(statement.canonical for statement in unit.statements)
        blocker = await find_blocker(self._session, self._ledger.schema, names)
        if give_up:
            tried = self._context.locked_retry
            raise failure.blocked(
                self._script, unit, self._progress.sent, error, blocker, tried=tried
            ) from error
        log.warning(
            "table_lock_awaited",
            at=failure.location(self._script, unit),
            statement=self._progress.sent,
            blocked_by=failure.describe_blocker(blocker),
        )

    async def _failure(self, unit: Unit, error: pymysql.err.Error) -> MigratorError:
        number, _ = server_error(error)
        if number in failure.CONNECTION_ERRORS or isinstance(error, pymysql.err.InterfaceError):
            return failure.connection_lost(self._script, self._progress.sent, error)
        await self._session.reset(self._ledger.schema)
        if number == _KILLED:
            requested = self._context.interruption.requested
            return failure.stopped(self._script, self._progress.sent, requested=requested)
        failed = failure.failed_statement(self._script, unit, self._progress.sent, error)
        await self._context.lock.ensure_held()
        await self._record.unit_failed(unit, failure.message(self._script, failed), failed)
        return failure.as_error(self._script, failed)

    async def _not_met(self, unit: Unit, error: PostconditionFailed) -> MigratorError:
        await self._session.reset(self._ledger.schema)
        await self._context.lock.ensure_held()
        await self._record.unit_failed(unit, error.detail)
        return PostconditionFailed(
            f"{error.detail}\nCorrect the file or the database, then run `sysndd-migrator resolve "
            f"{self._script.filename} --from-statement {unit.first}` (or --applied) and "
            "`sysndd-migrator up`.",
            **error.extra,
        )


def _is_single_change(unit: Unit) -> bool:
    return unit.statements[0].plain.lower().startswith("execute")


def remarks_of(script: Script, result: FileResult) -> list[str]:
    """Return the remarks for the operator about an applied file."""
    remarks = []
    if not result.changed and not script.directives.no_op:
        remarks.append(f"{script.filename} {CHANGED_NOTHING}")
    if result.leaked:
        left = ", ".join(f"{name} = {value}" for name, value in result.leaked.items())
        remarks.append(
            f"{script.filename} left session variables changed ({left}); they were reset."
        )
    return remarks
