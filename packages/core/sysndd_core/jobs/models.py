"""The jobs: one frozen model for each kind of background work.

A caller submits a model, never a name as a string. A contract test checks that each model has
exactly one handler. Another compares its JSON schema with a snapshot, because a newer version must
be able to read the rows of an older one.
"""

from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Queue(StrEnum):
    """The queues. A worker serves exactly one, so that a long dump never delays an email."""

    BACKUP = "backup"
    MAIL = "mail"


class BackupKind(StrEnum):
    """Why a backup was created."""

    MANUAL = "manual"
    SCHEDULED = "scheduled"
    PRE_RESTORE = "pre-restore"
    UPLOADED = "uploaded"


class Consent(StrEnum):
    """A risk that a restore takes only when the request accepts it by name."""

    NO_ADMINISTRATOR = "no_administrator"
    FOREIGN_BACKUP = "foreign_backup"
    INCOMPLETE_SAFETY_BACKUP = "incomplete_safety_backup"
    CONSTRAINT_VIOLATIONS = "constraint_violations"

    @property
    def how_to_accept(self) -> str:
        """How to give this consent, as the end of a sentence that begins with what it does."""
        return (
            f"repeat the command with --accept {self}, or the API request with"
            f' "accept": ["{self}"].'
        )


class Job(BaseModel):
    """Base of every job.

    Class attributes:
        job_kind: Stable name, stored in the row.
        queue: Queue of the job.
        active_key: Jobs with the same key never overlap; None for no restriction.
        max_attempts: Maximum number of starts; a crash of the worker uses up one.
        interruptible: Whether a stopping worker may abort the job and release it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_kind: ClassVar[str]
    queue: ClassVar[Queue]
    active_key: ClassVar[str | None] = None
    max_attempts: ClassVar[int] = 1
    interruptible: ClassVar[bool] = True


# Backups, restores and migrations read or replace the same tables.
WHOLE_DATABASE = "whole-database"


class CreateBackup(Job):
    """Create a backup of the application schema."""

    job_kind = "create_backup"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    max_attempts = 2

    kind: BackupKind = BackupKind.MANUAL


class VerifyBackup(Job):
    """Verify a backup: restore it into a scratch schema, dump it again and compare."""

    job_kind = "verify_backup"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    max_attempts = 2

    name: str


class RestoreBackup(Job):
    """Create a safety backup, then replace the application schema with a backup."""

    job_kind = "restore_backup"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    # Never restarted automatically: an operator must check the result first.
    max_attempts = 1
    interruptible = False

    name: str
    accept: tuple[Consent, ...] = ()


class UndoRestore(Job):
    """Undo the last restore: return to the tables that it replaced."""

    job_kind = "undo_restore"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    max_attempts = 1
    interruptible = False


class ImportBackup(Job):
    """Check a dump from elsewhere and list it as a backup."""

    job_kind = "import_backup"
    queue = Queue.BACKUP
    max_attempts = 2

    name: str
    uploaded: bool = False


class DryRunRestore(Job):
    """Report which row counts and accounts a restore would change, without changing any."""

    job_kind = "dry_run_restore"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    max_attempts = 2

    name: str


class InspectTable(Job):
    """Load one table of a backup into a separate schema."""

    job_kind = "inspect_table"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    max_attempts = 2

    name: str
    table: str


class DropInspection(Job):
    """Drop the schema of an inspection."""

    job_kind = "drop_inspection"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    max_attempts = 2

    schema_name: str


JOBS: tuple[type[Job], ...] = (
    CreateBackup,
    VerifyBackup,
    RestoreBackup,
    UndoRestore,
    DryRunRestore,
    InspectTable,
    DropInspection,
    ImportBackup,
)
"""All jobs. A contract test fails for a job without a handler."""


def job_type(kind: str) -> type[Job] | None:
    """Return the model of a stored ``kind``, or None if this version does not know it."""
    return next((job for job in JOBS if job.job_kind == kind), None)
