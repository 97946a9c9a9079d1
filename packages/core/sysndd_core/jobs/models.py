"""The whole vocabulary of background work: one frozen model per job.

A caller passes the model, never a name in a string. Each model has exactly one handler (a contract
test says so) and its JSON schema is snapshotted, because rows written by an older version must
still be readable by a newer one.
"""

from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Queue(StrEnum):
    """A worker process serves exactly one queue: a long dump must never delay a mail."""

    BACKUP = "backup"
    MAIL = "mail"


class BackupKind(StrEnum):
    """Why a backup was taken."""

    MANUAL = "manual"
    SCHEDULED = "scheduled"
    PRE_RESTORE = "pre-restore"
    UPLOADED = "uploaded"


class Job(BaseModel):
    """Base of every job.

    Class attributes:
        job_kind: stable name, stored in the row.
        queue: the worker that runs it.
        active_key: jobs that share one never overlap; None for no limit.
        max_attempts: how often it may be started; a worker that dies uses up one.
        interruptible: whether a stopping worker may break it off and hand it back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    job_kind: ClassVar[str]
    queue: ClassVar[Queue]
    active_key: ClassVar[str | None] = None
    max_attempts: ClassVar[int] = 1
    interruptible: ClassVar[bool] = True


# Backup, restore and schema change read or replace the same tables.
WHOLE_DATABASE = "whole-database"


class CreateBackup(Job):
    """Dump the application schema into the backup store."""

    job_kind = "create_backup"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    max_attempts = 2

    kind: BackupKind = BackupKind.MANUAL


class VerifyBackup(Job):
    """Load a backup into a scratch schema, dump it again, and compare the two."""

    job_kind = "verify_backup"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    max_attempts = 2

    name: str


class RestoreBackup(Job):
    """Replace the application schema by a backup, after a safety backup of what is there."""

    job_kind = "restore_backup"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    # Never started a second time by itself: a person looks first.
    max_attempts = 1
    interruptible = False

    name: str
    # Whether a backup without an active Administrator is restored all the same. Rows of versions
    # that did not ask lack it; whoever submits one now says what was typed.
    without_administrator: bool = True


class UndoRestore(Job):
    """Bring back the tables that the last restore replaced."""

    job_kind = "undo_restore"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    max_attempts = 1
    interruptible = False


class AdoptBackup(Job):
    """Read a dump from elsewhere to its end and list it as a backup."""

    job_kind = "adopt_backup"
    queue = Queue.BACKUP
    max_attempts = 2

    name: str
    uploaded: bool = False


class PreviewRestore(Job):
    """Say what a restore would change: tables, rows, and accounts, which are loaded beside live."""

    job_kind = "preview_restore"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    max_attempts = 2

    name: str


class InspectTable(Job):
    """Load one table of a backup into a schema of its own."""

    job_kind = "inspect_table"
    queue = Queue.BACKUP
    active_key = WHOLE_DATABASE
    max_attempts = 2

    name: str
    table: str


class DropInspection(Job):
    """Drop a schema that was made for an inspection."""

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
    PreviewRestore,
    InspectTable,
    DropInspection,
    AdoptBackup,
)
"""Every job there is. Adding one here without a handler fails the contract tests."""


def job_type(kind: str) -> type[Job] | None:
    """Return the model of a stored ``kind``, or None when this version does not know it."""
    return next((job for job in JOBS if job.job_kind == kind), None)
