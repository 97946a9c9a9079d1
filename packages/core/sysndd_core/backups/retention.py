"""The retention policy: decides which backups are retained, why, and which ones expire.

``plan_retention`` is a pure function of the manifests. The backup worker deletes what it says after
each verified backup, and the API previews the next run with the same function.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from enum import StrEnum

from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.jobs.models import BackupKind
from sysndd_core.settings.retention import RetentionPolicy


class RetentionRule(StrEnum):
    """Why a backup is retained, or why it expires; the codes are stable."""

    PINNED = "pinned"
    UPLOADED = "uploaded"
    OTHER_SITE = "other_site"
    NEWEST = "newest"
    LAST = "last"
    LAST_VERIFIED = "last_verified"
    YEARLY = "yearly"
    MONTHLY = "monthly"
    WEEKLY = "weekly"
    DAILY = "daily"
    SAFETY = "safety"
    RECENTLY_DAMAGED = "recently_damaged"
    LOCKED = "locked"

    VERIFICATION_OFF = "verification_off"
    TOO_FEW_VERIFIED = "too_few_verified"
    SIZE_DROP = "size_drop"

    BEYOND_LIMITS = "beyond_limits"
    BEYOND_SAFETY_LIMIT = "beyond_safety_limit"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Reason:
    """Why a backup is retained or expires.

    Attributes:
        rule: Code of the rule.
        text: The rule in one sentence.
        kept_until: Earliest time at which the backup can expire, if backups continue to be created
            and nothing else changes; None if no date is known.
    """

    rule: RetentionRule
    text: str
    kept_until: datetime | None = None


@dataclass(frozen=True)
class RetentionDecision:
    """The decision on one backup.

    Attributes:
        expires_next: Whether the next run of the policy deletes it.
    """

    name: str
    reason: Reason
    expires_next: bool


@dataclass(frozen=True)
class RetentionPlan:
    """The decisions on all backups, latest first.

    Attributes:
        suspended: Why nothing expires and what to do, or None.
    """

    decisions: tuple[RetentionDecision, ...]
    suspended: Reason | None

    @property
    def expiring(self) -> tuple[RetentionDecision, ...]:
        """The backups that the next run deletes, latest first."""
        return tuple(one for one in self.decisions if one.expires_next)

    def by_name(self) -> dict[str, RetentionDecision]:
        """Return the decisions by the name of the backup."""
        return {one.name: one for one in self.decisions}


def plan_retention(
    manifests: Iterable[BackupManifest],
    policy: RetentionPolicy,
    *,
    site_id: str | None,
    now: datetime,
    verifies: bool = True,
) -> RetentionPlan:
    """Decide on every backup.

    Applied a second time to the backups that it retains, it deletes nothing more.

    Args:
        manifests: All backups, in any order.
        policy: How many backups to keep.
        site_id: ID of this site. Backups of other sites never expire here.
        now: Current time.
        verifies: Whether new backups are verified. The policy runs only after a verification.
    """
    newest_first = sorted(manifests, key=_order, reverse=True)
    reasons: dict[str, Reason] = {}
    for name, reason in _reasons(newest_first, policy, site_id, now):
        reasons.setdefault(name, reason)
    suspended = _suspension(newest_first, policy, site_id, verifies=verifies)
    decisions = []
    for one in newest_first:
        retained = reasons.get(one.name) or suspended
        decisions.append(
            RetentionDecision(
                one.name, retained or _expiry(one, policy), expires_next=retained is None
            )
        )
    return RetentionPlan(tuple(decisions), suspended)


def preview_retention(
    manifests: Iterable[BackupManifest],
    policy: RetentionPolicy,
    *,
    site_id: str | None,
    now: datetime,
    verifies: bool = True,
) -> RetentionPlan:
    """Predict the next run, which follows a new backup that is verified.

    A backup that the next run deletes has the reason of that run, the others their current one.

    Args:
        manifests, policy, site_id, now, verifies: See ``plan_retention``.
    """
    stored = sorted(manifests, key=_order, reverse=True)

    def plan(backups: list[BackupManifest]) -> RetentionPlan:
        return plan_retention(backups, policy, site_id=site_id, now=now, verifies=verifies)

    current = plan(stored)
    regular, drops = _regular([one for one in stored if not one.is_foreign_to(site_id)])
    latest = max([*regular[:1], *drops[:1]], key=_order, default=None)
    if latest is None:
        return current
    # Probably, it will be like the latest one, also if that is a size drop.
    following = latest.model_copy(
        update={
            "name": "",
            "created_at": max(now, latest.created_at),
            "verification": Verification.VERIFIED,
            "pinned": False,
        }
    )
    run = plan([following, *stored])
    decided = run.by_name()
    return RetentionPlan(
        tuple(
            decided[one.name] if one.expires_next or decided[one.name].expires_next else one
            for one in current.decisions
        ),
        current.suspended if run.suspended is not None else None,
    )


def newest_size_drop(newest_first: list[BackupManifest]) -> BackupManifest | None:
    """Return the newest scheduled or manual backup if it is a size drop, otherwise None."""
    regular, drops = _regular(newest_first)
    if drops and (not regular or _order(drops[0]) > _order(regular[0])):
        return drops[0]
    return None


def _reasons(
    newest_first: list[BackupManifest],
    policy: RetentionPolicy,
    site_id: str | None,
    now: datetime,
) -> Iterator[tuple[str, Reason]]:
    """Yield each reason to retain a backup; the first one of a backup is the one to show."""
    yield from _retained_for_a_person(newest_first, site_id)
    yield from _newest_of_each_version(newest_first)
    for backups in _by_site(newest_first, site_id):
        yield from _retained_by_number(backups, policy)
        yield from _retained_by_period(backups, policy, now)
    for one in newest_first:
        until = one.offsite.locked_until if one.offsite is not None else None
        if until is not None and until > now:
            text = "S3 Object Lock protects the off-site copy."
            yield one.name, Reason(RetentionRule.LOCKED, text, until)


def _retained_for_a_person(
    newest_first: list[BackupManifest], site_id: str | None
) -> Iterator[tuple[str, Reason]]:
    """Yield what the policy does not apply to: only a person deletes it."""
    for one in newest_first:
        if one.pinned:
            text = "Pinned: kept until a person unpins or deletes it."
            yield one.name, Reason(RetentionRule.PINNED, text)
        elif one.kind is BackupKind.UPLOADED:
            text = "Uploaded or imported: kept until a person deletes it."
            yield one.name, Reason(RetentionRule.UPLOADED, text)
        elif one.is_foreign_to(site_id):
            text = "Created by another site: kept until a person deletes it."
            yield one.name, Reason(RetentionRule.OTHER_SITE, text)


def _newest_of_each_version(newest_first: list[BackupManifest]) -> Iterator[tuple[str, Reason]]:
    """Yield the newest backup of each site, schema version and kind.

    Also yields the newest verified one and the newest one without a size drop, in case the newest
    one turns out to be bad. Safety backups are not included: they have a limit of their own.
    """
    seen: set[tuple[object, ...]] = set()
    for one in newest_first:
        if one.damaged or one.kind is BackupKind.PRE_RESTORE:
            continue
        group = (one.site_id, one.schema_version, one.kind)
        of = f" of schema version {one.schema_version}" if one.schema_version else ""
        for applies, adjective in (
            (True, ""),
            (one.verification is Verification.VERIFIED, "verified "),
            (not one.is_size_drop, "complete "),
        ):
            if applies and (*group, adjective) not in seen:
                seen.add((*group, adjective))
                text = f"The newest {adjective}{one.kind.value} backup{of}."
                yield one.name, Reason(RetentionRule.NEWEST, text)


def _by_site(
    newest_first: list[BackupManifest], site_id: str | None
) -> Iterator[list[BackupManifest]]:
    """Yield the backups of each site; a backup without a site's ID may be ours."""
    sites: dict[str | None, list[BackupManifest]] = {}
    for one in newest_first:
        sites.setdefault(one.site_id or site_id, []).append(one)
    yield from sites.values()


