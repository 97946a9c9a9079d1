"""The records of one file: its ledger row, and a journal row for each unit."""

import time

from sysndd_core import __version__
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.units import Unit
from sysndd_migrator.ledger.failed_statement import FailedStatement
from sysndd_migrator.ledger.journal import Journal
from sysndd_migrator.ledger.ledger import Ledger
from sysndd_migrator.server.session import Outcome, Session, Write


class FileRecord:
    """The rows of one file in ledger and journal.

    Args:
        session: The connection that holds the lock.
        ledger: Ledger of the file's schema.
        journal: Journal of the platform.
        script: The file.
        run_id: ID of this run's journal rows.
    """

    def __init__(
        self, session: Session, ledger: Ledger, journal: Journal, script: Script, run_id: str
    ) -> None:
        self._session = session
        self._ledger = ledger
        self._journal = journal
        self._script = script
        self._run_id = run_id
        self._started = time.monotonic()

    @property
    def elapsed(self) -> int:
        """Milliseconds since the file was begun."""
        return round((time.monotonic() - self._started) * 1000)

    async def file_begun(self) -> None:
        """Record that the file is being applied."""
        begun = self._ledger.begun(
            filename=self._script.filename,
            checksum=self._script.checksum,
            statements_checksum=self._script.statements_checksum,
            statements=len(self._script.statements),
            tool_version=__version__,
            run_id=self._run_id,
        )
        await self._session.commit_all([begun])

    async def file_succeeded(self) -> None:
        """Record that the file is applied."""
        await self._session.commit_all([self.success()])

    def success(self) -> Write:
        """Return the write of ``file_succeeded``, for an open transaction."""
        return self._ledger.succeeded(self._script.filename, self.elapsed)

    async def unit_begun(self, unit: Unit, before: str) -> None:
        """Record that a unit is about to be sent.

        Args:
            unit: The unit.
            before: Hash of the definitions that it may change.
        """
        row = self._journal.unit_columns(self._run_id, self._ledger.schema, self._script, unit)
        await self._session.commit_all([self._journal.begun(row, before)])

    async def unit_finished(self, unit: Unit, outcome: Outcome) -> None:
        """Record that a begun unit is done."""
        await self._session.commit_all([self.completion(unit, outcome)])

    def completion(self, unit: Unit, outcome: Outcome) -> Write:
        """Return the write of ``unit_finished``, for an open transaction."""
        return self._journal.finished(self._run_id, unit, outcome)

    def unit_done(self, unit: Unit, outcome: Outcome) -> Write:
        """Return the write that records a unit in the transaction of its rows."""
        row = self._journal.unit_columns(self._run_id, self._ledger.schema, self._script, unit)
        return self._journal.done(row, outcome)

    async def unit_failed(
        self, unit: Unit, detail: str, failed: FailedStatement | None = None
    ) -> None:
        """Record that a unit failed.

        Args:
            unit: The unit.
            detail: Description of the failure.
            failed: The statement that the server rejected; None if an assertion does not hold.
        """
        row = self._journal.unit_columns(self._run_id, self._ledger.schema, self._script, unit)
        await self._session.commit_all(
            [
                self._journal.failed(row, detail, failed),
                self._ledger.failed(self._script.filename, self.elapsed, detail),
            ]
        )
