"""Applies one file: unit by unit, each recorded so that a kill at any point can be repaired.

How a unit is sent and recorded is in ``attempts``; here is what comes around it: what an earlier run
left, tries and waiting, and how it ends.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping

import pymysql.err

from sysndd_core.logging import get_logger
from sysndd_migrator import failure
from sysndd_migrator.attempts import Attempts
from sysndd_migrator.blockers import find_blocker
from sysndd_migrator.effect import look, provable
from sysndd_migrator.errors import LockLost, MigratorError, PostconditionFailed
from sysndd_migrator.fingerprint import names_in
from sysndd_migrator.journal import JournalRow
from sysndd_migrator.ledger import Ledger
from sysndd_migrator.leftovers import cleaning_statements
from sysndd_migrator.record import Record
from sysndd_migrator.script import Script
from sysndd_migrator.session import Outcome, server_error
from sysndd_migrator.surroundings import Result, Surroundings
from sysndd_migrator.units import Kind, Unit, uses_temporary_tables

log = get_logger(__name__)

_LONGEST_BACKOFF = 5.0
_LOCK_TIMEOUTS = frozenset({1205, 1213})
_KILLED = 1317


class FileRun:
    """One file on its way into one schema.

    Args:
        around: session, lock, journal and the request to stop.
        ledger: of the schema the file belongs to.
        script: the file.
        run_id: names this run's journal rows; the earlier one when the file is gone on with.
        done: the journal of the earlier run; None for a fresh start.
        recorded: whether the ledger has a row of the file already.
    """

    def __init__(
        self,
        around: Surroundings,
        ledger: Ledger,
        script: Script,
        *,
        run_id: str,
        done: Mapping[int, JournalRow] | None,
        recorded: bool,
    ) -> None:
        self._around = around
        self._session = around.session
        self._ledger = ledger
        self.script = self._script = script
        self._record = Record(around.pending, ledger, around.journal, script, run_id)
        self._done = done or {}
        self.resumed = done is not None
        self._recorded = recorded
        self._attempts = Attempts(around, ledger, script, self._record, self._done)
        self._progressed = self._attempts.progressed
        self._progressed.changed = any(row.changed for row in self._done.values() if row.finished)
        self._following: FileRun | None = None

    def then(self, following: "FileRun") -> None:
        """Name the file that comes next, so that its first definitions can be announced by this one."""
        self._following = following
        if not following._recorded:
            self._attempts.following = following._attempts

    async def apply(self) -> Result:
        """Send what is not done yet and record it.

        Raises:
            StatementFailed, PostconditionFailed, Blocked, Interrupted, LockLost,
            ServerUnavailable: how it ended.
        """
        if self._following is not None:
            self._session.wire.meanwhile(self._following._record.prepare)
        await self._session.use(self._ledger.schema)
        self._refuse_lost_temporary_tables()
        if not self.resumed:
            self._record.begun()
        try:
            await self._apply_units()
        except LockLost:
            raise  # someone else may be at work by now
        except MigratorError:
            # What is done stays known to be done; without a connection the next run finds out.
            with contextlib.suppress(MigratorError, pymysql.err.Error, OSError):
                self._attempts.withdraw()
                await self._around.pending.flush()
            raise
        duration = self._record.elapsed
        leaked = await self._clean_session()
        return Result(duration, self._progressed.changed, leaked)

    async def _apply_units(self) -> None:
        units = self._script.units
        for index, unit in enumerate(units):
            self._around.interruption.check()
            if not await self._is_done(unit):
                await self._run(index)
        if self._progressed.closed:
            return
        try:
            await self._attempts.check_postconditions(changed=self._progressed.changed)
        except PostconditionFailed as error:
            if not units:
                raise
            raise await self._not_met(units[-1], error) from error
        self._record.succeeded()
        if not units or not provable(units[-1]):
            await self._around.pending.flush()

    async def _clean_session(self) -> dict[str, str]:
        """Take back what the file left in the session, before the next file can see it."""
        simple = self._attempts.simple
        leaked: dict[str, object] = {}
        if not (simple and self._progressed.left_clean):
            leaked = await self._session.reset(self._ledger.schema, transactions=not simple)
        if not simple or b"@" in self._script.data:
            for statement in cleaning_statements(self._script.statements):
                await self._session.execute(statement)
        left = {name: str(value) for name, value in leaked.items()}
        if left:
            log.warning("session_restored", file=self._script.filename, left_behind=left)
        return left

    def _refuse_lost_temporary_tables(self) -> None:
        begun = any(row.finished for row in self._done.values())
        if begun and uses_temporary_tables(self._script.statements):
            raise failure.temporary_tables_lost(self._script)

    # -- what an earlier run left ---------------------------------------------------------------

    async def _is_done(self, unit: Unit) -> bool:
        row = self._done.get(unit.first)
        if row is None or unit.kind is Kind.SESSION:
            return False
        if row.finished:
            return True
        if self._around.ahead.ran:
            return False  # announced behind a unit that was not done itself, so never sent
        if unit.kind in {Kind.DATA, Kind.TRANSACTION}:
            return False  # it would have been recorded in the same transaction
        if unit.kind is Kind.TABLES_LOCKED:
            raise failure.undecidable(self._script, unit)
        if await look(self._session, self._ledger.schema, self._script, unit) == row.fingerprint:
            return False
        if unit.kind is Kind.OPAQUE and not _is_one_change(unit):
            raise failure.undecidable(self._script, unit)
        log.info(
            "found_done",
            file=self._script.filename,
            statement=unit.first,
            line=unit.statements[0].line,
        )
        outcome = Outcome(0, 0, "found done after a kill")
        self._record.unit(unit, row.fingerprint, outcome=outcome)
        self._progressed.changed = True
        return True

    # -- sending --------------------------------------------------------------------------------

    async def _run(self, index: int) -> None:
        unit = self._script.units[index]
        if unit.kind is not Kind.SESSION:
            self._around.ahead.ran = True
        deadline = time.monotonic() + self._around.locked_retry
        pause = 0.5
        while True:
            try:
                with self._around.interruption.killing(self._session.thread_id):
                    await self._attempts.attempt(index)
                return
            except pymysql.err.Error as error:
                number, _ = server_error(error)
                if number not in _LOCK_TIMEOUTS:
                    raise await self._failure(unit, error) from error
                await self._report_blocker(unit, error, give_up=time.monotonic() >= deadline)
            except PostconditionFailed as error:
                raise await self._not_met(unit, error) from error
            except (OSError, asyncio.IncompleteReadError) as error:
                raise failure.connection_lost(self._script, self._progressed.sent, error) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_BACKOFF)

    # -- ending badly ---------------------------------------------------------------------------

    async def _report_blocker(self, unit: Unit, error: pymysql.err.Error, *, give_up: bool) -> None:
        await self._session.execute("ROLLBACK")
        self._around.lock.doubtful = True
        self._around.interruption.check()
        names = names_in(statement.canonical for statement in unit.statements)
        blocker = await find_blocker(self._session, self._ledger.schema, names)
        if give_up:
            tried = self._around.locked_retry
            raise failure.blocked(
                self._script, unit, self._progressed.sent, error, blocker, tried=tried
            ) from error
        log.warning(
            "waiting_for_table",
            at=failure.place(self._script, unit),
            statement=self._progressed.sent,
            blocked_by=failure.who(blocker),
        )

    async def _failure(self, unit: Unit, error: pymysql.err.Error) -> MigratorError:
        number, _ = server_error(error)
        if number in failure.GONE or isinstance(error, pymysql.err.InterfaceError):
            return failure.connection_lost(self._script, self._progressed.sent, error)
        await self._session.reset(self._ledger.schema)
        if number == _KILLED:
            requested = self._around.interruption.requested
            return failure.stopped(self._script, self._progressed.sent, requested=requested)
        detail = failure.statement_failed(self._script, unit, self._progressed.sent, error)
        self._record.unit_failed(unit, detail)
        await self._around.pending.flush()
        return failure.as_error(self._script, unit, self._progressed.sent, error, detail)

    async def _not_met(self, unit: Unit, error: PostconditionFailed) -> MigratorError:
        await self._session.reset(self._ledger.schema)
        self._record.unit_failed(unit, error.detail)
        await self._around.pending.flush()
        return PostconditionFailed(
            f"{error.detail}\nCorrect the file or the database, then run `sysndd-migrator resolve "
            f"{self._script.filename} --from-statement {unit.first}` (or --applied) and "
            "`sysndd-migrator up`.",
            **error.extra,
        )


def _is_one_change(unit: Unit) -> bool:
    return unit.statements[0].plain.lower().startswith("execute")