def _retained_by_number(
    backups: list[BackupManifest], policy: RetentionPolicy
) -> Iterator[tuple[str, Reason]]:
    (regular, drops), last = _regular(backups), policy.last
    # Size drops are counted separately, so that they never displace a complete backup.
    for one in [*regular[:last], *drops[:last]]:
        yield one.name, Reason(RetentionRule.LAST, f"One of the {last} latest backups.")
    verified = _verified(regular)[:last]
    for one in verified:
        text = f"One of the {last} latest verified backups."
        yield one.name, Reason(RetentionRule.LAST_VERIFIED, text)
    safety = [one for one in backups if one.kind is BackupKind.PRE_RESTORE and not one.damaged]
    for one in safety[: policy.pre_restore]:
        text = f"One of the {policy.pre_restore} latest safety backups."
        yield one.name, Reason(RetentionRule.SAFETY, text)
    for one in backups:
        if one.damaged and (len(verified) < last or one.created_at >= verified[-1].created_at):
            text = f"Damaged: kept until {last} newer backups are verified."
            yield one.name, Reason(RetentionRule.RECENTLY_DAMAGED, text)


def _retained_by_period(
    backups: list[BackupManifest], policy: RetentionPolicy, now: datetime
) -> Iterator[tuple[str, Reason]]:
    regular, drops = _regular(backups)
    for period in _PERIODS:
        count: int = getattr(policy, period.rule.value)
        best: dict[int, BackupManifest] = {}
        for one in [*_verified(regular), *regular, *drops]:
            best.setdefault(period.number_of(_local_date(one.created_at, policy.zone)), one)
        numbers = sorted(best, reverse=True)
        for newer, number in enumerate(numbers[:count]):
            text = (
                f"The latest backup of {period.label_of(period.first_day_of(number))}; one is kept"
                f" for each of {count} {period.plural}."
            )
            until = period.expiry_of(number, numbers[0], count - newer, policy.zone, now)
            yield best[number].name, Reason(period.rule, text, until)


