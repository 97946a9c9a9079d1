"""The overview: one screen that answers "is it all right?"."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.backups.service import Backups
from sysndd_api.health.service import Health, Report
from sysndd_api.jobs.models import EndedJob
from sysndd_api.jobs.service import Jobs
from sysndd_api.pages import page_route
from sysndd_api.pages.admin.backup_charts import size_chart
from sysndd_api.pages.charts import Bar, bar_chart
from sysndd_api.pages.rendering import age, duration, format_time, size
from sysndd_api.request_stats.models import Period
from sysndd_api.request_stats.service import RequestStats
from sysndd_api.web.http import service
from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.health import Check, Status

CSS_CLASSES = {Status.PASS: "ok", Status.WARN: "warn", Status.FAIL: "fail"}
_PARTS = {
    "database": ("Database", "/admin/migrations"),
    "migrations": ("Migrations", "/admin/migrations"),
    "drift": ("Drift", "/admin/migrations"),
    "redis": ("Redis", "/admin/jobs"),
    "backup_queue": ("Jobs", "/admin/jobs?state=queued"),
    "mail_queue": ("Mail", "/admin/mail"),
    "mail_transport": ("Mail server", "/admin/mail"),
    "workers": ("Workers", "/admin/jobs"),
    "backups": ("Backups", "/admin/backups"),
    "pool": ("Pool", "/admin#pools"),
}
_HOURS = 6


@dataclass(frozen=True)
class Tile:
    """One part of the system on the overview."""

    label: str
    css_class: str
    word: str
    value: str
    lines: tuple[str, ...]
    reason: str | None
    address: str | None


async def page(request: Request) -> Response:
    """Show whether it is all right, part by part, and the last hours."""
    # First and alone: together they would ask for more connections at once than the pool has.
    report = await service(request, Health).report()
    periods, pools, ended, manifests = await asyncio.gather(
        service(request, RequestStats).recent_periods(hours=_HOURS),
        service(request, RequestStats).pools(),
        service(request, Jobs).recently_ended(),
        service(request, Backups).list_all(),
    )
    return page_route.page(
        request,
        "overview.html",
        css_class=CSS_CLASSES[report.status],
        reasons=[
            (_label(name), check.reason) for name, check in report.checks.items() if check.reason
        ],
        tiles=_tiles(report, manifests),
        pools=pools,
        requests_chart=_requests_chart(periods),
        times_chart=_times_chart(periods),
        jobs_chart=_jobs_chart(ended),
        sizes_chart=size_chart(manifests[:40]),
        seen_at=datetime.now(UTC),
    )


def _tiles(report: Report, manifests: Sequence[BackupManifest]) -> list[Tile]:
    return [
        Tile(
            label=_label(name),
            css_class=CSS_CLASSES[check.status],
            word={"pass": "ok", "warn": "look", "fail": "broken"}[check.status.value],
            value=value,
            lines=lines,
            reason=check.reason,
            address=_PARTS.get(name, ("", None))[1],
        )
        for name, check in report.checks.items()
        for value, lines in [_shown(name, check, manifests)]
    ]


def _label(name: str) -> str:
    return _PARTS.get(name, (name.replace("_", " ").capitalize(), None))[0]


def _shown(
    name: str, check: Check, manifests: Sequence[BackupManifest]
) -> tuple[str, tuple[str, ...]]:
    """Return the one thing to know of a part, and what stands below it in small."""
    seen = check.observed
    if name == "backups":
        return _shown_backups(seen, manifests)
    if not seen:
        return ("answers" if check.status is Status.PASS else "–"), ()
    show = _SHOWN.get(name)
    if show is None:
        return "", tuple(f"{key.replace('_', ' ')}: {value}" for key, value in seen.items())
    return show(seen)


def _shown_database(seen: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return f"{seen['ms']} ms", (str(seen["version"]),)


def _shown_migrations(seen: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return f"{seen['pending_migrations']} pending", (f"at {seen['current']}",)


def _shown_drift(seen: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    drifted, unseen = seen.get("drift") or [], seen.get("not_visible_to_this_account") or []
    hidden = f"{len(unseen)} objects are not visible to the API" if unseen else ""
    return (f"{len(drifted)} objects" if drifted else "none"), (hidden,)


def _shown_transport(seen: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return ("takes mails" if seen["circuit_breaker"] == "closed" else "refuses mails"), ()


def _shown_jobs(seen: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return _waiting(seen), (_oldest(seen),)


def _shown_mails(seen: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    more = [f"{seen[key]} {key}" for key in ("held", "failed") if key in seen]
    return _waiting(seen), (_oldest(seen), ", ".join(more))


def _shown_workers(seen: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return ", ".join(f"{count} {queue}" for queue, count in seen.items()), ()


def _shown_pool(seen: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return f"{seen['in_use']} of {seen['size']} in use", (f"{seen['waiting']} waiting",)


_SHOWN: dict[str, Callable[[Mapping[str, Any]], tuple[str, tuple[str, ...]]]] = {
    "database": _shown_database,
    "migrations": _shown_migrations,
    "drift": _shown_drift,
    "mail_transport": _shown_transport,
    "backup_queue": _shown_jobs,
    "mail_queue": _shown_mails,
    "workers": _shown_workers,
    "pool": _shown_pool,
}


def _shown_backups(
    seen: Mapping[str, Any], manifests: Sequence[BackupManifest]
) -> tuple[str, tuple[str, ...]]:
    verified = next((one for one in manifests if one.verification is Verification.VERIFIED), None)
    free = Markup(", {} free").format(size(seen["free_bytes"])) if "free_bytes" in seen else ""
    count = Markup("{} in all{}").format(len(manifests), free)
    if verified is None:
        return "none verified", (count,)
    old = age((datetime.now(UTC) - verified.created_at).total_seconds())
    return f"verified {old} ago", (verified.name, format_time(verified.created_at), count)


def _waiting(seen: Mapping[str, Any]) -> str:
    return f"{seen['queued']} waiting, {seen['running']} running"


def _oldest(seen: Mapping[str, Any]) -> str:
    oldest = seen.get("oldest_seconds")
    return "nothing is due" if oldest is None else f"the oldest for {duration(oldest)}"


def _requests_chart(periods: Sequence[Period]) -> Markup:
    total, failed = sum(p.requests for p in periods), sum(p.failures for p in periods)
    bars = [
        Bar(
            p.requests,
            f"{p.begins:%H:%M} UTC: {p.requests} requests, {p.failures} failed",
            failed=p.failures > 0,
        )
        for p in periods
    ]
    return bar_chart(
        bars,
        summary=f"{total} requests in the last {_HOURS} hours, {failed} of them failed",
        peak=f"{max(p.requests for p in periods)} in ten minutes",
        first=f"{_HOURS} h ago",
        last="now",
    )


def _times_chart(periods: Sequence[Period]) -> Markup:
    highest = max(p.ms_mean for p in periods)
    bars = [
        Bar(p.ms_mean, f"{p.begins:%H:%M} UTC: mean {p.ms_mean:.1f} ms, longest {p.ms_max:.0f} ms")
        for p in periods
    ]
    return bar_chart(
        bars,
        summary=f"Mean time of a request in the last {_HOURS} hours, at most {highest:.0f} ms",
        peak=f"{highest:.1f} ms",
        first=f"{_HOURS} h ago",
        last="now",
    )


def _jobs_chart(ended: Sequence[EndedJob]) -> Markup | None:
    if not ended:
        return None
    bars = [
        Bar(
            job.seconds,
            f"{job.kind.replace('_', ' ')}, {job.state}: {duration(job.seconds)}",
            failed=job.state == "failed",
        )
        for job in ended
    ]
    longest = max(job.seconds for job in ended)
    return bar_chart(
        bars,
        summary=f"How long the last {len(bars)} jobs took, at most {duration(longest)}",
        peak=duration(longest),
        first=f"{len(bars)} jobs ago",
        last="newest",
    )
