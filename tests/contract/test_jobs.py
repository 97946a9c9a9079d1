"""Every job has exactly one handler, and rows of an older version stay readable."""

import json
from pathlib import Path
from typing import cast

from sysndd_backup.context import BackupTools
from sysndd_backup.jobs import BackupHandlers
from sysndd_core.jobs.models import JOBS, Queue, job_type

SNAPSHOT = Path(__file__).parent / "snapshots" / "jobs.json"


def test_every_job_has_exactly_one_handler() -> None:
    # Only the table is read and no handler runs, so no tools are required.
    table = BackupHandlers(cast("BackupTools", None)).table()
    assert set(table) == {job for job in JOBS if job.queue is Queue.BACKUP} == set(JOBS)
    assert len(set(table.values())) == len(table)


def test_job_kinds_are_unique() -> None:
    assert len({job.job_kind for job in JOBS}) == len(JOBS)
    assert all(job_type(job.job_kind) is job for job in JOBS)


def test_job_schemas_match_the_snapshot() -> None:
    """A changed schema must still read queued rows. Check that before you update the snapshot."""
    now = {job.job_kind: job.model_json_schema() for job in JOBS}
    assert now == json.loads(SNAPSHOT.read_text(encoding="utf-8"))