@dataclass(frozen=True)
class _Period:
    """A kind of period. Consecutive periods have consecutive numbers."""

    rule: RetentionRule
    plural: str
    number_of: Callable[[date], int]
    first_day_of: Callable[[int], date]
    label_of: Callable[[date], str]

    def expiry_of(
        self, number: int, latest: int, newer: int, zone: tzinfo, now: datetime
    ) -> datetime | None:
        """Return the earliest time at which ``newer`` later periods with a backup exist."""
        current = self.number_of(_local_date(now, zone))
        if number >= current:
            # A later backup of the same period would take its place.
            return None
        try:
            first_day = self.first_day_of(max(latest + 1, current) + newer - 1)
            midnight = datetime(first_day.year, first_day.month, first_day.day, tzinfo=zone)
            expiry = midnight.astimezone(UTC)
        except (OverflowError, ValueError):
            # A limit of thousands of years.
            return None
        # The next backup may be the one that takes its place.
        return expiry if expiry > now else None


_PERIODS = (
    _Period(
        RetentionRule.YEARLY,
        "years",
        lambda day: day.year,
        lambda number: date(number, 1, 1),
        lambda day: f"{day:%Y}",
    ),
    _Period(
        RetentionRule.MONTHLY,
        "months",
        lambda day: day.year * 12 + day.month - 1,
        lambda number: date(number // 12, number % 12 + 1, 1),
        lambda day: f"{day:%Y-%m}",
    ),
    _Period(
        RetentionRule.WEEKLY,
        "weeks",
        lambda day: (day.toordinal() - 1) // 7,
        lambda number: date.fromordinal(number * 7 + 1),
        lambda day: f"the week from {day:%Y-%m-%d}",
    ),
    _Period(
        RetentionRule.DAILY,
        "days",
        date.toordinal,
        date.fromordinal,
        lambda day: f"{day:%Y-%m-%d}",
    ),
)


def _suspension(
    newest_first: list[BackupManifest],
    policy: RetentionPolicy,
    site_id: str | None,
    *,
    verifies: bool,
) -> Reason | None:
    own = [one for one in newest_first if not one.is_foreign_to(site_id)]
    verified = []
    for backups in _by_site(own, site_id):
        verified.append(len(_verified(_regular(backups)[0])))
        drop = newest_size_drop(backups)
        if drop is not None:
            return Reason(RetentionRule.SIZE_DROP, _size_drop_text(drop))
    least = min(verified, default=0)
    if least < policy.last:
        text = (
            f"No backup expires until {policy.last} scheduled or manual backups are verified"
            f" (BACKUP_KEEP_LAST); there are {least}."
        )
        return Reason(RetentionRule.TOO_FEW_VERIFIED, text)
    if not verifies:
        text = (
            "No backup expires while BACKUP_VERIFY is never, because the retention policy runs only"
            " after a verification."
        )
        return Reason(RetentionRule.VERIFICATION_OFF, text)
    return None


def _expiry(one: BackupManifest, policy: RetentionPolicy) -> Reason:
    if one.damaged:
        text = f"Damaged, and {policy.last} newer backups are verified."
        return Reason(RetentionRule.DAMAGED, text)
    if one.kind is BackupKind.PRE_RESTORE:
        text = f"{policy.pre_restore} newer safety backups exist (BACKUP_KEEP_PRE_RESTORE)."
        return Reason(RetentionRule.BEYOND_SAFETY_LIMIT, text)
    text = (
        f"Not one of the {policy.last} latest backups, and not the latest of one of the last"
        f" {policy.daily} days, {policy.weekly} weeks, {policy.monthly} months or {policy.yearly}"
        " years."
    )
    return Reason(RetentionRule.BEYOND_LIMITS, text)


def _size_drop_text(one: BackupManifest) -> str:
    return (
        f"No backup expires, because the newest one, {one.name}, may be incomplete. {one.size_drop}"
        " Check the data of the site. If the new size is correct, accept it on the page of the"
        f" backup or with: sysndd-admin retention --accept-size {one.name}. Otherwise restore a"
        " complete backup; expiry resumes with the next backup that is not smaller."
    )


def _regular(
    backups: list[BackupManifest],
) -> tuple[list[BackupManifest], list[BackupManifest]]:
    """Return the scheduled and manual backups that are not known to be damaged.

    Returns:
        Those without a size drop, and those with one.
    """
    kinds = (BackupKind.SCHEDULED, BackupKind.MANUAL)
    found = [one for one in backups if one.kind in kinds and not one.damaged]
    return (
        [one for one in found if not one.is_size_drop],
        [one for one in found if one.is_size_drop],
    )


def _verified(backups: list[BackupManifest]) -> list[BackupManifest]:
    return [one for one in backups if one.verification is Verification.VERIFIED]


def _order(one: BackupManifest) -> tuple[datetime, str]:
    return one.created_at, one.name


def _local_date(at: datetime, zone: tzinfo) -> date:
    return at.astimezone(zone).date()
