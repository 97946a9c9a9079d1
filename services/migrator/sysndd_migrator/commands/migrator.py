"""The migrator of one connection: the files and ledgers of both schemas, and the lock.

This module imports nothing that applies files, so that a start with nothing pending is quick.
"""

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path

import pymysql.err

from sysndd_core.errors import SettingsError
from sysndd_core.settings.database import DatabaseSettings
from sysndd_migrator.errors import ServerUnavailable, UnreleasedSchema
from sysndd_migrator.files.sources import Source, read_sources
from sysndd_migrator.ledger.journal import Journal
from sysndd_migrator.ledger.ledger import Ledger, LedgerRow
from sysndd_migrator.ledger.site_record import SiteRecord
from sysndd_migrator.ledger.status import FileState, State, assess, ignored_remarks
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.server.lock import MigrationLock
from sysndd_migrator.server.session import Session, Write, server_error

_UNRELEASED_VERSION = "0.1.0"
"""The version of every build before 0.9.0."""


class Migrator:
    """What all commands use, on one session.

    Args:
        session: The connection that holds the lock.
        sources: Platform and application, in this order.
        interruption: The request to stop.
    """

    def __init__(
        self, session: Session, sources: tuple[Source, Source], interruption: Interruption
    ) -> None:
        self.session = session
        self.interruption = interruption
        self.sources = sources
        platform, application = sources
        self.journal = Journal(session, platform.schema)
        self._ledgers = {source.name: Ledger(session, source.schema) for source in sources}
        self.lock = MigrationLock(session, application.schema)
        self.site = SiteRecord(session)

    @property
    def managed(self) -> tuple[Source, ...]:
        """The sources whose files are applied: not the application in mode ``observe``."""
        return tuple(source for source in self.sources if source.managed)

    def ledger(self, source: str) -> Ledger:
        """Return the ledger of ``platform`` or ``application``."""
        return self._ledgers[source]

    async def write(self, writes: Sequence[Write]) -> None:
        """Write ledger and journal rows in one transaction, under the lock.

        Raises:
            LockLost: This connection does not hold the lock.
        """
        await self.lock.ensure_held()
        await self.session.commit_all(writes)

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

    def remarks(self, states: Mapping[str, list[FileState]]) -> list[str]:
        """Return what an operator should know about the files.

        Args:
            states: From ``assess``.
        """
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
