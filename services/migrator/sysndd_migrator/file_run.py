"""Applies one file: unit by unit, each recorded so that a kill at any point can be repaired."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import pymysql.err

from sysndd_core import tool_version
from sysndd_core.logging import get_logger
from sysndd_migrator import failure
from sysndd_migrator.blockers import find_blocker
from sysndd_migrator.errors import MigratorError
from sysndd_migrator.fingerprint import fingerprint, kinds_in, names_in
from sysndd_migrator.interruption import Interruption
from sysndd_migrator.journal import Journal, JournalRow
from sysndd_migrator.ledger import Ledger, Write
from sysndd_migrator.leftovers import cleaning_statements
from sysndd_migrator.lock import MigrationLock
from sysndd_migrator.script import Script
from sysndd_migrator.session import Outcome, Session, server_error
from sysndd_migrator.splitter import Statement
from sysndd_migrator.units import (
    Kind,
    Unit,
    ends_transaction,
    plain,
    uses_temporary_tables,
)

log = get_logger(__name__)

LOCKED_RETRY_SECONDS = 120.0
"""How long a statement is tried again while another connection keeps its table locked."""

_LONGEST_BACKOFF = 5.0
_LOCK_TIMEOUTS = frozenset({1205, 1213})
_KILLED = 1317
_GONE = frozenset({1053, 1077, 1079, 1080, 1152, 1159, 1161, 1184, 1927, 2006, 2013, 2055, 4031})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every file of a run shares."""

    session: Session
    lock: MigrationLock
    journal: Journal
    interruption: Interruption
    locked_retry: float = LOCKED_RETRY_SECONDS


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
        self._journal = around.journal
        self._ledger = ledger
        self._script = script
        self._run_id = run_id
        self._done = done or {}
        self._resumed = done is not None
        self._started = 0.0
        # Written with the next transaction: a commit costs more than most statements.
        self._deferred: list[Write] = []
        self._closed = False
        self._sent = 0  # position of the statement that was sent last, from 1

    async def apply(self) -> int:
        """Send what is not done yet and record it.

        Returns:
            Milliseconds it took.

        Raises:
            StatementFailed, Blocked, Interrupted, LockLost, ServerUnavailable: how it ended.
        """
        self._started = time.monotonic()
        await self._session.connection.select_db(self._ledger.schema)
        self._refuse_lost_temporary_tables()
        if not self._resumed:
            self._deferred.append(self._begun())
        units = self._script.units
        for unit in units:
            self._around.interruption.check()
            if not await self._is_done(unit):
                await self._run(unit, closing=unit is units[-1])
        if not self._closed:
            self._deferred.append(self._succeeded())
            await self._flush()
        duration = self._elapsed()
        await self._clean_session()
        return duration

    async def _clean_session(self) -> None:
        """Take back what the file left in the session, before the next file can see it."""
        leaked = await self._session.reset(self._ledger.schema)
        if leaked:
            left = {name: str(value) for name, value in leaked.items()}
            log.info("session_restored", file=self._script.filename, left_behind=left)
        for statement in cleaning_statements(self._script.statements):
            await self._session.execute(statement)

    def _begun(self) -> Write:
        return self._ledger.begun(
            filename=self._script.filename,
            checksum=self._script.checksum,
            statements_checksum=self._script.statements_checksum,
            statements=len(self._script.statements),
            tool_version=tool_version(),
            run_id=self._run_id,
        )

    def _succeeded(self) -> Write:
        return self._ledger.succeeded(self._script.filename, self._elapsed())

    def _elapsed(self) -> int:
        return round((time.monotonic() - self._started) * 1000)

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
        if await self._fingerprint(unit) == row.fingerprint:
            return False
        if unit.kind is Kind.OPAQUE and not _is_one_change(unit):
            raise failure.undecidable(self._script, unit)
        log.info(
            "found_done",
            file=self._script.filename,
            statement=unit.first,
            line=unit.statements[0].line,
        )
        self._deferred.append(self._journal.finished(self._run_id, unit, 0, 0))
        return True

    async def _fingerprint(self, unit: Unit) -> str:
        schema = self._ledger.schema
        if unit.kind is Kind.DEFINITION:
            text = unit.statements[0].canonical
            return await fingerprint(
                self._session, schema, names_in([text]), kinds=kinds_in(plain(unit.statements[0]))
            )
        # EXECUTE runs what other statements of the file put together; CALL may do anything.
        names = names_in(statement.canonical for statement in self._script.statements)
        everything = plain(unit.statements[0]).lower().startswith("call")
        return await fingerprint(self._session, schema, names, everything=everything)

    # -- sending --------------------------------------------------------------------------------

    async def _run(self, unit: Unit, *, closing: bool) -> None:
        deadline = time.monotonic() + self._around.locked_retry
        pause = 0.5
        while True:
            try:
                with self._around.interruption.killing(self._session.thread_id):
                    await self._attempt(unit, closing=closing)
                return
            except pymysql.err.Error as error:
                number, _ = server_error(error)
                if number not in _LOCK_TIMEOUTS:
                    raise await self._failure(unit, error) from error
                await self._report_blocker(unit, error, give_up=time.monotonic() >= deadline)
            except (OSError, asyncio.IncompleteReadError) as error:
                raise failure.connection_lost(self._script, self._sent, error) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_BACKOFF)

    async def _attempt(self, unit: Unit, *, closing: bool) -> None:
        if unit.kind is Kind.SESSION:
            await self._send_all(unit, 0)
        elif unit.kind is Kind.DATA:
            await self._attempt_data(unit, closing=closing)
        elif unit.kind is Kind.TRANSACTION:
            await self._attempt_transaction(unit)
        else:
            await self._attempt_committing(unit)

    async def _attempt_data(self, unit: Unit, *, closing: bool) -> None:
        await self._session.execute("BEGIN")
        outcome = await self._send_all(unit, 0)
        writes = [*self._deferred, self._begun_unit(unit), self._finished(unit, outcome)]
        if closing:
            writes.append(self._succeeded())
        await self._write(writes)
        await self._session.execute("COMMIT")
        self._deferred = []
        self._closed = closing

    async def _attempt_transaction(self, unit: Unit) -> None:
        """Put the record inside the file's own transaction, right before its COMMIT."""
        end = ends_transaction(unit.statements[-1])
        body = Unit(unit.kind, unit.first, unit.statements[:-1] if end else unit.statements)
        outcome = await self._send_all(body, 0)
        writes = [*self._deferred, self._begun_unit(unit), self._finished(unit, outcome)]
        if end != "rollback":
            await self._write(writes)
        if end:
            await self._send(unit.statements[-1], unit.last)
        else:
            await self._session.execute("COMMIT")  # a definition follows and would commit anyway
        self._deferred = writes if end == "rollback" else []

    async def _attempt_committing(self, unit: Unit) -> None:
        self._deferred.append(self._begun_unit(unit, await self._fingerprint(unit)))
        await self._flush()
        if unit.kind is Kind.OPAQUE:
            await self._session.execute("BEGIN")
        outcome = await self._send_all(unit, 0)
        if unit.kind is Kind.TABLES_LOCKED:
            await self._session.execute("UNLOCK TABLES")
        self._deferred.append(self._finished(unit, outcome))
        if unit.kind is Kind.OPAQUE:
            await self._write(self._deferred)
            await self._session.execute("COMMIT")
            self._deferred = []

    async def _send_all(self, unit: Unit, rows: int) -> Outcome:
        warnings = 0
        for position, statement in enumerate(unit.statements, start=unit.first):
            outcome = await self._send(statement, position)
            rows += max(outcome.rows, 0)
            warnings += outcome.warnings
        return Outcome(rows, warnings)

    async def _send(self, statement: Statement, position: int) -> Outcome:
        self._around.interruption.check()
        await self._around.lock.ensure_held()
        self._sent = position
        started = time.monotonic()
        outcome = await self._session.run(statement.text)
        log.debug(
            "statement_done",
            file=self._script.filename,
            statement=position,
            seconds=round(time.monotonic() - started, 3),
        )
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

    # -- recording ------------------------------------------------------------------------------

    def _begun_unit(self, unit: Unit, before: str | None = None) -> Write:
        return self._journal.begun(
            self._run_id, self._ledger.schema, self._script.filename, unit, before
        )

    def _finished(self, unit: Unit, outcome: Outcome) -> Write:
        return self._journal.finished(self._run_id, unit, outcome.rows, outcome.warnings)

    async def _write(self, writes: list[Write]) -> None:
        await self._around.lock.ensure_held()
        for sql, arguments in writes:
            await self._session.execute(sql, arguments)

    async def _flush(self) -> None:
        await self._session.execute("BEGIN")
        await self._write(self._deferred)
        await self._session.execute("COMMIT")
        self._deferred = []

    # -- ending badly ---------------------------------------------------------------------------

    async def _report_blocker(self, unit: Unit, error: pymysql.err.Error, *, give_up: bool) -> None:
        await self._session.execute("ROLLBACK")
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
        await self._record_failure(unit, detail)
        return failure.as_error(self._script, unit, self._sent, error, detail)

    async def _record_failure(self, unit: Unit, detail: str) -> None:
        # What was deferred was rolled back with the transaction, or never written at all.
        self._deferred += [
            self._begun_unit(unit),
            self._journal.failed(self._run_id, unit, detail),
            self._ledger.failed(self._script.filename, self._elapsed(), detail),
        ]
        await self._flush()


def _is_one_change(unit: Unit) -> bool:
    return plain(unit.statements[0]).lower().startswith("execute")
