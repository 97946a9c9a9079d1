"""Sends one unit of a file and records it, with as few round trips and commits as the proofs allow.

Questions of our own (is the lock still ours, what does the table look like now, is the session as it
was) travel right behind the statement they are about.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pymysql.err

from sysndd_migrator import failure, postconditions
from sysndd_migrator.effect import (
    changed_objects,
    commits_first,
    look,
    provable,
    seen,
    settled,
    shown,
    target_of,
)
from sysndd_migrator.journal import JournalRow
from sysndd_migrator.ledger import Ledger
from sysndd_migrator.record import Record
from sysndd_migrator.script import Script
from sysndd_migrator.session import Outcome, server_error
from sysndd_migrator.splitter import Statement
from sysndd_migrator.surroundings import Surroundings
from sysndd_migrator.units import Kind, Unit, ends_transaction
from sysndd_migrator.wire import Reply

# What leaves the session as it was, so that a question may follow without waiting.
_PLAIN = frozenset({Kind.DEFINITION, Kind.DATA})


@dataclass
class Progressed:
    """How far a file has come.

    Attributes:
        sent: position of the statement that was sent last, from 1.
        changed: whether anything is different from before.
        closed: whether the file is recorded as applied.
        left_clean: whether the session was seen, behind the last unit, to be as it was.
    """

    sent: int = 0
    changed: bool = False
    closed: bool = False
    left_clean: bool = False


class Attempts:
    """The units of one file on their way to the server.

    Args:
        around: session, lock, journal and the request to stop.
        ledger: of the schema the file belongs to.
        script: the file.
        record: where what happens is recorded.
        done: the journal of an earlier run of the file.
    """

    def __init__(
        self,
        around: Surroundings,
        ledger: Ledger,
        script: Script,
        record: Record,
        done: Mapping[int, JournalRow],
    ) -> None:
        self._around = around
        self._session = around.session
        self._schema = ledger.schema
        self.script = script
        self.record = record
        self._done = done
        self._opened = False  # a transaction was begun on the way
        self.progressed = Progressed()
        self.following: Attempts | None = None
        """The file that comes next, when nothing of it was sent in an earlier run."""

    @cached_property
    def simple(self) -> bool:
        """Whether the file can't leave a transaction, a table lock or another default schema."""
        return all(unit.kind in _PLAIN for unit in self.script.units)

    async def attempt(self, index: int) -> None:
        """Send a unit and record it.

        Args:
            index: which of the file's units, from 0.

        Raises:
            pymysql.err.Error: the server's refusal.
            PostconditionFailed, LockLost, Interrupted: it must not go on.
        """
        unit = self.script.units[index]
        try:
            if unit.kind is Kind.SESSION:
                await self._send_all(unit)
            elif unit.kind is Kind.DATA:
                await self._data(index, unit)
            elif unit.kind is Kind.TRANSACTION:
                await self._transaction(unit)
            else:
                await self._committing(index, unit)
        except BaseException as error:
            self._opened = False
            if isinstance(error, pymysql.err.Error):
                await self._settle(error)
            self._around.ahead.doubt()
            if self.following is not None:
                self.following.record.forget_announced()
            raise

    async def _settle(self, refusal: pymysql.err.Error) -> None:
        """Commit the rows that were left to a definition which the server refused.

        Raises:
            ServerUnavailable: they can't be; the next run finds them neither done nor recorded.
        """
        if server_error(refusal)[0] in failure.GONE:
            return
        try:
            await self._around.pending.settle()
        except (pymysql.err.Error, OSError) as error:
            self._session.close()
            raise failure.connection_lost(self.script, self.progressed.sent, error) from refusal

    async def check_postconditions(self, *, changed: bool) -> None:
        """Check what the file promises.

        Args:
            changed: whether it changed anything.

        Raises:
            PostconditionFailed: with the line.
        """
        await postconditions.check(
            self._session, self.script, changed=changed, strict=self._around.strict
        )

    def withdraw(self) -> None:
        """Take back the records of what was announced and is not going to be sent now."""
        for run_id, position in self._around.ahead.unsent():
            for attempts in (self, self.following):
                if attempts is not None and attempts.record.run_id == run_id:
                    attempts.record.withdrawn(position)

    # -- rows -----------------------------------------------------------------------------------

    async def _data(self, index: int, unit: Unit) -> None:
        pending, ahead = self._around.pending, self._around.ahead
        before = len(pending.writes)
        last = index + 1 == len(self.script.units)
        if not self._opened:
            await self._session.execute("BEGIN")
        self._opened = False
        coming = list(ahead.chain(self._coming(index)))
        questions = [*self._question(index), *_looks(coming)]
        outcome, answers = await self._send_all(unit, questions)
        changed = self.progressed.changed or outcome.changed
        try:
            self.record.unit(unit, outcome=outcome)
            if last:
                await self.check_postconditions(changed=changed)
                self.record.succeeded()
            self._announce(coming, answers)
            await pending.write()
            await pending.commit(by_next=bool(coming) and not last)
        except BaseException:
            del pending.writes[before:]  # rolled back together with the rows
            raise
        ahead.filled(outcome.rows)
        self.progressed.closed = last
        self.progressed.changed = changed

    async def _transaction(self, unit: Unit) -> None:
        """Put the record inside the file's own transaction, right before its COMMIT."""
        pending = self._around.pending
        end = ends_transaction(unit.statements[-1])
        body = Unit(unit.kind, unit.first, unit.statements[:-1] if end else unit.statements)
        outcome, _ = await self._send_all(body)
        if end == "rollback":
            await self._send(unit.statements[-1], unit.last)
            self.record.unit(unit, outcome=Outcome(0, outcome.warnings))
            await pending.flush()
            return
        before = len(pending.writes)
        try:
            self.record.unit(unit, outcome=outcome)
            await pending.write()
            if end:
                await self._send(unit.statements[-1], unit.last)
            else:
                await self._session.execute("COMMIT")  # a definition follows, which would commit
        except BaseException:
            del pending.writes[before:]
            raise
        pending.forget()
        self._around.ahead.filled(outcome.rows)
        self.progressed.changed = self.progressed.changed or outcome.changed

    # -- definitions ----------------------------------------------------------------------------

    async def _committing(self, index: int, unit: Unit) -> None:
        pending, ahead = self._around.pending, self._around.ahead
        before = ahead.take(self.record.run_id, unit)
        announced = before is not None
        mark = len(pending.writes)
        try:
            if before is None:
                before = await self._look_ahead(index, unit)
            questions = self._questions(index, unit, before)
            outcome, answers = await self._send_committing(unit, questions, announced=announced)
        except BaseException:
            del pending.writes[mark:]
            raise
        if unit.kind is not Kind.TABLES_LOCKED:
            same = await self._same(unit, before, outcome, answers)
            outcome = Outcome(outcome.rows, outcome.warnings, changed_objects(unit, same=same))
        self.record.unit(unit, before, outcome=outcome)
        if unit.kind is Kind.OPAQUE:
            await pending.write()
            await self._session.execute("COMMIT")
            pending.forget()
        elif not (provable(unit) and outcome.objects):
            self._opened = False
            await pending.flush()
        ahead.created(unit, before)
        ahead.filled(outcome.rows)
        self.progressed.changed = self.progressed.changed or outcome.changed

    async def _look_ahead(self, index: int, unit: Unit) -> str:
        """Record a definition as begun, and those of the next ones that can be by now."""
        await self._around.lock.ensure_still_held()
        mine = (self.record.run_id, unit)
        coming = list(self._around.ahead.chain(itertools.chain([mine], self._coming(index))))
        if not coming:
            before = await look(self._session, self._schema, self.script, unit)
            self.record.unit(unit, before)
            return before
        answers = await self._session.ask(*_looks(coming))
        target = target_of(unit)
        assert target is not None
        before = seen(target, answers[0])
        self.record.unit(unit, before)
        self._announce(coming[1:], answers[1:])
        return before

    async def _send_committing(
        self, unit: Unit, questions: Sequence[str], *, announced: bool
    ) -> tuple[Outcome, list[Reply]]:
        """Send it once it is durable that it was begun."""
        pending = self._around.pending
        if announced:
            sent = await self._send_all(unit, questions)
            pending.committed()
            return sent
        if commits_first(unit):
            await pending.open()
            sent = await self._send_all(unit, questions)
            pending.forget()
            return sent
        await pending.flush()
        if unit.kind is Kind.OPAQUE:
            await self._session.execute("BEGIN")
        sent = await self._send_all(unit, questions)
        if unit.kind is Kind.TABLES_LOCKED:
            await self._session.execute("UNLOCK TABLES")
        return sent

    def _questions(self, index: int, unit: Unit, before: str) -> list[str]:
        """What to ask behind a definition: first ``_question``, then the table unless it is settled."""
        asked = self._question(index)
        target = target_of(unit)
        if target is None:
            return asked
        if not settled(unit, before):
            asked.append(shown(target))
        units = self.script.units
        if index + 1 < len(units) and units[index + 1].kind is Kind.DATA:
            asked.append("BEGIN")
        return asked

    async def _same(
        self, unit: Unit, before: str, outcome: Outcome, answers: Sequence[Reply]
    ) -> bool:
        """Tell whether the definitions are as they were, from the answers to ``_questions``."""
        target = target_of(unit)
        if target is not None:
            done = settled(unit, before)
            begun = answers if done else answers[1:]
            self._opened = bool(begun) and begun[-1].error is None
            if not done:
                return seen(target, answers[0]) == before
            if not outcome.warnings:
                return False
        return await look(self._session, self._schema, self.script, unit) == before

    # -- what comes next ------------------------------------------------------------------------

    def _coming(self, index: int) -> Iterator[tuple[str, Unit]]:
        for unit in self.script.units[index + 1 :]:
            if unit.first in self._done:
                return
            yield self.record.run_id, unit
        if self.following is not None and self.simple:
            for unit in self.following.script.units:
                yield self.following.record.run_id, unit

    def _announce(self, coming: Sequence[tuple[str, Unit]], answers: Sequence[Reply]) -> None:
        """Record as begun what comes next; ``answers`` are those to ``_looks``."""
        for (run_id, unit), answer in zip(coming, answers, strict=True):
            target = target_of(unit)
            assert target is not None
            before = seen(target, answer)
            record = self.record
            if self.following is not None and run_id == self.following.record.run_id:
                record = self.following.record
                record.announced()
            record.unit(unit, before)
            self._around.ahead.announce(run_id, unit, before)

    # -- statements -----------------------------------------------------------------------------

    def _question(self, index: int) -> list[str]:
        """What to ask behind the last statement of a unit: the lock, and at the end the session."""
        if self.script.units[index].kind not in _PLAIN:
            return []
        lock = self._around.lock
        if self.simple and index + 1 == len(self.script.units):
            return [self._session.unchanged_query(lock.name)]
        return [lock.question]

    async def _send_all(
        self, unit: Unit, questions: Sequence[str] = ()
    ) -> tuple[Outcome, list[Reply]]:
        """Send a unit's statements.

        Args:
            unit: which.
            questions: to be sent behind the last one; the first is one about the lock.

        Returns:
            What the statements did together, and the answers to all questions but the first.
        """
        rows = warnings = 0
        answers: list[Reply] = []
        for position, statement in enumerate(unit.statements, start=unit.first):
            last = position == unit.last
            between = (self._around.lock.question,) if questions else ()
            outcome, answers = await self._send(statement, position, questions if last else between)
            rows += max(outcome.rows, 0)
            warnings += outcome.warnings
        return Outcome(rows, warnings), answers

    async def _send(
        self, statement: Statement, position: int, questions: Sequence[str] = ()
    ) -> tuple[Outcome, list[Reply]]:
        lock = self._around.lock
        self._around.interruption.check()
        await lock.ensure_still_held()
        self.progressed.sent = position
        lock.doubtful = True
        with self._around.progress.watching(self.script, position):
            outcome, answers = await self._session.run_then(statement.text, questions)
        if answers:
            lock.judge(answers[0])
            self.progressed.left_clean = self._session.is_unchanged(answers[0])
        await self._refuse_other_lexing(statement, position)
        return outcome, answers[1:]

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


def _looks(coming: Sequence[tuple[str, Unit]]) -> list[str]:
    targets = (target_of(unit) for _, unit in coming)
    return [shown(target) for target in targets if target is not None]
