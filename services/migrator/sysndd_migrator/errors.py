"""Exit codes of ``sysndd-migrator``, and every error with its code; docs/migrator.md lists them.

MigratorError                 migrator_failed            FAILED
├── AmbiguousFile             ambiguous_file             REFUSED_SQL
├── InputUnreadable           input_unreadable           NO_INPUT
├── ServerUnavailable         server_unavailable         UNAVAILABLE
├── LockRefused               lock_refused               UNAVAILABLE
├── NotPermitted              not_permitted              NOT_PERMITTED
├── LockTimedOut              lock_timed_out             TIMED_OUT
├── WaitTimedOut              wait_timed_out             TIMED_OUT
├── LockLost                  lock_lost                  LOCK_LOST
├── Blocked                   blocked_by_connection      BLOCKED
├── Interrupted               interrupted                INTERRUPTED
├── StatementFailed           statement_failed           FAILED
├── PostconditionFailed       postcondition_failed       FAILED
└── NotClean                  resolution_required        NOT_CLEAN
    ├── DuplicateNumber       duplicate_number
    ├── ChangedAfterApplied   changed_after_applied
    ├── FailedMigration       failed_migration
    ├── MissingFile           missing_file
    ├── OutOfOrder            out_of_order
    ├── ForeignLedger         foreign_ledger
    ├── TablesExist           tables_exist
    └── UnreleasedSchema      unreleased_schema
"""

from enum import IntEnum
from typing import Any, ClassVar

from sysndd_core.errors import SysnddError


class ExitCode(IntEnum):
    """Exit codes of the process; those above 64 follow ``sysexits.h`` if it has a suitable name."""

    OK = 0
    FAILED = 1
    """The server rejected a statement, or a file had no effect; ledger and message name it."""
    USAGE = 2
    """Usage error, or a setting is invalid."""
    PENDING = 3
    """``status``, ``plan``: migrations are pending."""
    NOT_CLEAN = 4
    """A failed, changed or wrongly numbered file: manual resolution required."""
    TIMED_OUT = 5
    """``--timeout`` expired, or the lock holder makes no progress."""
    BLOCKED = 6
    """Another connection kept a table locked; nothing failed, run it again."""
    LOCK_LOST = 7
    """The migration lock was lost; stopped before the next statement."""
    FINDINGS = 8
    """``lint`` or ``verify`` has findings."""
    REFUSED_SQL = 65
    """EX_DATAERR: the splitter rejects a file as ambiguous."""
    NO_INPUT = 66
    """EX_NOINPUT: a file or the directory cannot be read."""
    UNAVAILABLE = 69
    """EX_UNAVAILABLE: the server is unreachable, or refuses GET_LOCK."""
    NOT_PERMITTED = 77
    """EX_NOPERM: the account lacks a privilege."""
    INTERRUPTED = 143
    """128 + SIGTERM: stopped by a signal; run it again to resume."""


class MigratorError(SysnddError):
    """Base of the errors that the command line reports in a sentence, without a traceback."""

    code = "migrator_failed"
    title = "Migration failed"
    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


class AmbiguousFile(MigratorError):
    """Different clients of the server would read different statements in a file.

    Args:
        name: Path of the file.
        line: Line of the ambiguity, from 1.
        column: Character in that line, from 1.
        reason: What is ambiguous there.
    """

    code = "ambiguous_file"
    title = "Ambiguous file"
    exit_code = ExitCode.REFUSED_SQL

    def __init__(self, name: str, line: int, column: int, reason: str) -> None:
        self.name, self.line, self.column, self.reason = name, line, column, reason
        super().__init__(
            f"{name}:{line}:{column}: {reason}", file=name, line=line, column=column, reason=reason
        )


class InputUnreadable(MigratorError):
    """A file or directory cannot be read."""

    code = "input_unreadable"
    title = "File or directory not readable"
    exit_code = ExitCode.NO_INPUT


class ServerUnavailable(MigratorError):
    """The server cannot be reached, or the connection was lost during the run."""

    code = "server_unavailable"
    title = "Database server unavailable"
    exit_code = ExitCode.UNAVAILABLE


class LockRefused(MigratorError):
    """The server does not grant named locks (Galera in strict mode); nothing was changed."""

    code = "lock_refused"
    title = "GET_LOCK rejected by the server"
    exit_code = ExitCode.UNAVAILABLE


class NotPermitted(MigratorError):
    """The account lacks a privilege."""

    code = "not_permitted"
    title = "Missing database privilege"
    exit_code = ExitCode.NOT_PERMITTED


class LockTimedOut(MigratorError):
    """Another process holds the migration lock and makes no progress, or ``--timeout`` expired."""

    code = "lock_timed_out"
    title = "Migration lock held by another process"
    exit_code = ExitCode.TIMED_OUT


class WaitTimedOut(MigratorError):
    """``--timeout`` of ``wait`` expired while migrations were pending."""

    code = "wait_timed_out"
    title = "Migrations still pending"
    exit_code = ExitCode.TIMED_OUT


class LockLost(MigratorError):
    """This connection no longer holds the migration lock; another process may be migrating."""

    code = "lock_lost"
    title = "Migration lock lost"
    exit_code = ExitCode.LOCK_LOST


class Blocked(MigratorError):
    """Another connection kept a table locked through every retry; nothing failed."""

    code = "blocked_by_connection"
    title = "Table locked by another connection"
    exit_code = ExitCode.BLOCKED


class Interrupted(MigratorError):
    """Stopped by a signal; what was done is recorded, and the next run resumes there."""

    code = "interrupted"
    title = "Interrupted"
    exit_code = ExitCode.INTERRUPTED


class StatementFailed(MigratorError):
    """The server rejected a statement of a migration.

    Args:
        detail: Sentences for the operator: location, statement, the server's message, remedy.
        extra: The same in parts, for ``--json``.
    """

    code = "statement_failed"
    title = "Statement failed"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail, **extra)


class PostconditionFailed(MigratorError):
    """An ``-- assert:`` line does not hold, or a file changed nothing under ``--strict``."""

    code = "postcondition_failed"
    title = "Migration without its expected effect"


class NotClean(MigratorError):
    """Files and ledger contradict each other; the operator must resolve it."""

    code = "resolution_required"
    title = "Files and ledger disagree"
    exit_code = ExitCode.NOT_CLEAN


class DuplicateNumber(NotClean):
    """Two files have the same number, so their order is undefined."""

    code = "duplicate_number"
    title = "Duplicate migration number"


class ChangedAfterApplied(NotClean):
    """The statements of a file differ from those that were applied."""

    code = "changed_after_applied"
    title = "Applied file changed"


class FailedMigration(NotClean):
    """A file failed in an earlier run and is not resolved."""

    code = "failed_migration"
    title = "Unresolved failed migration"


class MissingFile(NotClean):
    """The ledger lists a file that is not in the directory."""

    code = "missing_file"
    title = "Applied file missing"


class OutOfOrder(NotClean):
    """A pending file has a lower number than an applied one."""

    code = "out_of_order"
    title = "Pending file out of order"


class ForeignLedger(NotClean):
    """A table named schema_version exists that another tool created."""

    code = "foreign_ledger"
    title = "Ledger of another tool"


class TablesExist(NotClean):
    """The first run would create a table that exists already."""

    code = "tables_exist"
    title = "Tables exist already"


class UnreleasedSchema(NotClean):
    """The platform schema was created by a version before the first release."""

    code = "unreleased_schema"
    title = "Platform schema of a development version"
