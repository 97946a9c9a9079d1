"""``verify``: applies every file twice in a scratch schema, with the runner of ``up``.

Each file runs twice in a row, then the next one runs. This is the only way in which a file is ever
run again: after a kill, or on a schema that was prepared by hand. A LATER file may change what an
earlier one finds.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sysndd_core.logging import get_logger
from sysndd_core.settings.database import DatabaseSettings
from sysndd_migrator.checks.scratch import Purpose, scratch_schemas
from sysndd_migrator.checks.scratch_run import refuse_outside, server_version, with_scripts
from sysndd_migrator.commands.migrator import Migrator, open_migrator
from sysndd_migrator.commands.up import up
from sysndd_migrator.errors import ExitCode, MigratorError
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.sources import Source
from sysndd_migrator.server.fingerprint import names_in
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.server.session import Session
from sysndd_migrator.server.snapshot import Snapshot, differences, read_snapshot

log = get_logger(__name__)

# Errors of a file, as opposed to errors of the server and requests to stop.
_FILE_ERRORS = frozenset({ExitCode.FAILED, ExitCode.NOT_CLEAN})


class Fault(StrEnum):
    """What is wrong with a file."""

    FAILED = "failed"
    NO_EFFECT = "no_effect"
    FAILED_AGAIN = "failed_the_second_time"
    CHANGED_AGAIN = "changed_more_the_second_time"


@dataclass(frozen=True)
class Finding:
    """One fault of one file, with its reason."""

    schema: str
    filename: str
    fault: Fault
    why: str


@dataclass
class Verification:
    """The result of ``verify``.

    Attributes:
        server: Version of the server.
        files: Number of applied files.
        findings: Faults of the files.
        not_reached: Files after one that failed.
    """

    server: str
    files: int = 0
    findings: list[Finding] = field(default_factory=list)
    not_reached: list[str] = field(default_factory=list)


async def verify(
    settings: DatabaseSettings, directory: Path, interruption: Interruption
) -> Verification:
    """Apply every file twice in a scratch schema.

    Args:
        settings: The server; the scratch schemas' names start with those of its schemas.
        directory: The application's migrations.
        interruption: The request to stop; the scratch schemas are dropped then too.

    Raises:
        NotClean: A file would change more than its schema, or two files have the same number.
        AmbiguousFile: A file is ambiguous.
        NotPermitted: The account may not create scratch schemas.
    """
    async with (
        scratch_schemas(settings, Purpose.VERIFY) as scratch,
        open_migrator(scratch.settings, directory, interruption) as migrator,
    ):
        run = _Run(migrator, scratch.holder)
        await run.all()
        return run.result


class _Run:
    def __init__(self, migrator: Migrator, session: Session) -> None:
        self._migrator = migrator
        self._session = session
        self._sources = migrator.sources
        self._platform_names = names_in(
            statement.canonical
            for script in self._sources[0].scripts
            for statement in script.statements
        )
        self.result = Verification(server_version(session))

    async def all(self) -> None:
        platform, application = self._sources
        for source in self._sources:
            await refuse_outside(self._session, source.scripts)
        for source in self._sources:
            for position, script in enumerate(source.scripts, start=1):
                reached = source.scripts[:position]
                self._migrator.sources = (
                    (with_scripts(platform, reached), with_scripts(application, ()))
                    if source is platform
                    else (platform, with_scripts(application, reached))
                )
                if not await self._apply_twice(source, script):
                    self._note_not_reached(source, position)
                    return

    async def _apply_twice(self, source: Source, script: Script) -> bool:
        """Apply a file twice; return False if it failed the first time."""
        before = await self._take(source)
        try:
            await up(self._migrator)
        except MigratorError as error:
            self._note(source, script, Fault.FAILED, _message(error))
            return False
        self.result.files += 1
        after = await self._take(source)
        if after == before and not script.directives.no_op:
            why = "it changed nothing; if that is intended, add the line `-- expect: no-op`"
            self._note(source, script, Fault.NO_EFFECT, why)
        await self._apply_again(source, script, after)
        return True

    async def _apply_again(self, source: Source, script: Script, before: Snapshot) -> None:
        table = self._migrator.ledger(source.name).table
        await self._session.execute(f"DELETE FROM {table} WHERE filename = %s", (script.filename,))
        try:
            await up(self._migrator)
        except MigratorError as error:
            self._note(source, script, Fault.FAILED_AGAIN, _message(error))
            # So that the later files are checked as well.
            await self._session.execute(
                f"UPDATE {table} SET success = 1, error = NULL WHERE filename = %s",
                (script.filename,),
            )
            return
        more = list(differences(before, await self._take(source)))
        if more:
            self._note(source, script, Fault.CHANGED_AGAIN, "; ".join(more))

    async def _take(self, source: Source) -> Snapshot:
        without: set[str] = set()
        if source.name == "platform":
            # Tables that no file names are the runner's own records.
            rows = await self._session.fetch_all(
                "SELECT table_name AS n FROM information_schema.tables WHERE table_schema = %s",
                (source.schema,),
            )
            without = {str(row["n"]) for row in rows} - self._platform_names
        return await read_snapshot(
            self._session, source.schema, contents=True, without=frozenset(without)
        )

    def _note(self, source: Source, script: Script, fault: Fault, why: str) -> None:
        self.result.findings.append(Finding(source.name, script.path, fault, why))

    def _note_not_reached(self, failed: Source, position: int) -> None:
        later = [*failed.scripts[position:]]
        if failed is self._sources[0]:
            later += self._sources[1].scripts
        self.result.not_reached = [script.filename for script in later]


def _message(error: MigratorError) -> str:
    if error.exit_code not in _FILE_ERRORS:
        raise error
    return str(error.detail).split("\nCorrect the file")[0]
