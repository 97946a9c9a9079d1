"""How a job looks while it runs and after it ended: its steps, and what to do when it failed."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sysndd_api.jobs.models import JobView, StoredJob
from sysndd_api.pages.admin.cancelling import left_by

TITLES = {
    "create_backup": "Backup",
    "verify_backup": "Verification of a backup",
    "restore_backup": "Restore",
    "undo_restore": "Undo of a restore",
    "import_backup": "Reading of a file",
    "dry_run_restore": "Dry run of a restore",
    "inspect_table": "Look into one table",
    "drop_inspection": "End of a look",
}
DATABASE_KINDS = (
    "create_backup",
    "verify_backup",
    "restore_backup",
    "undo_restore",
    "import_backup",
    "inspect_table",
)
"""Kinds whose last outcome the page of backups tells."""

_VERIFICATION = (
    ("verifying", "Read the file"),
    ("loading", "Load beside live"),
    ("comparing", "Compare"),
)
_DUMP = (("inventory", "Check rights and room"), ("dumping", "Dump"), ("publishing", "Publish"))
_STEPS: dict[str, tuple[tuple[str, str], ...]] = {
    "create_backup": (("waiting", "Wait for the lock"), *_DUMP, *_VERIFICATION),
    "verify_backup": _VERIFICATION,
    "restore_backup": (
        ("checking", "Check the file"),
        ("loading", "Load beside live"),
        ("verifying", "Verify"),
        ("maintenance", "Refuse writes"),
        ("inventory", "Safety backup"),
        ("dumping", "Dump for it"),
        ("publishing", "Publish it"),
        ("swapping", "Exchange the tables"),
        ("cleaning", "Clean up"),
    ),
    "import_backup": (("reading", "Read to its end"), ("publishing", "Publish")),
    "undo_restore": (
        ("counting", "Count what was written since"),
        ("swapping", "Exchange the tables"),
    ),
}

ADVICE = {
    "insufficient_storage": "Make room: delete backups that are no longer needed, or give the backup"
    " directory a larger disk; then try again.",
    "missing_privileges": "Grant the database account the right that is named, then try again.",
    "dump_client_mismatch": "Install the dump client of the server's own vendor beside the worker.",
    "dump_failed": "Nothing was kept. The log below names the stage; try again, and look at the"
    " server's own log if it fails once more.",
    "verification_failed": "Keep the file and take another backup. If that one is verified, delete this one;"
    " if not, the object that is named comes back differently from what it was.",
    "backup_damaged": "This file can't be trusted any more: take it from a second copy or use another"
    " backup.",
    "safety_backup_failed": "Live is untouched. Mend what the safety backup failed on; a restore"
    " never goes on without it.",
    "restore_failed": "The reason says what live is now. Mend it and ask for the restore anew.",
    "schema_locked": "Wait for the migration, backup or restore that holds the lock, then try again.",
    "schema_lock_lost": "The connection that held the lock broke; look at the server, then try again.",
    "worker_lost": "The worker was stopped or killed in the middle. It cleans up by itself; if it"
    " dies again, look for the kernel's out-of-memory killer in the machine's log.",
    "cancelled": "Nothing is left of it. Start it again when it suits.",
    "database_unavailable": "Bring the database back; then try again.",
    "no_administrator_in_backup": "Nothing was changed. Open the restore again, run its dry run, and type"
    " the second word that it asks for; afterwards make an Administrator with sysndd-admin create-admin.",
    "encryption_key_missing": "Give the worker the key that backups are encrypted to.",
    "encryption_key_wrong": "The backup is encrypted to another key; give the worker that one.",
}
_ADVICE_OTHERWISE = "Look at the log lines of the job and at the worker's own log."


@dataclass(frozen=True)
class Step:
    """One step of a job; ``css_class`` is done, now, broken or empty."""

    label: str
    css_class: str


@dataclass(frozen=True)
class Shown:
    """What the pages show of one job."""

    job: StoredJob
    title: str
    css_class: str
    subject: str | None
    steps: tuple[Step, ...]
    running_for: float | None
    advice: str | None
    left: str | None
    can_cancel: bool
    can_retry: bool

    @property
    def subject_is_listed(self) -> bool:
        """Tell whether the job says that its backup is there."""
        return self.job.state == "succeeded" and self.subject is not None

    @property
    def is_active(self) -> bool:
        """Tell whether it is queued or running."""
        return self.job.finished_at is None


def shown(job: StoredJob, retryable: set[str]) -> Shown:
    """Describe a job for a person."""
    advice = None
    if job.state == "failed":
        advice = ADVICE.get(job.error.code if job.error else "", _ADVICE_OTHERWISE)
    return Shown(
        job=job,
        title=TITLES.get(job.kind, job.kind.replace("_", " ").capitalize()),
        css_class=CSS_CLASSES.get(job.state, ""),
        subject=_subject(job),
        steps=_steps(job),
        running_for=_running_for(job),
        advice=advice,
        left=left_by(job) if job.state == "cancelled" else None,
        can_cancel=job.finished_at is None and not job.cancel_requested,
        can_retry=job.kind in retryable and job.state in ("failed", "cancelled"),
    )


CSS_CLASSES = {
    "queued": "",
    "running": "busy",
    "succeeded": "ok",
    "failed": "fail",
    "cancelled": "warn",
}


def _subject(job: JobView) -> str | None:
    """Return the backup that a job is about, once there is one."""
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
    at = names.index(job.step)
    here = "now" if job.finished_at is None else "broken"
    return tuple(
        Step(label, "done" if i < at else here if i == at else "")
        for i, (_, label) in enumerate(known)
    )


def _running_for(job: JobView) -> float | None:
    if job.started_at is None:
        return None
    return ((job.finished_at or datetime.now(UTC)) - job.started_at).total_seconds()
