"""Messages for a file that cannot be completed: location, statement, server's error, remedy."""

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
        script: The file.
        unit: The unit of the statement.
        position: Position of the statement in the file, from 1.
        error: The driver's error.
    """
    number, reason = server_error(error)
    statement = script.statements[position - 1]
    return FailedStatement(
        line=statement.line,
        statement=position,
        sql=shortened(statement.text),
        errno=number,
        error=reason,
        resume_at=unit.first,
    )


def message(script: Script, failed: FailedStatement) -> str:
    """Describe the failed statement, as the ledger stores it and ``status`` prints it."""
    return (
        f"{script.path}:{failed.line}: statement {failed.statement} of {len(script.statements)} "
        f"failed: {failed.error} (error {failed.errno}). The statement: {failed.sql} "
        f"(resume at statement {failed.resume_at})"
    )


def as_error(script: Script, failed: FailedStatement) -> StatementFailed:
    """Return the error: ``message``, the remedy, and the parts for ``--json``."""
    return StatementFailed(
        f"{message(script, failed)}\nCorrect the file or the database, then run `sysndd-migrator "
        f"resolve {script.filename} --from-statement {failed.resume_at}` and `sysndd-migrator up`.",
        file=script.filename,
        **asdict(failed),
    )


def stopped(script: Script, position: int, *, requested: bool) -> Interrupted:
    """Return the error for a statement that was killed and rolled back."""
    by = "on request" if requested else "by a KILL QUERY of another connection"
    return Interrupted(
        f"{script.path}: statement {position} was stopped {by} and rolled back. "
        "Run `sysndd-migrator up` again to resume.",
        file=script.filename,
        statement=position,
    )


CONNECTION_ERRORS = frozenset(
    {1053, 1077, 1079, 1080, 1152, 1159, 1161, 1184, 1927, 2006, 2013, 2055, 4031}
)
"""Errors after which the connection is lost."""


def connection_lost(script: Script, position: int, error: BaseException) -> ServerUnavailable:
    """Return the error for a statement whose result is unknown."""
    return ServerUnavailable(
        f"{script.path}: the connection was lost at statement {position}: "
        f"{server_error(error)[1]}. The server may have completed it. Run `sysndd-migrator "
        "up` again: it detects completed statements and does not repeat them.",
        file=script.filename,
        statement=position,
    )


def not_recorded(script: Script, unit: Unit, error: BaseException) -> ServerUnavailable:
    """Return the error for a definition that was accepted but could not be recorded."""
    return ServerUnavailable(
        f"{location(script, unit)}: statement {unit.first} was done, but could not be recorded: "
        f"{server_error(error)[1]}. Run `sysndd-migrator up` again: it detects completed "
        "statements and does not repeat them.",
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
    """Return the error for a statement whose table another connection kept locked."""
    kill = f"End it with KILL {blocker.thread_id} and run" if blocker else "Run"
    return Blocked(
        f"{location(script, unit)}: statement {position} got no lock within {tried:g} s: "
        f"{server_error(error)[1]}. Blocked by {describe_blocker(blocker)}. {kill} "
        "`sysndd-migrator up` again, which resumes at this statement.",
        file=script.filename,
        statement=position,
        blocker=blocker.thread_id if blocker else None,
    )


def undecidable(script: Script, unit: Unit) -> FailedMigration:
    """Return the error for a killed statement whose progress is unknown."""
    return FailedMigration(
        f"{location(script, unit)}: the last run was killed inside statement {unit.first}, and "
        f"its progress is unknown: {shortened(unit.statements[0].text)} Inspect the schema, then "
        f"run `sysndd-migrator resolve {script.filename} --from-statement {unit.first}` to repeat "
        f"it, or `--from-statement {unit.last + 1}` to resume after it.",
        file=script.filename,
        statement=unit.first,
    )


def temporary_tables_lost(script: Script) -> FailedMigration:
    """Return the error for an interrupted file that cannot be resumed."""
    return FailedMigration(
        f"{script.path} was interrupted and uses temporary tables, which ended with its "
        "connection. Revert its changes and run `sysndd-migrator resolve "
        f"{script.filename} --from-statement 1`.",
        file=script.filename,
    )


def location(script: Script, unit: Unit) -> str:
    """Return ``file:line`` of a unit."""
    return f"{script.path}:{unit.statements[0].line}"


def describe_blocker(blocker: Blocker | None) -> str:
    """Name a blocker, or state why none is named."""
    return (
        str(blocker) if blocker else "a connection that this account may not see, or that has ended"
    )


def shortened(text: str) -> str:
    """Return a statement on one line of limited length."""
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN]}…"
