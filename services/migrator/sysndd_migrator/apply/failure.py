"""What the operator reads when a file can't be finished: where, what, the server's words, what to do."""

from dataclasses import asdict

from sysndd_core.db.blockers import Blocker
from sysndd_migrator.errors import (
    Blocked,
    FailedMigration,
    Interrupted,
    ServerUnavailable,
    StatementFailed,
)
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.units import Unit
from sysndd_migrator.ledger.failed_statement import FailedStatement
from sysndd_migrator.server.session import server_error

_SHOWN = 300


def failed_statement(
    script: Script, unit: Unit, position: int, error: Exception
) -> FailedStatement:
    """Return which statement the server rejected, and why.

    Args:
        script: the file.
        unit: what the statement is committed with.
        position: the statement, from 1.
        error: the driver's error.
    """
    number, words = server_error(error)
    statement = script.statements[position - 1]
    return FailedStatement(
        line=statement.line,
        statement=position,
        sql=shortened(statement.text),
        errno=number,
        error=words,
        resume_at=unit.first,
    )


def message(script: Script, failed: FailedStatement) -> str:
    """Say in words which statement failed: what the ledger keeps and ``status`` shows."""
    return (
        f"{script.path}:{failed.line}: statement {failed.statement} of {len(script.statements)} "
        f"failed: {failed.error} (error {failed.errno}). The statement: {failed.sql} "
        f"(resume at statement {failed.resume_at})"
    )


def as_error(script: Script, failed: FailedStatement) -> StatementFailed:
    """Add to ``message`` what to do, and the parts for ``--json``."""
    return StatementFailed(
        f"{message(script, failed)}\nCorrect the file or the database, then run `sysndd-migrator "
        f"resolve {script.filename} --from-statement {failed.resume_at}` and `sysndd-migrator up`.",
        file=script.filename,
        **asdict(failed),
    )


def stopped(script: Script, position: int, *, requested: bool) -> Interrupted:
    """Say that a statement was killed and undone."""
    by = "on request" if requested else "by someone's KILL QUERY"
    return Interrupted(
        f"{script.path}: statement {position} was stopped {by} and undone. "
        "Run `sysndd-migrator up` again to go on.",
        file=script.filename,
        statement=position,
    )


CONNECTION_ERRORS = frozenset(
    {1053, 1077, 1079, 1080, 1152, 1159, 1161, 1184, 1927, 2006, 2013, 2055, 4031}
)
"""Numbers of errors after which there is no connection any more."""


def connection_lost(script: Script, position: int, error: BaseException) -> ServerUnavailable:
    """Say that nobody knows yet whether a statement was finished."""
    return ServerUnavailable(
        f"{script.path}: the connection was lost at statement {position}: "
        f"{server_error(error)[1]}. The server may have finished it all the same. Run "
        "`sysndd-migrator up` again: it looks at the schema first and repeats nothing that was done.",
        file=script.filename,
        statement=position,
    )


def not_recorded(script: Script, unit: Unit, error: BaseException) -> ServerUnavailable:
    """Say that a definition was accepted, and that its record got no lock."""
    return ServerUnavailable(
        f"{location(script, unit)}: statement {unit.first} was done, but could not be recorded: "
        f"{server_error(error)[1]}. Run `sysndd-migrator up` again: it looks at the schema first and "
        "repeats nothing that was done.",
        file=script.filename,
        statement=unit.first,
    )


def blocked(
    script: Script,
    unit: Unit,
    position: int,
    error: Exception,
    blocker: Blocker | None,
    *,
    tried: float,
) -> Blocked:
    """Say who kept the table locked for how many seconds."""
    kill = f" End it with KILL {blocker.thread_id}; or" if blocker else ""
    return Blocked(
        f"{location(script, unit)}: statement {position} got no lock within {tried:g} s: "
        f"{server_error(error)[1]}. Blocked by {describe_blocker(blocker)}.{kill} "
        "run `sysndd-migrator up` again later; it goes on at this statement.",
        file=script.filename,
        statement=position,
        blocker=blocker.thread_id if blocker else None,
    )


def undecidable(script: Script, unit: Unit) -> FailedMigration:
    """Say that a person has to look how far a killed statement came."""
    return FailedMigration(
        f"{location(script, unit)}: the last run was killed inside statement {unit.first}, and it "
        f"can't be told how much of it was done: {shortened(unit.statements[0].text)} Look, then "
        f"run `sysndd-migrator resolve {script.filename} --from-statement {unit.first}` to repeat "
        f"it or `--from-statement {unit.last + 1}` to go on behind it.",
        file=script.filename,
        statement=unit.first,
    )


def temporary_tables_lost(script: Script) -> FailedMigration:
    """Say that an interrupted file can't be gone on with."""
    return FailedMigration(
        f"{script.path} was interrupted and uses temporary tables, which ended with the old "
        "connection. Undo what it did and run `sysndd-migrator resolve "
        f"{script.filename} --from-statement 1`.",
        file=script.filename,
    )


def location(script: Script, unit: Unit) -> str:
    """Return ``file:line`` of a unit."""
    return f"{script.path}:{unit.statements[0].line}"


def describe_blocker(blocker: Blocker | None) -> str:
    """Name a blocker, or say why none is named."""
    return str(blocker) if blocker else "a connection this account may not see, or one gone by now"


def shortened(text: str) -> str:
    """Put a statement on one line of bearable length."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN]}…"
