"""Applies one file: unit by unit, each recorded so that a kill at any point can be repaired."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

import pymysql.err

from sysndd_core.logging import get_logger
from sysndd_migrator import failure, postconditions
from sysndd_migrator.blockers import find_blocker
from sysndd_migrator.effect import changed_objects, commits_first, look, provable, target_of
from sysndd_migrator.errors import LockLost, MigratorError, PostconditionFailed
from sysndd_migrator.fingerprint import names_in
from sysndd_migrator.journal import JournalRow
from sysndd_migrator.ledger import Ledger
from sysndd_migrator.leftovers import cleaning_statements
from sysndd_migrator.record import Record
from sysndd_migrator.script import Script
from sysndd_migrator.session import Outcome, server_error
from sysndd_migrator.splitter import Statement
from sysndd_migrator.surroundings import Result, Surroundings
from sysndd_migrator.units import (
    Kind,
    Unit,
    ends_transaction,
    plain,
    uses_temporary_tables,
)

log = get_logger(__name__)

_LONGEST_BACKOFF = 5.0
_LOCK_TIMEOUTS = frozenset({1205, 1213})
_KILLED = 1317
_GONE = frozenset({1053, 1077, 1079, 1080, 1152, 1159, 1161, 1184, 1927, 2006, 2013, 2055, 4031})


class FileRun:
    """One file on its way into one schema.

    Args:
        around: session, lock, journal and the request to stop.
        ledger: of the schema the file belongs to.
        script: the file.
        run_id: names this run's journal rows; the earlier one when the file is gone on with.
        done: the journal of the earlier run; None for a fresh start.
    """

    def __init__(
        self,
        around: Surroundings,
        ledger: Ledger,
        script: Script,
        *,
        run_id: str,
        done: Mapping[int, JournalRow] | None,
    ) -> None:
        self._around = around
        self._session = around.session
        self._ledger = ledger
        self._script = script
        self._record = Record(around.pending, ledger, around.journal, script, run_id)
        self._done = done or {}
        self._resumed = done is not None
        self._changed = any(row.changed for row in self._done.values() if row.finished)
        self._closed = False
        self._announced: dict[int, str] = {}  # begun in the transaction of the unit before it
        self._sent = 0  # position of the statement that was sent last, from 1

    async def apply(self) -> Result:
        """Send what is not done yet and record it.

        Raises:
            StatementFailed, PostconditionFailed, Blocked, Interrupted, LockLost,
            ServerUnavailable: how it ended.
        """
        await self._session.use(self._ledger.schema)
        self._refuse_lost_temporary_tables()
        if not self._resumed:
            self._record.begun()
        try:
            await self._apply_units()
        except LockLost:
            raise  # someone else may be at work by now
        except MigratorError:
            # What is done stays known to be done; without a connection the next run finds out.
            with contextlib.suppress(MigratorError, pymysql.err.Error, OSError):
                await self._around.pending.flush()
            raise
        duration = self._record.elapsed
        leaked = await self._clean_session()
        return Result(duration, self._changed, leaked)

    async def _apply_units(self) -> None:
        units = self._script.units
        for unit, following in zip(units, (*units[1:], None), strict=True):
            self._around.interruption.check()
            if not await self._is_done(unit):
                await self._run(unit, following)
        if self._closed:
            return
        try:
            await self._check_postconditions(changed=self._changed)
        except PostconditionFailed as error:
            if not units:
                raise
            raise await self._not_met(units[-1], error) from error
        self._record.succeeded()
        if not units or not provable(units[-1]):
            await self._around.pending.flush()

    async def _check_postconditions(self, *, changed: bool) -> None:
        await postconditions.check(
            self._session, self._script, changed=changed, strict=self._around.strict
        )

    async def _clean_session(self) -> dict[str, str]:
        """Take back what the file left in the session, before the next file can see it."""
        plain_kinds = {Kind.DEFINITION, Kind.DATA}
        simple = all(unit.kind in plain_kinds for unit in self._script.units)
        lock = self._around.lock
        if simple and await self._session.is_unchanged(lock.name):
            lock.doubtful = False
            leaked: dict[str, Any] = {}
        else:
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
        self._changed = True
        return True

    # -- sending --------------------------------------------------------------------------------

    async def _run(self, unit: Unit, following: Unit | None) -> None:
        deadline = time.monotonic() + self._around.locked_retry
        pause = 0.5
        while True:
            try:
                with self._around.interruption.killing(self._session.thread_id):
                    await self._attempt(unit, following)
                return
            except pymysql.err.Error as error:
                number, _ = server_error(error)
                if number not in _LOCK_TIMEOUTS:
                    raise await self._failure(unit, error) from error
                await self._report_blocker(unit, error, give_up=time.monotonic() >= deadline)
            except PostconditionFailed as error:
                raise await self._not_met(unit, error) from error
            except (OSError, asyncio.IncompleteReadError) as error:
                raise failure.connection_lost(self._script, self._sent, error) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_BACKOFF)

    async def _attempt(self, unit: Unit, following: Unit | None) -> None:
        if unit.kind is Kind.SESSION:
            await self._send_all(unit)
        elif unit.kind is Kind.DATA:
            await self._attempt_data(unit, following)
        elif unit.kind is Kind.TRANSACTION:
            await self._attempt_transaction(unit)
        else:
            await self._attempt_committing(unit)

    async def _attempt_data(self, unit: Unit, following: Unit | None) -> None:
        pending = self._around.pending
        before = len(pending.writes)
        await self._session.execute("BEGIN")
        outcome = await self._send_all(unit)
        try:
            self._record.unit(unit, outcome=outcome)
            if following is None:
                await self._check_postconditions(changed=self._changed or outcome.changed)
                self._record.succeeded()
            else:
                await self._announce(following)
            await pending.write()
            await self._session.execute("COMMIT")
        except BaseException:
            self._announced.clear()
            del pending.writes[before:]  # rolled back together with the rows
            raise
        pending.forget()
        self._closed = following is None
        self._changed = self._changed or outcome.changed

    async def _announce(self, unit: Unit) -> None:
        """Record in this transaction that a definition comes next: that spares a commit of its own.

        Nothing between here and there changes a definition.
        """
        if commits_first(unit) and target_of(unit) is not None and unit.first not in self._done:
            await self._around.lock.ensure_still_held()
            before = await look(self._session, self._ledger.schema, self._script, unit)
            self._record.unit(unit, before)
            self._announced[unit.first] = before

    async def _attempt_transaction(self, unit: Unit) -> None:
        """Put the record inside the file's own transaction, right before its COMMIT."""
        pending = self._around.pending
        end = ends_transaction(unit.statements[-1])
        body = Unit(unit.kind, unit.first, unit.statements[:-1] if end else unit.statements)
        outcome = await self._send_all(body)
        if end == "rollback":
            await self._send(unit.statements[-1], unit.last)
            self._record.unit(unit, outcome=Outcome(0, outcome.warnings))
            await pending.flush()
            return
        before = len(pending.writes)
        try:
            self._record.unit(unit, outcome=outcome)
            await pending.write()
            if end:
                await self._send(unit.statements[-1], unit.last)
            else:
                await self._session.execute("COMMIT")  # a definition follows, which would commit
        except BaseException:
            del pending.writes[before:]
            raise
        pending.forget()
        self._changed = self._changed or outcome.changed

    async def _attempt_committing(self, unit: Unit) -> None:
        pending, schema = self._around.pending, self._ledger.schema
        announced = self._announced.pop(unit.first, None)
        mark = len(pending.writes)
        if announced is None:
            await self._around.lock.ensure_still_held()
            before = await look(self._session, schema, self._script, unit)
            self._record.unit(unit, before)
        else:
            before = announced
        try:
            outcome = await self._send_committing(unit)
        except BaseException:
            del pending.writes[mark:]
            raise
        if unit.kind is not Kind.TABLES_LOCKED:
            objects = await changed_objects(
                self._session, schema, self._script, unit, before=before, outcome=outcome
            )
            outcome = Outcome(outcome.rows, outcome.warnings, objects)
        self._record.unit(unit, before, outcome=outcome)
        if unit.kind is Kind.OPAQUE:
            await pending.write()
            await self._session.execute("COMMIT")
            pending.forget()
        elif not (provable(unit) and outcome.objects):
            await pending.flush()
        self._changed = self._changed or outcome.changed

    async def _send_committing(self, unit: Unit) -> Outcome:
        """Send it once it is durable that it was begun."""
        if commits_first(unit):
            await self._around.pending.open()
            outcome = await self._send_all(unit)
            self._around.pending.forget()
            return outcome
        await self._around.pending.flush()
        if unit.kind is Kind.OPAQUE:
            await self._session.execute("BEGIN")
        outcome = await self._send_all(unit)
        if unit.kind is Kind.TABLES_LOCKED:
            await self._session.execute("UNLOCK TABLES")
        return outcome

    async def _send_all(self, unit: Unit) -> Outcome:
        rows = warnings = 0
        for position, statement in enumerate(unit.statements, start=unit.first):
            outcome = await self._send(statement, position)
            rows += max(outcome.rows, 0)
            warnings += outcome.warnings
        return Outcome(rows, warnings)

    async def _send(self, statement: Statement, position: int) -> Outcome:
        self._around.interruption.check()
        await self._around.lock.ensure_still_held()
        self._sent = position
        self._around.lock.doubtful = True
        with self._around.progress.watching(self._script, position):
            outcome = await self._session.run(statement.text)
        await self._refuse_other_lexing(statement, position)
        return outcome

    async def _refuse_other_lexing(self, statement: Statement, position: int) -> None:
        first = statement.canonical[:12].lower()
        if "sql_mode" not in statement.canonical.lower() and not first.startswith(
            ("call", "execute")
        ):
            return
        modes = await self._session.lexing_modes()
        if modes:
            raise pymysql.err.ProgrammingError(
                1231,
                f"after statement {position} sql_mode holds {', '.join(modes)}, which changes how "
                "quotes and backslashes are read",
            )

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
                self._script, unit, self._sent, error, blocker, tried=tried
            ) from error
        log.warning(
            "waiting_for_table",
            at=failure.place(self._script, unit),
            statement=self._sent,
            blocked_by=failure.who(blocker),
        )

    async def _failure(self, unit: Unit, error: pymysql.err.Error) -> MigratorError:
        number, _ = server_error(error)
        if number in _GONE or isinstance(error, pymysql.err.InterfaceError):
            return failure.connection_lost(self._script, self._sent, error)
        await self._session.reset(self._ledger.schema)
        if number == _KILLED:
            requested = self._around.interruption.requested
            return failure.stopped(self._script, self._sent, requested=requested)
        detail = failure.statement_failed(self._script, unit, self._sent, error)
        self._record.unit_failed(unit, detail)
        await self._around.pending.flush()
        return failure.as_error(self._script, unit, self._sent, error, detail)

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
    return plain(unit.statements[0]).lower().startswith("execute")
