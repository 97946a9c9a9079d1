"""The retention policy: after any sequence of failures, a verified backup remains."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from sysndd_backup.archive.retention import expired
from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.jobs.models import BackupKind
from sysndd_core.settings.schedule import RetentionPolicy
from tests.support.manifests import make_manifest

BEGIN = datetime(2024, 2, 28, 23, 0, tzinfo=UTC)


def backup(
    at: datetime,
    verification: Verification | None = Verification.VERIFIED,
    kind: BackupKind = BackupKind.SCHEDULED,
    *,
    pinned: bool = False,
) -> BackupManifest:
    return make_manifest(
        f"{kind.value}_{at:%Y%m%dT%H%M%S%f}.sql.zst",
        at,
        kind=kind,
        verification=verification,
        pinned=pinned,
    )


class Step(NamedTuple):
    """One backup: hours since the previous one, kind, verification and pin."""

    hours: int
    kind: BackupKind
    verification: Verification | None
    pinned: bool


steps = st.lists(
    st.builds(
        Step,
        st.integers(1, 2000),
        st.sampled_from(BackupKind),
        st.sampled_from([Verification.VERIFIED, Verification.FAILED, None]),
        st.booleans(),
    ),
    max_size=60,
)
policies = st.builds(RetentionPolicy, *[st.integers(0, 5)] * 6)


def _taken(kind: BackupKind, verification: Verification) -> Step:
    return Step(1, kind, verification, pinned=False)


_SAFETY = _taken(BackupKind.PRE_RESTORE, Verification.VERIFIED)
_FAILED = _taken(BackupKind.MANUAL, Verification.FAILED)


@given(steps=steps, retention=policies)
@example(steps=[_SAFETY, _FAILED, _SAFETY], retention=RetentionPolicy(2, 0, 0, 0, 0, 0))
@example(
    steps=[_taken(BackupKind.MANUAL, Verification.VERIFIED), _FAILED, _SAFETY],
    retention=RetentionPolicy(0, 0, 0, 0, 0, 0),
)
def test_every_sequence_of_failures_leaves_a_verified_backup(
    steps: list[Step], retention: RetentionPolicy
) -> None:
    stored: list[BackupManifest] = []
    at = BEGIN
    for step in steps:
        at += timedelta(hours=step.hours)
        stored.append(backup(at, step.verification, step.kind, pinned=step.pinned))
        verified = [one for one in stored if one.verification is Verification.VERIFIED]
        deleted = set(expired(stored, retention))
        assert not deleted & {one.name for one in stored if one.pinned}
        left = [one for one in stored if one.name not in deleted]
        if verified:
            assert max(verified, key=lambda one: one.created_at) in left
        else:
            assert not deleted
        # Applying the policy again deletes nothing more.
        assert expired(left, retention) == []
        regular = [one for one in verified if one.kind is not BackupKind.PRE_RESTORE]
        assert all(one in left for one in (regular[-retention.last :] if retention.last else []))
        stored = left


def test_the_latest_backup_of_each_period_is_retained() -> None:
    hourly = [backup(BEGIN + timedelta(hours=6 * n)) for n in range(4 * 800)]
    deleted = set(expired(hourly, RetentionPolicy(last=3, daily=5, weekly=2, monthly=3, yearly=9)))
    left = [f"{one.created_at:%Y-%m-%d %H}" for one in hourly if one.name not in deleted]
    assert left == [
        "2024-12-31 23",
        "2025-12-31 23",
        "2026-03-31 23",
        "2026-04-30 23",
        "2026-05-03 23",
        "2026-05-04 23",
        "2026-05-05 23",
        "2026-05-06 23",
        "2026-05-07 23",
        "2026-05-08 05",
        "2026-05-08 11",
        "2026-05-08 17",
    ]


def test_unverified_backups_expire_when_enough_newer_verified_ones_exist() -> None:
    failed = backup(BEGIN, Verification.FAILED)
    newer = [backup(BEGIN + timedelta(days=n)) for n in (1, 2)]
    assert expired([failed, *newer[:1]], RetentionPolicy(last=2)) == [failed.name]


def test_safety_backups_have_a_separate_rule() -> None:
    safety = [backup(BEGIN + timedelta(days=n), None, BackupKind.PRE_RESTORE) for n in range(4)]
    deleted = expired([*safety, backup(BEGIN + timedelta(days=9))], RetentionPolicy(pre_restore=2))
    assert deleted == [safety[1].name, safety[0].name]
