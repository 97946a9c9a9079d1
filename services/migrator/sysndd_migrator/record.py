"""Writes ledger and journal with as few commits as the proofs allow.

A commit costs more than most statements. What is already provable by a look at the schema waits
for the next transaction, also for that of the next file; what is not, is committed at once.
"""

import time
from functools import cached_property

from sysndd_core import __version__
from sysndd_migrator.journal import Journal
from sysndd_migrator.ledger import Ledger, Upsert, Write, merged
from sysndd_migrator.lock import MigrationLock
from sysndd_migrator.script import Script
from sysndd_migrator.session import Outcome, Session
from sysndd_migrator.units import Unit


class Pending:
    """Writes of a run that wait for the next transaction.

    Args:
        session: the connection that holds the lock.
        lock: looked at before each write.
    """

    def __init__(self, session: Session, lock: MigrationLock) -> None:
        self._session = session
        self._lock = lock
        self.writes: list[Write | Upsert] = []
        self._left_open = False

    async def write(self) -> None:
        """Write them inside the transaction that is open; they stay pending until ``forget``.

        Raises:
            LockLost: the lock is no longer ours.
        """
        await self._lock.ensure_still_held()
        if self.writes:
            await self._session.execute_all(merged(self.writes))

    def forget(self) -> None:
        """Take note that their transaction is committed."""
        self.writes.clear()

    async def commit(self, *, by_next: bool) -> None:
        """Commit the transaction that they were written into.

        Args:
            by_next: leave that to the statement that is sent next, which the server does not begin
                before it has committed what is open.
        """
        if not by_next:
            await self._session.execute("COMMIT")
        self._left_open = by_next
        self.forget()

    async def settle(self) -> None:
        """Commit what was left to a statement that failed or was not sent.

        Raises:
            pymysql.err.Error: it can't be committed, so the server takes it back with the connection.
        """
        if self._left_open:
            await self._session.execute("COMMIT")
            self._left_open = False

    def committed(self) -> None:
        """Take note that a statement was sent which committed what had been left to it."""
        self._left_open = False

    async def flush(self) -> None:
        """Commit them in a transaction of their own; costs nothing when there are none."""
        await self.settle()
        if not self.writes:
            return
        # One statement is its own transaction.
        if len(merged(self.writes)) == 1:
            await self.write()
        else:
            await self.open()
            await self._session.execute("COMMIT")
        self.forget()

    async def open(self) -> None:
        """Write them into a transaction that the next statement commits before it starts."""
        await self._lock.ensure_still_held()
        # In one go: should BEGIN be refused, each of them is durable on its own, which will do.
        await self._session.execute_all([("BEGIN", None), *merged(self.writes)])


class Record:
    """One file's rows in ledger and journal.

    Args:
        pending: where the writes wait.
        ledger: of the schema the file belongs to.
        journal: of the platform.
        script: the file.
        run_id: names this run's journal rows.
    """

    def __init__(
        self, pending: Pending, ledger: Ledger, journal: Journal, script: Script, run_id: str
    ) -> None:
        self._pending = pending
        self._ledger = ledger
        self._journal = journal
        self._script = script
        self._run_id = run_id
        self._started = time.monotonic()
        self._begun = False
        self._known: dict[int, str] = {}

    def prepare(self) -> None:
        """Put together what is known of the rows, so that nobody waits for it later."""
        _ = self._known_file
        for unit in self._script.units:
            self._known_unit(unit)

    @property
    def run_id(self) -> str:
        """What names this run of the file."""
        return self._run_id

    @property
    def elapsed(self) -> int:
        """Milliseconds since the file was begun."""
        return round((time.monotonic() - self._started) * 1000)

    def begun(self) -> None:
        """The file is being applied; said already when its first unit was announced."""
        self._started = time.monotonic()
        if not self._begun:
            self.announced()

    def announced(self) -> None:
        """The file comes next."""
        self._begun = True
        self._file(None)

    def forget_announced(self) -> None:
        """Its announcement was rolled back."""
        self._begun = False

    def succeeded(self) -> None:
        """All of the file is applied."""
        self._file(self.elapsed)

    def _file(self, duration: int | None) -> None:
        self._pending.writes.append(self._ledger.row(self._known_file, duration_ms=duration))

    @cached_property
    def _known_file(self) -> str:
        return self._ledger.known(
            filename=self._script.filename,
            checksum=self._script.checksum,
            statements_checksum=self._script.statements_checksum,
            statements=len(self._script.statements),
            tool_version=__version__,
            run_id=self._run_id,
        )

    def _known_unit(self, unit: Unit) -> str:
        known = self._known.get(unit.first)
        if known is None:
            known = self._journal.known(self._run_id, self._ledger.schema, self._script, unit)
            self._known[unit.first] = known
        return known

    def unit(
        self, unit: Unit, before: str | None = None, *, outcome: Outcome | None = None
    ) -> None:
        """A unit is about to be sent, or was done.

        Args:
            unit: which.
            before: what the schema looked like before it.
            outcome: what it did; None before it is sent.
        """
        self._pending.writes.append(
            self._journal.row(self._known_unit(unit), fingerprint=before, outcome=outcome)
        )

    def withdrawn(self, position: int) -> None:
        """A unit that was announced is not going to be sent, nor is a file that it is the first of."""
        self._pending.writes.append(self._journal.withdrawn(self._run_id, position))
        if position == 1:
            self._pending.writes.append(self._ledger.withdrawn(self._script.filename, self._run_id))
            self._begun = False

    def unit_failed(self, unit: Unit, detail: str) -> None:
        """The server refused a unit, or a postcondition of the file is not met."""
        self.unit(unit)
        self._pending.writes += [
            self._journal.failed(self._run_id, unit, detail),
            self._ledger.failed(self._script.filename, self.elapsed, detail),
        ]
