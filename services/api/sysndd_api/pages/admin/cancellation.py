"""What cancelling a job means, before and after, by its kind and its current step."""

from sysndd_api.jobs.models import JobView

JOB_NOUNS = {
    "create_backup": "backup",
    "verify_backup": "verification",
    "restore_backup": "restore",
    "undo_restore": "undo",
    "import_backup": "import",
    "dry_run_restore": "dry run",
    "inspect_table": "table inspection",
    "drop_inspection": "inspection deletion",
}
"""What a kind of job is called within a sentence."""

VERIFICATION_STEPS = ("verifying", "loading", "comparing")
"""Steps of ``create_backup`` that follow after the backup file was saved."""

_SWAP_STEPS = ("swapping", "cleaning")
_UNAFFECTED = "The live database is not affected: this job only reads from it."


def cancel_title(job: JobView) -> str:
    """Return the question that the dialog asks, such as ``Cancel backup?``."""
    return f"Cancel {JOB_NOUNS.get(job.kind, job.kind.replace('_', ' '))}?"


def cancel_effects(job: JobView) -> tuple[str, ...]:
    """Return what happens when a queued or running job is cancelled, one sentence each."""
    if job.state == "queued":
        return ("It will not start.",)
    stops = "The worker stops within a few seconds."
    if job.kind in ("restore_backup", "undo_restore"):
        return (stops, *_swap_effects(job))
    if job.kind == "create_backup" and job.step in VERIFICATION_STEPS:
        return (
            stops,
            "The backup file is complete and stays listed, but it is not verified.",
            _UNAFFECTED,
        )
    remains = {
        "create_backup": "The incomplete backup file is deleted.",
        "verify_backup": "The backup and the result of its last verification are kept.",
        "import_backup": "The file is not listed as a backup.",
        "inspect_table": "The incomplete inspection copy is deleted.",
    }.get(job.kind)
    return (stops, *([remains] if remains else []), _UNAFFECTED)


def cancel_undo(job: JobView) -> str:
    """Return what can be undone after the job was cancelled."""
    if job.kind in ("restore_backup", "undo_restore") and job.state != "queued":
        return (
            f"You can start the {JOB_NOUNS[job.kind]} again. If the tables were already swapped,"
            " the backups page shows whether you can undo that."
        )
    return "You can start it again at any time."


def cancel_outcome(job: JobView) -> str:
    """Return what a cancelled job left behind."""
    if job.started_at is None:
        return "Cancelled before it started."
    if job.kind in ("restore_backup", "undo_restore"):
        if job.step in _SWAP_STEPS:
            return (
                "Cancelled during the table swap. The worker completes the swap or reverts it."
                " The backups page shows whether you can undo a completed swap."
            )
        return "Cancelled. The live database was not changed. A complete safety backup is kept."
    if job.kind == "create_backup" and job.step in VERIFICATION_STEPS:
        return "Cancelled during verification. The backup file is complete, but not verified."
    return "Cancelled. Nothing was left behind."


def _swap_effects(job: JobView) -> tuple[str, ...]:
    if job.step in _SWAP_STEPS:
        return (
            "The tables are being swapped. The worker completes the swap or reverts it, so the live"
            " database is either the old or the new one, never a mixture.",
        )
    return (
        "The live database is not changed and accepts writes again.",
        "The staging copy is deleted. A complete safety backup is kept.",
    )
