"""Retention as a rule: whatever fails, in whatever order, a proven backup is left."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from sysndd_backup.archive.retention import expired
from sysndd_core.backups.manifest import BackupManifest, Proof
from sysndd_core.jobs.models import BackupKind
from sysndd_core.settings.backup import BackupCompression
from sysndd_core.settings.schedule import Keep

BEGIN = datetime(2024, 2, 28, 23, 0, tzinfo=UTC)


def backup(
    at: datetime,
    proof: Proof | None = Proof.PROVEN,
    kind: BackupKind = BackupKind.SCHEDULED,
    *,
    pinned: bool = False,
) -> BackupManifest:
    return BackupManifest(
        name=f"{kind.value}_{at:%Y%m%dT%H%M%S%f}.sql.zst", kind=kind, created_at=at,
        finished_at=at, duration_ms=1, size_bytes=1, uncompressed_bytes=1, sha256="",
        uncompressed_sha256="", compression=BackupCompression.ZSTD, database="d", table_count=1,
        view_count=0, trigger_count=0, routine_count=0, event_count=0, row_count=0,
        rows_per_table={}, server_vendor="MariaDB", server_version="", client_version="",
        schema_version=None, application_version="", job_id="", requested_by=None,
        proof=proof, pinned=pinned,
    )  # fmt: skip


class Step(NamedTuple):
    """One backup: how long after the one before, what kind, what came of its proof."""

    hours: int
    kind: BackupKind
    proof: Proof | None
    pinned: bool


steps = st.lists(
    st.builds(
        Step,
        st.integers(1, 2000),
        st.sampled_from(BackupKind),
        st.sampled_from([Proof.PROVEN, Proof.FAILED, None]),
        st.booleans(),
    ),
    max_size=60,
)
keeps = st.builds(Keep, *[st.integers(0, 5)] * 6)


def _taken(kind: BackupKind, proof: Proof) -> Step:
    return Step(1, kind, proof, pinned=False)


_SAFETY = _taken(BackupKind.PRE_RESTORE, Proof.PROVEN)
_FAILED = _taken(BackupKind.MANUAL, Proof.FAILED)


@given(steps=steps, keep=keeps)
@example(steps=[_SAFETY, _FAILED, _SAFETY], keep=Keep(2, 0, 0, 0, 0, 0))
@example(
    steps=[_taken(BackupKind.MANUAL, Proof.PROVEN), _FAILED, _SAFETY], keep=Keep(0, 0, 0, 0, 0, 0)
)
def test_no_sequence_of_failures_leaves_no_proven_backup(steps: list[Step], keep: Keep) -> None:
    there: list[BackupManifest] = []
    at = BEGIN
    for step in steps:
        at += timedelta(hours=step.hours)
        there.append(backup(at, step.proof, step.kind, pinned=step.pinned))
        proven = [one for one in there if one.proof is Proof.PROVEN]
        gone = set(expired(there, keep))
        assert not gone & {one.name for one in there if one.pinned}
        left = [one for one in there if one.name not in gone]
        if proven:
            assert max(proven, key=lambda one: one.created_at) in left
        else:
            assert not gone
        # Applied once is applied for good.
        assert expired(left, keep) == []
        regular = [one for one in proven if one.kind is not BackupKind.PRE_RESTORE]
        assert all(one in left for one in (regular[-keep.last :] if keep.last else []))
        there = left


def test_the_newest_of_each_period_is_kept() -> None:
    hourly = [backup(BEGIN + timedelta(hours=6 * n)) for n in range(4 * 800)]
    gone = set(expired(hourly, Keep(last=3, daily=5, weekly=2, monthly=3, yearly=9)))
    left = [f"{one.created_at:%Y-%m-%d %H}" for one in hourly if one.name not in gone]
    assert left == [
        "2024-12-31 23", "2025-12-31 23", "2026-03-31 23", "2026-04-30 23",
        "2026-05-03 23", "2026-05-04 23", "2026-05-05 23", "2026-05-06 23", "2026-05-07 23",
        "2026-05-08 05", "2026-05-08 11", "2026-05-08 17",
    ]  # fmt: skip


def test_what_is_not_proven_goes_when_enough_newer_proven_ones_are_there() -> None:
    failed = backup(BEGIN, Proof.FAILED)
    newer = [backup(BEGIN + timedelta(days=n)) for n in (1, 2)]
    assert expired([failed, *newer[:1]], Keep(last=2)) == [failed.name]


def test_before_a_restore_has_its_own_rule() -> None:
    safety = [backup(BEGIN + timedelta(days=n), None, BackupKind.PRE_RESTORE) for n in range(4)]
    gone = expired([*safety, backup(BEGIN + timedelta(days=9))], Keep(pre_restore=2))
    assert gone == [safety[1].name, safety[0].name]
