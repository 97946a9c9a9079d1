"""Every way the migrator can end badly, each with its exit code.

MigratorError                  migrator_failed           FAILED
├── AmbiguousFile               ambiguous_file             REFUSED_SQL
├── InputUnreadable            input_unreadable          NO_INPUT
├── ServerUnavailable          server_unavailable        UNAVAILABLE
├── LockRefused                lock_refused              UNAVAILABLE
├── NotPermitted               not_permitted             NOT_PERMITTED
├── LockTimedOut               lock_timed_out            TIMED_OUT
├── WaitTimedOut               wait_timed_out            TIMED_OUT
├── LockLost                   lock_lost                 LOCK_LOST
├── Blocked                    blocked_by_connection     BLOCKED
├── Interrupted                interrupted               INTERRUPTED
├── StatementFailed            statement_failed          FAILED
├── PostconditionFailed        postcondition_failed      FAILED
└── NotClean                   resolution_required            NOT_CLEAN
    ├── DuplicateNumber        duplicate_number
    ├── ChangedAfterApplied    changed_after_applied
    ├── FailedMigration           failed_migration
    ├── MissingFile            missing_file
    ├── OutOfOrder             out_of_order
    ├── ForeignLedger          foreign_ledger
    └── UnreleasedSchema       unreleased_schema
"""

from enum import IntEnum
from typing import Any, ClassVar

from sysndd_core.errors import SysnddError


class ExitCode(IntEnum):
    """What the process tells the shell. Zero means: everything is applied (or the answer is yes)."""

    OK = 0
    FAILED = 1
    """A statement failed at the server; the ledger and the message say which."""
    USAGE = 2
    """The command line or the settings are wrong."""
    PENDING = 3
    """``status``: migrations are waiting to be applied."""
    NOT_CLEAN = 4
    """A failed, changed, missing or ill-numbered file: a person has to decide."""
    TIMED_OUT = 5
    """``--timeout`` ran out, or the holder of the lock makes no progress."""
    BLOCKED = 6
    """Another connection kept a table locked; nothing failed, run it again."""
    LOCK_LOST = 7
    """The migration lock was lost in the middle; stopped before the next statement."""
    FINDINGS = 8
    """``lint`` or ``verify`` found something; each line of the output says what."""
    REFUSED_SQL = 65
    """EX_DATAERR: the splitter refuses a file as ambiguous."""
    NO_INPUT = 66
    """EX_NOINPUT: the file or the directory can't be read."""
    UNAVAILABLE = 69
    """EX_UNAVAILABLE: the database server can't be reached, or refuses GET_LOCK."""
    NOT_PERMITTED = 77
    """EX_NOPERM: the account may not do what is needed, such as creating a schema."""
    INTERRUPTED = 143
    """128 + SIGTERM: stopped on request; run it again to go on."""


class MigratorError(SysnddError):
    """Base of everything the command line reports in a sentence instead of a traceback."""

    code = "migrator_failed"
    title = "Migration failed"
    exit_code: ClassVar[ExitCode] = ExitCode.FAILED


class AmbiguousFile(MigratorError):
    """A file is ambiguous to a client of the server.

    Args:
        name: name of the file.
        line: line of the trouble, from 1.
        column: character in that line, from 1.
        reason: what is wrong there.
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
    """A file or directory can't be read."""

    code = "input_unreadable"
    title = "File or directory not readable"
    exit_code = ExitCode.NO_INPUT


class ServerUnavailable(MigratorError):
    """The server can't be reached, or went away in the middle."""

    code = "server_unavailable"
    title = "Database server unavailable"
    exit_code = ExitCode.UNAVAILABLE


class LockRefused(MigratorError):
    """The server does not give named locks (Galera in strict mode); nothing was touched."""

    code = "lock_refused"
    title = "GET_LOCK rejected by the server"
    exit_code = ExitCode.UNAVAILABLE


class NotPermitted(MigratorError):
    """The account lacks a privilege."""

    code = "not_permitted"
    title = "Missing database privilege"
    exit_code = ExitCode.NOT_PERMITTED


class LockTimedOut(MigratorError):
    """Someone else holds the migration lock and either makes no progress or our time is up."""

    code = "lock_timed_out"
    title = "Migration lock held by another process"
    exit_code = ExitCode.TIMED_OUT


class WaitTimedOut(MigratorError):
    """``wait`` ran out of time while migrations were still pending."""

    code = "wait_timed_out"
    title = "Migrations still pending"
    exit_code = ExitCode.TIMED_OUT


class LockLost(MigratorError):
    """The migration lock is no longer ours; someone else may be migrating."""

    code = "lock_lost"
    title = "Migration lock lost"
    exit_code = ExitCode.LOCK_LOST


class Blocked(MigratorError):
    """Another connection kept a table locked through every retry. Nothing failed."""

    code = "blocked_by_connection"
    title = "Table locked by another connection"
    exit_code = ExitCode.BLOCKED


class Interrupted(MigratorError):
    """Stopped by a signal; what was finished is recorded and the next run goes on from there."""

    code = "interrupted"
    title = "Interrupted"
    exit_code = ExitCode.INTERRUPTED


class StatementFailed(MigratorError):
    """The server refused a statement of a migration.

    Args:
        detail: sentences for the operator: where, what, the server's words, what to do.
        extra: the same in parts, for ``--json``.
    """

    code = "statement_failed"
    title = "Statement failed"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail, **extra)


class PostconditionFailed(MigratorError):
    """An ``-- assert:`` line is not true, or a file changed nothing under ``--strict``."""

    code = "postcondition_failed"
    title = "Migration without its expected effect"


class NotClean(MigratorError):
    """Files and ledger contradict each other; a person has to decide."""

    code = "resolution_required"
    title = "Files and ledger disagree"
    exit_code = ExitCode.NOT_CLEAN


class DuplicateNumber(NotClean):
    """Two files carry the same number, so their order is undefined."""

    code = "duplicate_number"
    title = "Duplicate migration number"


class ChangedAfterApplied(NotClean):
    """A file's statements are not those that were applied."""

    code = "changed_after_applied"
    title = "Applied file changed"


class FailedMigration(NotClean):
    """A file failed in an earlier run and nobody has decided about it."""

    code = "failed_migration"
    title = "Unresolved failed migration"


class MissingFile(NotClean):
    """The ledger names a file that the directory does not have."""

    code = "missing_file"
    title = "Applied file missing"


class OutOfOrder(NotClean):
    """A pending file has a lower number than one already applied."""

    code = "out_of_order"
    title = "Pending file out of order"


class ForeignLedger(NotClean):
    """A table called schema_version exists and is not this tool's."""

    code = "foreign_ledger"
    title = "Ledger of another tool"


class UnreleasedSchema(NotClean):
    """The platform schema was created by a version before the first release."""

    code = "unreleased_schema"
    title = "Platform schema of a development version"
