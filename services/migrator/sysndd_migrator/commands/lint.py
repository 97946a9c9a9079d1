"""``lint``: the static rules, and every file run in a scratch schema.

Only a server can show what it rejects, how it would change a table, and whether a table has a
primary key after several statements.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sysndd_core.settings.database import DatabaseSettings
from sysndd_migrator.checks.lint_rules import RULES, Finding, check, with_allowances
from sysndd_migrator.checks.lock_class import NOT_RUN, ClassifiedStatement, LockClass, LockClassRun
from sysndd_migrator.checks.scratch import Purpose, scratch_schemas
from sysndd_migrator.checks.scratch_run import server_version
from sysndd_migrator.files.outside import other_schemas
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.sources import Source, read_sources
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.server.session import Session

_COPIES = frozenset({LockClass.COPY, LockClass.INPLACE_SHARED})


@dataclass(frozen=True)
class ScratchRun:
    """The server on which files are run.

    Attributes:
        settings: The server, and the live schemas whose statistics give the rows of a table.
        copy_rows: Rows from which a table copy is a finding.
    """

    settings: DatabaseSettings
    copy_rows: int


async def lint(
    settings: DatabaseSettings,
    directory: Path,
    interruption: Interruption,
    scratch_run: ScratchRun | None,
) -> list[Finding]:
    """Check every file.

    Args:
        settings: Names of the schemas.
        directory: The application's migrations.
        interruption: The request to stop.
        scratch_run: The server on which files are run; None to use the static rules only.

    Raises:
        InputUnreadable: The directory or a file cannot be read.
        ServerUnavailable: No connection.
        NotPermitted: The account may not create scratch schemas.
    """
    sources = read_sources(settings, directory)
    found = [
        finding for source in sources for script in source.scripts for finding in check(script)
    ]
    if scratch_run is None:
        return found
    known = {(finding.path, finding.line, finding.rule) for finding in found}
    ambiguous = {finding.path for finding in found if finding.rule == "ambiguous-file"}
    found += [
        finding
        for finding in await _by_execution(sources, scratch_run, interruption, without=ambiguous)
        if (finding.path, finding.line, finding.rule) not in known
    ]
    return sorted(found, key=lambda finding: finding.path)


async def _by_execution(
    sources: Sequence[Source],
    scratch_run: ScratchRun,
    interruption: Interruption,
    *,
    without: Collection[str],
) -> list[Finding]:
    found: list[Finding] = []
    async with scratch_schemas(scratch_run.settings, Purpose.LINT) as scratch:
        session = await Session.open(scratch_run.settings)
        try:
            schemas = (scratch.settings.ops_name, scratch.settings.name)
            for source, schema in zip(sources, schemas, strict=True):
                forbidden = await other_schemas(session) - {schema.lower()}
                lock_class_run = LockClassRun(session, schema, forbidden, interruption)
                execution = _Execution(session, lock_class_run, schema, scratch_run)
                found += await execution.of(source, without=without)
        finally:
            session.close()
    return found


class _Execution:
    def __init__(
        self, session: Session, lock_class_run: LockClassRun, schema: str, scratch_run: ScratchRun
    ) -> None:
        self._session = session
        self._lock_class_run = lock_class_run
        self._schema = schema
        self._scratch_run = scratch_run
        self._rows: dict[str, int] = {}
        self._keyless: set[str] = set()

    async def of(self, source: Source, *, without: Collection[str]) -> list[Finding]:
        """Run a source's files in order."""
        self._rows = await _live_rows(self._session, source.schema)
        found: list[Finding] = []
        for script in source.scripts:
            if script.path not in without:
                found += await self._of_file(script)
        return found

    async def _of_file(self, script: Script) -> list[Finding]:
        allowed = {s.start: rules for s, rules in with_allowances(script, script.statements)}
        found: list[Finding] = []
        for done in await self._lock_class_run.run(script):
            fault = self._fault(done)
            if fault is not None and fault[0] not in allowed[done.statement.start]:
                found.append(_finding(script, done.statement.line, *fault))
            if done.error and fault is not None and fault[0] == "server-refuses":
                break  # the next statements expect the result of this one
        keyless = await _without_primary_key(self._session, self._schema)
        anywhere = {rule for rules in allowed.values() for rule in rules}
        if "missing-primary-key" not in anywhere:
            for table in sorted(keyless - self._keyless):
                message = f"table {table} has no primary key"
                line = _line_of(script, table)
                found.append(_finding(script, line, "missing-primary-key", message))
        self._keyless = keyless
        return found

    def _fault(self, done: ClassifiedStatement) -> tuple[str, str] | None:
        if done.error and done.error.startswith(NOT_RUN):
            return "other-schema", done.error.removeprefix(NOT_RUN)
        if done.error:
            return "server-refuses", f"{server_version(self._session)} rejects it: {done.error}"
        rows = self._rows.get((done.table or "").lower(), 0)
        if done.lock in _COPIES and rows >= self._scratch_run.copy_rows:
            return "table-copy", f"{done.lock.value}: table {done.table} has about {rows:,} rows"
        return None


def _finding(script: Script, line: int, rule: str, message: str) -> Finding:
    return Finding(script.path, line, rule, message, RULES[rule])


async def _live_rows(session: Session, schema: str) -> dict[str, int]:
    rows = await session.fetch_all(
        "SELECT table_name AS n, COALESCE(table_rows, 0) AS r FROM information_schema.tables "
        "WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        (schema,),
    )
    return {str(row["n"]).lower(): int(row["r"]) for row in rows}


async def _without_primary_key(session: Session, schema: str) -> set[str]:
    rows = await session.fetch_all(
        "SELECT t.table_name AS n FROM information_schema.tables AS t WHERE t.table_schema = %s "
        "AND t.table_type = 'BASE TABLE' AND NOT EXISTS (SELECT 1 FROM "
        "information_schema.table_constraints AS c WHERE c.table_schema = t.table_schema "
        "AND c.table_name = t.table_name AND c.constraint_type = 'PRIMARY KEY')",
        (schema,),
    )
    return {str(row["n"]) for row in rows}


def _line_of(script: Script, table: str) -> int:
    word = re.compile(rf"(?<![\w$]){re.escape(table)}(?![\w$])", re.IGNORECASE)
    for statement in script.statements:
        if word.search(statement.canonical):
            return statement.line
    return script.statements[0].line
