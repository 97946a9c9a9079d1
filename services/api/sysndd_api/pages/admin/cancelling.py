"""What it means to cancel a job, before and after: by its kind and by how far it is."""

from sysndd_api.jobs.models import JobView

_VERIFYING = ("verifying", "loading", "comparing")
_EXCHANGING = ("swapping", "cleaning")

_UNTOUCHED = "The live database is not touched: this job only reads it."
_AGAIN = "Nothing has to be undone; ask for it again when it suits."


def effects_of(job: JobView) -> tuple[str, ...]:
    """Say what will happen to a job that is queued or running, a sentence each."""
    if job.state == "queued":
        return ("It has not begun; it never will.",)
    broken_off = "Its worker breaks it off within a few seconds."
    if job.kind in ("restore_backup", "undo_restore"):
        return (broken_off, *_exchange_effects(job))
    if job.kind == "create_backup" and job.step in _VERIFYING:
        return (
            broken_off,
            "The file is complete and stays listed, but is not verified.",
            _UNTOUCHED,
        )
    kept = {
        "create_backup": "What it has written so far is deleted.",
        "verify_backup": "The backup stays, and what was known of its proof before.",
        "import_backup": "The file is not listed.",
        "inspect_table": "The schema that it was loading is dropped.",
    }.get(job.kind)
    return (broken_off, *([kept] if kept else []), _UNTOUCHED)


def undo_of(job: JobView) -> str:
    """Say what can be undone once it is cancelled."""
    if job.kind in ("restore_backup", "undo_restore") and job.state != "queued":
        return (
            "A restore that was broken off is asked for anew, with its typed word. If the tables"
            " had changed places already, the page of backups offers to undo that."
        )
    return _AGAIN


def left_by(job: JobView) -> str:
    """Say what a cancelled job has left."""
    if job.started_at is None:
        return "It was cancelled before it began."
    if job.kind in ("restore_backup", "undo_restore"):
        if job.step in _EXCHANGING:
            return (
                "It was cancelled while the tables changed places; the worker finishes that or"
                " takes it back. The page of backups offers the undo if the exchange was made."
            )
        return "It was cancelled; the live database is as it was. A finished safety backup stays."
    if job.kind == "create_backup" and job.step in _VERIFYING:
        return "It was cancelled after the file was complete: that is listed, and not verified."
    return "It was cancelled; nothing is left of it."


def _exchange_effects(job: JobView) -> tuple[str, ...]:
    if job.step in _EXCHANGING:
        return (
            "The tables are changing places right now: the worker finishes that or takes it back,"
            " whole. Either the old or the new database is live then, never a mixture.",
        )
    return (
        "The live database stays as it is, and writes are accepted again.",
        "What was loaded beside it is dropped; a safety backup that is finished stays.",
    )
