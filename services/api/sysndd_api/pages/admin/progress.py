"""How a job looks while it runs and after it ended: its steps, and what to do if it failed."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sysndd_api.jobs.models import JobView, StoredJob
from sysndd_api.pages.admin.cancellation import VERIFICATION_STEPS, cancel_outcome
from sysndd_api.security.access import Access, Actor

TITLES = {
    "create_backup": "Backup",
    "verify_backup": "Verify backup",
    "restore_backup": "Restore",
    "undo_restore": "Undo restore",
    "import_backup": "Import backup",
    "dry_run_restore": "Restore dry run",
    "inspect_table": "Inspect table",
    "drop_inspection": "Delete inspection copy",
}
DATABASE_KINDS = (
    "create_backup",
    "verify_backup",
    "restore_backup",
    "undo_restore",
    "import_backup",
    "inspect_table",
)
"""Kinds of jobs whose last outcome the backups page shows."""

_VERIFICATION = (
    ("verifying", "Check file"),
    ("loading", "Load staging copy"),
    ("comparing", "Compare"),
)
_DUMP = (
    ("inventory", "Check privileges and disk space"),
    ("dumping", "Dump"),
    ("publishing", "Save"),
)
_STEPS: dict[str, tuple[tuple[str, str], ...]] = {
    "create_backup": (("waiting", "Waiting for lock"), *_DUMP, *_VERIFICATION),
    "verify_backup": _VERIFICATION,
    "restore_backup": (
        ("checking", "Check file"),
        ("loading", "Load staging copy"),
        ("verifying", "Verify"),
        ("holding", "Hold the site's program"),
        ("maintenance", "Read-only mode"),
        ("inventory", "Prepare safety backup"),
        ("dumping", "Dump"),
        ("publishing", "Save"),
        ("swapping", "Swap tables"),
        ("cleaning", "Clean up"),
    ),
    "import_backup": (("reading", "Check file"), ("publishing", "Save")),
    "undo_restore": (
        ("counting", "Count changes since the restore"),
        ("holding", "Hold the site's program"),
        ("swapping", "Swap tables"),
    ),
}

ADVICE = {
    "insufficient_storage": "Free some disk space: delete backups that you no longer need, or give"
    " the backup directory a larger disk. Then try again.",
    "missing_privileges": "Grant the database account the privilege named above, then try again.",
    "dump_client_mismatch": "Install the dump client of the database server's vendor for the"
    " worker, then try again.",
    "dump_failed": "Nothing was saved. The log below names the step that failed. Try again; if it"
    " fails again, check the database server's log.",
    "excluded_rows_referenced": "Nothing was saved. Change BACKUP_EXCLUDE_ROWS as described above"
    " for the worker and the API, restart both, then try again.",
    "verification_failed": "Keep this backup and create another one. If the new backup is verified,"
    " delete this one. If not, the object named above is not restored as it was dumped.",
    "backup_damaged": "This file is no longer usable. Use its off-site copy or another backup.",
    "safety_backup_failed": "The live database was not changed. Fix the cause of the failed safety"
    " backup, or, if the live database is damaged, open the restore dialog again and type"
    " INCOMPLETE: the safety backup then contains what can be read.",
    "constraint_violations": "Nothing was changed. To restore this backup as it is, verify it, open"
    " the restore dialog and type VIOLATIONS.",
    "restore_failed": "The reason above describes the state of the live database. Fix the cause,"
    " then start the restore again.",
    "restore_hook_failed": "The live database was not changed. Fix the hook that the reason above"
    " names, then start again.",
    "schema_locked": "Wait until the migration, backup or restore that holds the lock ends, then"
    " try again.",
    "schema_lock_lost": "The connection that held the lock was lost. Check the database server,"
    " then try again.",
    "worker_lost": "The worker stopped unexpectedly and cleaned up. If it happens again, check the"
    " system log for out-of-memory kills.",
    "cancelled": "Nothing was left behind. You can start it again at any time.",
    "database_unavailable": "Restart the database, then try again.",
    "no_administrator_in_backup": "Nothing was changed. To restore this backup anyway, open the"
    " restore dialog, start the dry run and type NO ADMINISTRATOR. After the restore, create an"
    " administrator with sysndd-admin create-admin.",
    "encryption_key_missing": "Set BACKUP_ENCRYPTION_IDENTITY for the worker to the private key of"
    " the backups, then try again.",
    "encryption_key_wrong": "The backup is encrypted for another key. Set"
    " BACKUP_ENCRYPTION_IDENTITY for the worker to that key, then try again.",
}
_DEFAULT_ADVICE = "Check the log below and the worker's own log."

CSS_CLASSES = {
    "queued": "",
    "running": "busy",
    "succeeded": "ok",
    "failed": "fail",
    "cancelled": "warn",
}


@dataclass(frozen=True)
class Step:
    """One step of a job; ``css_class`` is ``done``, ``now``, ``broken`` or empty."""

    label: str
    css_class: str


@dataclass(frozen=True)
class JobProgress:
    """What the pages show of one job.

    Attributes:
        title: Title of the job's kind.
        requested_by: Name of the account that requested it.
        backup: Name of the backup that the job works on, if any.
        elapsed_seconds: Run time so far, or in total; None before the start.
        failure: What failed, and at which step; None unless the job failed.
        advice: What to do about the failure; None unless the job failed.
        cancel_outcome: What a cancelled job left behind; None unless it was cancelled.
    """

    job: StoredJob
    title: str
    css_class: str
    backup: str | None
    steps: tuple[Step, ...]
    elapsed_seconds: float | None
    failure: str | None
    advice: str | None
    cancel_outcome: str | None
    requested_by: str
    can_cancel: bool
    can_retry: bool

    @property
    def backup_is_listed(self) -> bool:
        """Whether the job succeeded, so that its backup has a page."""
        return self.job.state == "succeeded" and self.backup is not None

    @property
    def is_active(self) -> bool:
        """Whether the job is queued or running."""
        return self.job.finished_at is None


def job_progress(job: StoredJob, retryable: set[str], actor: Actor) -> JobProgress:
    """Describe a job for the pages, with what the actor may see and do.

    Args:
        job: The job's row.
        retryable: Kinds of jobs that can be retried.
        actor: The signed-in account.
    """
    may_cancel = actor.may(Access.ADMINISTRATOR) or (
        actor.may(Access.MAINTAINER) and job.is_of(actor)
    )
    job = job.seen_by(actor)
    failed = job.state == "failed"
    code = job.error.code if job.error else ""
    return JobProgress(
        job=job,
        title=job_title(job.kind),
        css_class=CSS_CLASSES.get(job.state, ""),
        backup=_backup_name(job),
        steps=_steps(job),
        elapsed_seconds=_elapsed_seconds(job),
        failure=_failure(job) if failed else None,
        advice=ADVICE.get(code, _DEFAULT_ADVICE) if failed else None,
        cancel_outcome=cancel_outcome(job) if job.state == "cancelled" else None,
        requested_by=_requested_by(job),
        can_cancel=may_cancel and job.finished_at is None and not job.cancel_requested,
        can_retry=actor.may(Access.MAINTAINER)
        and job.kind in retryable
        and job.state in ("failed", "cancelled"),
    )


def _requested_by(job: StoredJob) -> str:
    if job.requested_by_name is not None:
        return job.requested_by_name
    if job.requested_by is not None:
        return f"Account {job.requested_by}"
    return "–" if job.requested_by_hidden else "System"


def job_title(kind: str) -> str:
    """Return the title of a kind of job."""
    return TITLES.get(kind, kind.replace("_", " ").capitalize())


def _backup_name(job: JobView) -> str | None:
    for values in (job.result or {}, job.payload):
        name = values.get("name") or values.get("backup") or values.get("restored")
        if isinstance(name, str):
            return name
    return None


def _steps(job: JobView) -> tuple[Step, ...]:
    known = _STEPS.get(job.kind, ())
    names = [name for name, _ in known]
    if job.state == "succeeded":
        return tuple(Step(label, "done") for _, label in known)
    if job.step not in names:
        return tuple(Step(label, "") for _, label in known)
    current = names.index(job.step)
    css_class = "now" if job.finished_at is None else "broken"
    return tuple(
        Step(label, "done" if i < current else css_class if i == current else "")
        for i, (_, label) in enumerate(known)
    )


def _failure(job: JobView) -> str:
    verifying = job.kind == "create_backup" and job.step in VERIFICATION_STEPS
    text = "Verification" if verifying else job_title(job.kind)
    if job.step:
        label = dict(_STEPS.get(job.kind, ())).get(job.step, job.step)
        text += f" at “{label}”"
    return f"{text} (the backup file is complete)" if verifying else text


def _elapsed_seconds(job: JobView) -> float | None:
    if job.started_at is None:
        return None
    return ((job.finished_at or datetime.now(UTC)) - job.started_at).total_seconds()
