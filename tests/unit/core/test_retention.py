"""The retention policy: no history of backups makes it delete a good one."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysndd_backup.archive.size_drop import find_size_drop
from sysndd_core.backups.manifest import BackupManifest, OffsiteCopy, SizeDrop, Verification
from sysndd_core.backups.retention import (
    RetentionDecision,
    RetentionPlan,
    plan_retention,
    preview_retention,
)
from sysndd_core.jobs.models import BackupKind
from sysndd_core.settings.retention import RetentionPolicy
from tests.support.manifests import make_manifest

BEGIN = datetime(2024, 2, 28, 23, 0, tzinfo=UTC)
SITE, OTHER_SITE = "0f6b6f7a-site", "9c1e2d3b-other"
REGULAR = (BackupKind.SCHEDULED, BackupKind.MANUAL)
FEW = RetentionPolicy(last=1, daily=0, weekly=0, monthly=0, yearly=0, pre_restore=0)


def backup(
    at: datetime,
    verification: Verification | None = Verification.VERIFIED,
    kind: BackupKind = BackupKind.SCHEDULED,
    **changes: Any,
) -> BackupManifest:
    return make_manifest(
        f"{kind.value}_{at:%Y%m%dT%H%M%S%f}.sql.zst",
        at,
        **{"kind": kind, "verification": verification, "site_id": SITE} | changes,
    )


def plan(
    stored: Iterable[BackupManifest],
    policy: RetentionPolicy = FEW,
    now: datetime = datetime(2030, 1, 1, tzinfo=UTC),
    site_id: str | None = SITE,
) -> RetentionPlan:
    return plan_retention(stored, policy, site_id=site_id, now=now)


def expired(stored: Iterable[BackupManifest], policy: RetentionPolicy = FEW) -> list[str]:
    return [one.name for one in plan(stored, policy).expiring]


def decision_of(found: RetentionPlan, one: BackupManifest) -> RetentionDecision:
    return next(decision for decision in found.decisions if decision.name == one.name)


# --- Every history -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Event:
    """One event of a history; ``target`` selects one of the stored backups."""

    action: str
    hours: int
    target: int
    kind: BackupKind
    site: str | None
    rows: int


@dataclass
class History:
    """The stored backups after some events, and what those events must preserve.

    Attributes:
        series: Current series of the server; changes with upgrades.
    """

    policy: RetentionPolicy
    site_id: str | None
    at: datetime = BEGIN
    schema_version: int = 1
    series: int = 1
    stored: list[BackupManifest] = field(default_factory=list)

    def happens(self, event: Event) -> None:
        """Apply an event, and the retention policy after a verified backup as the worker does."""
        self.at += timedelta(hours=event.hours)
        target = self.stored[event.target % len(self.stored)] if self.stored else None
        if event.action in ("create", "create_unverified", "create_failed"):
            self._create(event)
        elif event.action == "migrate":
            self.schema_version += 1
        elif event.action == "upgrade_server":
            self.series += 1
        elif target is not None:
            self._change(event.action, target)

    def _create(self, event: Event) -> None:
        new = backup(
            self.at,
            None,
            event.kind,
            site_id=None if event.kind is BackupKind.UPLOADED else event.site,
            schema_version=f"{self.schema_version:03}",
            server_version=f"{self.series}.0",
            row_count=event.rows,
            rows_per_table={"a": event.rows},
        )
        new = new.model_copy(update={"size_drop": find_size_drop(new, self.stored)})
        self.stored.append(new)
        if event.action == "create_failed":
            self._change("verification_fails", new)
        elif event.action == "create":
            self._change("verified", new)
            if event.kind in REGULAR:
                self._apply()

    def _change(self, action: str, one: BackupManifest) -> None:
        outcomes: dict[str, dict[str, Any]] = {
            "verified": {"verification": Verification.VERIFIED, "damaged": False},
            # The load fails: damage only on the series that made the backup.
            "verification_fails": {
                "verification": Verification.FAILED,
                "damaged": one.server_version == f"{self.series}.0",
            },
            "comparison_fails": {"verification": Verification.FAILED, "damaged": False},
            "hash_fails": {"verification": Verification.FAILED, "damaged": True},
            "pin": {"pinned": True},
            "unpin": {"pinned": False},
            "accept_size": {"size_accepted": True},
            "delete": {},
        }
        self.stored.remove(one)
        if action != "delete":
            self.stored.append(one.model_copy(update=outcomes[action]))

    def _apply(self) -> None:
        found = plan(self.stored, self.policy, self.at, self.site_id)
        gone = {one.name for one in found.expiring}
        left = [one for one in self.stored if one.name not in gone]
        _check(self.stored, left, found, self.policy, self.site_id)
        again = plan(left, self.policy, self.at, self.site_id)
        assert again.expiring == (), "applying the policy twice deletes more"
        self.stored = left


def _check(
    before: list[BackupManifest],
    left: list[BackupManifest],
    found: RetentionPlan,
    policy: RetentionPolicy,
    site_id: str | None,
) -> None:
    gone = [one for one in before if one not in left]
    assert len(found.decisions) == len(before)
    for one in gone:
        assert not one.pinned
        assert one.kind is not BackupKind.UPLOADED
        assert site_id is None or one.site_id in (None, site_id)
    good = [one for one in before if not one.damaged]
    for one in good:
        group = [
            other
            for other in good
            if (other.site_id, other.schema_version, other.kind)
            == (one.site_id, one.schema_version, one.kind)
        ]
        if one.kind is not BackupKind.PRE_RESTORE:
            assert max(group, key=_age) in left, "the newest of its version and kind is gone"
    own = [one for one in good if site_id is None or one.site_id in (None, site_id)]
    own_regular = sorted((one for one in own if one.kind in REGULAR), key=_age)
    verified = [one for one in own_regular if one.verification is Verification.VERIFIED]
    if len(verified) < policy.last or (own_regular and own_regular[-1].is_size_drop):
        assert not gone
    safety = sorted((one for one in own if one.kind is BackupKind.PRE_RESTORE), key=_age)
    assert all(one in left for one in safety[max(0, len(safety) - policy.pre_restore) :])


def _age(one: BackupManifest) -> tuple[datetime, str]:
    return one.created_at, one.name


actions = st.sampled_from(
    ["create"] * 8
    + ["create_unverified", "create_failed", "migrate", "upgrade_server", "verified"]
    + ["verification_fails", "comparison_fails", "hash_fails", "pin", "unpin"]
    + ["accept_size", "delete"]
)
events = st.builds(
    Event,
    actions,
    st.integers(1, 2000),
    st.integers(0, 100),
    st.sampled_from([*REGULAR, *REGULAR, BackupKind.PRE_RESTORE, BackupKind.UPLOADED]),
    st.sampled_from([SITE, SITE, SITE, OTHER_SITE, None]),
    st.sampled_from([10, 5_000, 5_000, 6_000]),
)
policies = st.builds(RetentionPolicy, st.integers(1, 4), *[st.integers(0, 4)] * 5)


@settings(max_examples=1500, deadline=None)
@given(
    history=st.lists(events, max_size=60),
    policy=policies,
    site_id=st.sampled_from([SITE, SITE, None]),
)
def test_no_history_makes_the_policy_delete_the_newest_good_backup(
    history: list[Event], policy: RetentionPolicy, site_id: str | None
) -> None:
    stored = History(policy, site_id)
    for event in history:
        stored.happens(event)


# --- Each rule -----------------------------------------------------------------------------------


def test_uploaded_and_imported_backups_never_expire() -> None:
    uploaded = backup(BEGIN, None, BackupKind.UPLOADED, site_id=None)
    empty = [backup(BEGIN + timedelta(days=n)) for n in range(1, 9)]
    found = plan([uploaded, *empty])
    assert uploaded.name not in [one.name for one in found.expiring]
    assert decision_of(found, uploaded).reason.rule == "uploaded"


def test_a_failed_verification_without_damage_does_not_make_a_backup_expire() -> None:
    old_series = backup(BEGIN, Verification.FAILED)
    newer = [backup(BEGIN + timedelta(days=400 * n)) for n in (1, 2)]
    yearly = RetentionPolicy(1, 0, 0, 0, 5, 0)
    assert expired([old_series, *newer], yearly) == []
    assert expired([old_series.model_copy(update={"damaged": True}), *newer], yearly) == [
        old_series.name
    ]


def test_backups_from_a_time_without_verification_take_part_in_the_ordinary_rules() -> None:
    unverified = [backup(BEGIN + timedelta(days=n), None) for n in range(5)]
    verified = [backup(BEGIN + timedelta(days=10))]
    assert expired([*unverified, *verified], RetentionPolicy(1, 4, 0, 0, 0, 0)) == [
        unverified[1].name,
        unverified[0].name,
    ]


def test_with_fewer_verified_backups_than_keep_last_nothing_expires() -> None:
    stored = [backup(BEGIN + timedelta(days=n), None) for n in range(50)]
    stored += [
        backup(BEGIN + timedelta(hours=n), None, BackupKind.PRE_RESTORE) for n in range(1, 9)
    ]
    stored.append(backup(BEGIN + timedelta(days=60)))
    found = plan(stored, RetentionPolicy(2, 0, 0, 0, 0, 0))
    assert found.expiring == ()
    assert found.suspended is not None
    assert found.suspended.rule == "too_few_verified"
    assert "until 2 scheduled or manual backups are verified" in found.suspended.text
    assert expired(stored, RetentionPolicy(1, 0, 0, 0, 0, 0))


def test_one_kind_does_not_displace_the_newest_of_another() -> None:
    manual = backup(BEGIN, kind=BackupKind.MANUAL, schema_version="005")
    scheduled = [backup(BEGIN + timedelta(days=n), schema_version="005") for n in (1, 2, 3)]
    found = plan([manual, *scheduled])
    assert [one.name for one in found.expiring] == [scheduled[1].name, scheduled[0].name]
    assert decision_of(found, manual).reason.text == (
        "The newest manual backup of schema version 005."
    )


def test_backups_of_another_site_are_left_to_a_person() -> None:
    foreign = [backup(BEGIN + timedelta(hours=n), site_id=OTHER_SITE) for n in range(5)]
    own = [backup(BEGIN + timedelta(days=n)) for n in (1, 2)]
    assert expired([*foreign, *own]) == [own[0].name]


def test_the_latest_backup_of_each_period_is_retained() -> None:
    hourly = [backup(BEGIN + timedelta(hours=6 * n)) for n in range(4 * 800)]
    policy = RetentionPolicy(last=3, daily=5, weekly=2, monthly=3, yearly=9)
    deleted = set(expired(hourly, policy))
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


def test_safety_backups_have_a_separate_limit() -> None:
    safety = [backup(BEGIN + timedelta(days=n), None, BackupKind.PRE_RESTORE) for n in range(4)]
    policy = RetentionPolicy(last=1, pre_restore=2)
    found = plan([*safety, backup(BEGIN + timedelta(days=9))], policy)
    assert [one.name for one in found.expiring] == [safety[1].name, safety[0].name]
    assert {one.reason.rule for one in found.expiring} == {"beyond_safety_limit"}


def test_a_damaged_backup_does_not_count_and_expires_after_enough_verified_ones() -> None:
    policy = RetentionPolicy(2, 0, 0, 0, 0, 0)
    damaged = backup(BEGIN, Verification.FAILED, damaged=True)
    newer = [backup(BEGIN + timedelta(days=n)) for n in (1, 2)]
    assert expired([damaged, newer[0]], policy) == []
    assert [one.reason.rule for one in plan([damaged, *newer], policy).expiring] == ["damaged"]


def test_object_lock_keeps_a_backup_until_its_end() -> None:
    until = datetime(2030, 2, 1, tzinfo=UTC)
    copy = OffsiteCopy(bucket="b", key="k", checksum="", copied_at=BEGIN, locked_until=until)
    locked = backup(BEGIN, offsite=copy)
    newer = [backup(BEGIN + timedelta(days=n)) for n in (1, 2)]
    found = plan([locked, *newer])
    assert decision_of(found, locked).reason.rule == "locked"
    assert decision_of(found, locked).reason.kept_until == until
    later = plan([locked, *newer], now=until + timedelta(seconds=1))
    assert decision_of(later, locked).expires_next


def test_a_date_is_the_first_day_on_which_enough_newer_periods_exist() -> None:
    zone = ZoneInfo("Europe/Berlin")
    days = [backup(datetime(2026, 3, 20 + n, 3, tzinfo=UTC)) for n in range(8)]
    policy = RetentionPolicy(1, 5, 0, 0, 0, 0, zone)
    now = datetime(2026, 3, 27, 4, tzinfo=UTC)
    found = plan(days, policy, now)
    assert [one.name for one in found.expiring] == [one.name for one in days[2::-1]]
    # The 23rd is the fifth day with a backup; the 28th will be the next one.
    reason = decision_of(found, days[3]).reason
    assert reason.text == "The latest backup of 2026-03-23; one is kept for each of 5 days."
    assert reason.kept_until == datetime(2026, 3, 27, 23, tzinfo=UTC)
    # Summer time begins on the 29th.
    assert decision_of(found, days[5]).reason.kept_until == datetime(2026, 3, 29, 22, tzinfo=UTC)
    assert decision_of(found, days[7]).reason.kept_until is None


def test_a_limit_of_thousands_of_years_has_no_date() -> None:
    days = [backup(BEGIN + timedelta(days=n)) for n in range(3)]
    found = plan(days, RetentionPolicy(1, 10**9, 10**9, 10**9, 10**9, 0))
    assert found.expiring == ()
    assert decision_of(found, days[0]).reason.kept_until is None


def test_the_preview_contains_what_the_next_backup_will_displace() -> None:
    policy = RetentionPolicy(2, 0, 0, 0, 0, 1)
    days = [backup(BEGIN + timedelta(days=n)) for n in range(2)]
    now = BEGIN + timedelta(days=2)
    assert plan(days, policy, now).expiring == ()
    found = preview_retention(days, policy, site_id=SITE, now=now)
    assert [one.name for one in found.expiring] == [days[0].name]
    assert plan([*days, backup(now)], policy, now).expiring == found.expiring
    # The verified backup that is still missing will exist by then.
    assert preview_retention(days[:1], policy, site_id=SITE, now=now).suspended is None
    assert preview_retention([], policy, site_id=SITE, now=now).suspended is not None


def test_at_least_one_backup_is_kept() -> None:
    with pytest.raises(ValueError, match="At least one backup"):
        RetentionPolicy(last=0)


# --- Size drops ----------------------------------------------------------------------------------


def sized(at: datetime, rows: int, size: int = 0, **changes: Any) -> BackupManifest:
    return backup(at, rows_per_table={"a": rows}, uncompressed_bytes=size, **changes)


@pytest.mark.parametrize(
    ("rows", "size", "is_drop"),
    [
        (2_000, 9_000_000, False),
        (1_000, 5_000_000, False),
        (999, 9_000_000, True),
        (2_000, 4_000_000, True),
        (0, 7_000, True),
    ],
)
def test_less_than_half_of_the_rows_or_bytes_is_a_size_drop(
    rows: int, size: int, is_drop: bool
) -> None:
    previous = sized(BEGIN, 2_000, 9_000_000)
    found = find_size_drop(sized(BEGIN + timedelta(days=1), rows, size), [previous])
    assert (found is not None) == is_drop


def test_small_databases_and_other_exclusions_are_not_compared() -> None:
    later = BEGIN + timedelta(days=1)
    assert find_size_drop(sized(later, 0, 10), [sized(BEGIN, 999, 999_999)]) is None
    with_cache = backup(
        BEGIN, rows_per_table={"a": 900, "cache": 50_000}, uncompressed_bytes=9_000_000
    )
    without = backup(
        later,
        rows_per_table={"a": 900, "cache": 0},
        uncompressed_bytes=90_000,
        excluded_rows=["cache"],
    )
    assert find_size_drop(without, [with_cache]) is None


def test_the_first_backup_of_a_site_is_compared_with_others_of_the_same_database() -> None:
    later = BEGIN + timedelta(days=1)
    upload = sized(BEGIN, 5_000, kind=BackupKind.UPLOADED, site_id=None)
    foreign = sized(BEGIN, 5_000, site_id=OTHER_SITE)
    for previous in (upload, foreign):
        assert find_size_drop(sized(later, 3), [previous]) is not None
        other = previous.model_copy(update={"database": "other"})
        assert find_size_drop(sized(later, 3), [other]) is None
    assert find_size_drop(sized(later, 3), [sized(BEGIN, 4), upload]) is None


def test_nothing_expires_while_the_newest_backup_is_a_size_drop() -> None:
    stored = [sized(BEGIN + timedelta(days=n), 5_000) for n in range(5)]
    for n in (5, 6):
        new = sized(BEGIN + timedelta(days=n), 3)
        drop = find_size_drop(new, stored)
        assert drop is not None, "a second small backup must not look normal"
        assert drop.previous == stored[4].name
        stored.append(new.model_copy(update={"size_drop": drop}))
    found = plan(stored)
    assert found.expiring == ()
    assert found.suspended is not None
    assert found.suspended.rule == "size_drop"
    assert f"--accept-size {stored[6].name}" in found.suspended.text
    assert "3 rows instead of 5,000" in found.suspended.text

    accepted = [*stored[:6], stored[6].model_copy(update={"size_accepted": True})]
    assert plan(accepted).expiring
    assert find_size_drop(sized(BEGIN + timedelta(days=7), 3), accepted) is None
    complete = sized(BEGIN + timedelta(days=7), 5_000)
    assert find_size_drop(complete, stored) is None
    assert plan([*stored, complete]).expiring


def test_a_size_drop_does_not_displace_a_complete_backup() -> None:
    drop = SizeDrop(
        previous="x",
        rows=3,
        previous_rows=5_000,
        uncompressed_bytes=0,
        previous_uncompressed_bytes=0,
    )
    complete = sized(BEGIN, 5_000)
    empty = sized(BEGIN + timedelta(hours=1), 3, size_drop=drop, verification=None)
    later = [sized(BEGIN + timedelta(days=n), 5_000) for n in (1, 2, 3)]
    found = plan([complete, empty, *later], RetentionPolicy(1, 4, 0, 0, 0, 0))
    assert not decision_of(found, complete).expires_next
