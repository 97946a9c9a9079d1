"""Exit codes of ``sysndd-migrator``, in one place; docs/migrator.md lists them.

Above 64 they follow ``sysexits.h`` where it has a fitting name.
"""

from enum import IntEnum


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
