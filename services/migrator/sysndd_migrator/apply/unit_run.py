"""Sends one unit of a file and records it.

A definition is recorded as begun, with a hash of what it may change, before it is sent; afterwards
it is recorded as done. Rows are recorded in their own transaction. So after a kill, either the
record or the schema shows what was done.
"""

from dataclasses import dataclass

import pymysql.err

from sysndd_migrator.apply import assertions, failure
from sysndd_migrator.apply.effect import changed_objects, confirmed_by_ok, definition_hash
from sysndd_migrator.apply.run_context import RunContext
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.splitter import Statement
from sysndd_migrator.files.units import Kind, Unit, ends_transaction
from sysndd_migrator.ledger.record import FileRecord
from sysndd_migrator.server.session import LOCK_TIMEOUTS, Outcome, server_error


@dataclass
class FileProgress:
    """Progress of a file.

    Attributes:
        sent: Position of the last statement that was sent, from 1.
        changed: Whether the file changed anything.
        recorded: Whether the file is recorded as applied.
    """

    sent: int = 0
    changed: bool = False
    recorded: bool = False


class UnitRunner:
    """Sends the units of one file.

    Args:
        context: Session, lock and the request to stop.
        schema: Schema of the file.
        script: The file.
        record: Records what happens.
        progress: Progress of the file; updated with each unit.
    """

    def __init__(
        self,
        context: RunContext,
        schema: str,
        script: Script,
        record: FileRecord,
        progress: FileProgress,
    ) -> None:
        self._context = context
        self._session = context.session
        self._schema = schema
        self._script = script
        self._record = record
        self._progress = progress

    async def run(self, unit: Unit) -> None:
        """Send a unit and record it.

        Args:
            unit: One of the file's units.

        Raises:
            pymysql.err.Error: The server's error.
            PostconditionFailed: An assertion at the end of the file does not hold.
            LockLost: The migration lock was lost.
            Interrupted: A stop was requested.
        """
        self._progress.sent = unit.first
        if unit.kind is Kind.SESSION:
            await self._send_all(unit)
        elif unit.kind is Kind.DATA:
            await self._data(unit)
        elif unit.kind is Kind.TRANSACTION:
            await self._transaction(unit)
        else:
            await self._committing(unit)

    async def check_assertions(self, *, changed: bool) -> None:
        """Check the postconditions of the file.

        Args:
            changed: Whether the file changed anything.

        Raises:
            PostconditionFailed: A postcondition does not hold; contains its line.
            LockLost: An assertion released the lock.
        """
        await assertions.check(
            self._session, self._script, changed=changed, strict=self._context.strict
        )
        if self._script.directives.assertions:
            await self._context.lock.ensure_held()

    async def _data(self, unit: Unit) -> None:
        """Send rows in one transaction with their record, and with the file's success if last."""
        last = unit is self._script.units[-1]
        await self._session.execute("BEGIN")
        outcome = await self._send_all(unit)
        changed = self._progress.changed or outcome.changed
        writes = [self._record.unit_done(unit, outcome)]
        if last:
            await self.check_assertions(changed=changed)
            writes.append(self._record.success())
        await self._session.execute_all(writes)
        await self._session.execute("COMMIT")
        self._progress.changed = changed
        self._progress.recorded = last

    async def _transaction(self, unit: Unit) -> None:
        """Send a transaction of the file, with the record directly before its COMMIT."""
        end = ends_transaction(unit.statements[-1])
        body = Unit(unit.kind, unit.first, unit.statements[:-1] if end else unit.statements)
        outcome = await self._send_all(body)
        if end == "rollback":
            await self._send(unit.statements[-1], unit.last)
            undone = Outcome(0, outcome.warnings)
            await self._session.commit_all([self._record.unit_done(unit, undone)])
            return
        await self._session.execute_all([self._record.unit_done(unit, outcome)])
        if end:
            await self._send(unit.statements[-1], unit.last)
        else:
            await self._session.execute("COMMIT")  # a definition follows and would commit
        self._progress.changed = self._progress.changed or outcome.changed

    async def _committing(self, unit: Unit) -> None:
        """Send what commits by itself, or may.

        Raises:
            ServerUnavailable: The unit was done, but a locked table prevented its record.
        """
        before = await definition_hash(self._session, self._schema, self._script, unit)
        await self._record.unit_begun(unit, before)
        if unit.kind is Kind.OPAQUE:
            await self._session.execute("BEGIN")
        outcome = await self._send_all(unit)
        try:
            outcome = await self._finish(unit, before, outcome)
        except pymysql.err.Error as error:
            if server_error(error)[0] in LOCK_TIMEOUTS:  # not a retry: it was applied
                raise failure.not_recorded(self._script, unit, error) from error
            raise
        self._progress.changed = self._progress.changed or outcome.changed

    async def _finish(self, unit: Unit, before: str, outcome: Outcome) -> Outcome:
        """Determine what an accepted unit changed, and record it."""
        if unit.kind is Kind.TABLES_LOCKED:
            await self._session.execute("UNLOCK TABLES")
        else:
            same = await self._is_same(unit, before, outcome)
            outcome = Outcome(outcome.rows, outcome.warnings, changed_objects(unit, same=same))
        if unit.kind is Kind.OPAQUE:
            await self._session.execute_all([self._record.completion(unit, outcome)])
            await self._session.execute("COMMIT")
        else:
            await self._record.unit_finished(unit, outcome)
        return outcome

    async def _is_same(self, unit: Unit, before: str, outcome: Outcome) -> bool:
        """Return whether the definitions that a unit may change are unchanged."""
        if not outcome.warnings and confirmed_by_ok(unit, before):
            return False
        return await definition_hash(self._session, self._schema, self._script, unit) == before

    async def _send_all(self, unit: Unit) -> Outcome:
        """Send a unit's statements; return their combined outcome."""
        rows = warnings = 0
        for position, statement in enumerate(unit.statements, start=unit.first):
            outcome = await self._send(statement, position)
            rows += outcome.rows
            warnings += outcome.warnings
        return Outcome(rows, warnings)

    async def _send(self, statement: Statement, position: int) -> Outcome:
        """Send one statement, and check that it did not release the lock."""
        self._context.interruption.check()
        self._progress.sent = position
        with self._context.progress.watching(self._script, position):
            rows = await self._session.run(statement.text)
        warnings = await self._context.lock.ensure_held()
        await self._refuse_other_lexing(statement, position)
        return Outcome(rows, warnings)

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
                f"after statement {position} sql_mode contains {', '.join(modes)}, which changes "
                "how quotes and backslashes are read",
            )
