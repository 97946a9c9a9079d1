"""The overview: the health of the system on one page."""

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
from sysndd_api.pages.rendering import age, duration, format_time, plural, size
from sysndd_api.request_stats.models import Period
from sysndd_api.request_stats.service import RequestStats
from sysndd_api.web.http import service
from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.health import Check, Status

CSS_CLASSES = {Status.PASS: "ok", Status.WARN: "warn", Status.FAIL: "fail"}
_CHECKS = {
    "database": ("Database", "/admin/migrations"),
    "schema": ("Tables", "/admin/backups"),
    "migrations": ("Migrations", "/admin/migrations"),
    "drift": ("Drift", "/admin/migrations"),
    "redis": ("Redis", "/admin/jobs"),
    "backup_queue": ("Jobs", "/admin/jobs?state=queued"),
    "mail_queue": ("Email", "/admin/mail"),
    "mail_transport": ("Mail server", "/admin/mail"),
    "workers": ("Workers", "/admin/jobs"),
    "backups": ("Backups", "/admin/backups"),
    "pool": ("Database connections", "/admin#pools"),
}
_STATUS_LABELS = {Status.PASS: "OK", Status.WARN: "Warning", Status.FAIL: "Error"}
_HOURS = 6


@dataclass(frozen=True)
class Tile:
    """One health check on the overview."""

    label: str
    css_class: str
    status: str
    value: str
    lines: tuple[str, ...]
    reason: str | None
    address: str | None


async def page(request: Request) -> Response:
    """Show the health of each service, and charts of the last hours."""
    # Not concurrently with the other reads: together they need more connections than the pool has.
    report = await service(request, Health).report()
    damage = await service(request, Health).damage()
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
        damage=damage,
        reasons=[
            (_label(name), check.reason)
            for name, check in report.checks.items()
            # Above them, the page lists what is missing.
            if check.reason and not (damage and name in ("schema", "drift"))
        ],
        tiles=_tiles(report, manifests),
        latest_backup_age=_latest_backup_age(report),
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
            status=_STATUS_LABELS[check.status],
            value=value,
            lines=lines,
            reason=check.reason,
            address=_CHECKS.get(name, ("", None))[1],
        )
        for name, check in report.checks.items()
        for value, lines in [_summary(name, check, manifests)]
    ]


def _label(name: str) -> str:
    return _CHECKS.get(name, (name.replace("_", " ").capitalize(), None))[0]


def _latest_backup_age(report: Report) -> str | None:
    hours = report.checks["backups"].observed.get("newest_age_hours")
    return age(hours * 3600) if hours is not None else None


def _summary(
    name: str, check: Check, manifests: Sequence[BackupManifest]
) -> tuple[str, tuple[str, ...]]:
    """Return the main value of a check, and the lines of detail below it."""
    observed = check.observed
    if name == "backups":
        return _backups(observed, manifests)
    if not observed:
        return ("Connected" if check.status is Status.PASS else "–"), ()
    summarize = _SUMMARIES.get(name)
    if summarize is None:
        return "", tuple(f"{key.replace('_', ' ')}: {value}" for key, value in observed.items())
    return summarize(observed)


def _database(observed: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return f"Response time {observed['ms']:g} ms", (str(observed["version"]),)


def _schema(observed: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    if observed["schema_missing"]:
        return "Schema missing", ()
    counts = {"missing": observed["missing_count"], "unreadable": observed["unreadable_count"]}
    found = [f"{count} {state}" for state, count in counts.items() if count]
    return ", ".join(found) or "Complete", ()


def _migrations(observed: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    if not observed["managed"]:
        return "Not managed", ("SCHEMA_MODE is observe",)
    if observed.get("ledger_missing"):
        return "Unknown", ()
    current = observed["current"] or "none"
    return f"{observed['pending_migrations']} pending", (f"Schema version: {current}",)


def _drift(observed: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    differences = observed.get("drift") or []
    unchecked = observed.get("not_visible_to_this_account") or []
    value = plural(len(differences), "difference") if differences else "No drift"
    if not unchecked:
        return value, ()
    return value, (f"{plural(len(unchecked), 'object')} not checked (insufficient privileges)",)


def _mail_transport(observed: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return ("Connected" if observed["circuit_breaker"] == "closed" else "Sending paused"), ()


def _jobs(observed: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    value = f"{observed['queued']} queued, {observed['running']} running"
    return value, (_oldest(observed),)


def _emails(observed: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    labels = {"held": "on hold", "failed": "failed permanently"}
    problems = [f"{observed[key]} {label}" for key, label in labels.items() if key in observed]
    value = f"{observed['queued']} queued, {observed['running']} sending"
    return value, (_oldest(observed), ", ".join(problems))


def _workers(observed: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    return ", ".join(plural(count, f"{queue} worker") for queue, count in observed.items()), ()


def _pool(observed: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    value = f"{observed['in_use']} of {observed['size']} in use"
    return value, (f"{plural(observed['waiting'], 'request')} waiting",)


_SUMMARIES: dict[str, Callable[[Mapping[str, Any]], tuple[str, tuple[str, ...]]]] = {
    "database": _database,
    "schema": _schema,
    "migrations": _migrations,
    "drift": _drift,
    "mail_transport": _mail_transport,
    "backup_queue": _jobs,
    "mail_queue": _emails,
    "workers": _workers,
    "pool": _pool,
}


def _backups(
    observed: Mapping[str, Any], manifests: Sequence[BackupManifest]
) -> tuple[str, tuple[str, ...]]:
    verified = next((one for one in manifests if one.verification is Verification.VERIFIED), None)
    free = ""
    if "free_bytes" in observed:
        free = Markup(", {} free").format(size(observed["free_bytes"]))
    count = Markup("{}{}").format(plural(len(manifests), "backup"), free)
    if verified is None:
        return "No verified backup", (count,)
    verified_age = age((datetime.now(UTC) - verified.created_at).total_seconds())
    lines = (verified.name, format_time(verified.created_at), count)
    return f"Latest verified backup: {verified_age} ago", lines


def _oldest(observed: Mapping[str, Any]) -> str:
    oldest = observed.get("oldest_seconds")
    if oldest is not None:
        return f"Oldest: waiting for {duration(oldest)}"
    return "Nothing is due yet" if observed["queued"] else "Queue empty"


def _requests_chart(periods: Sequence[Period]) -> Markup:
    total, failed = sum(p.requests for p in periods), sum(p.failures for p in periods)
    bars = [
        Bar(
            p.requests,
            f"{p.begins:%H:%M} UTC: {plural(p.requests, 'request')}, {p.failures} failed",
            failed=p.failures > 0,
        )
        for p in periods
    ]
    return bar_chart(
        bars,
        summary=f"{plural(total, 'request')} in the last {_HOURS} hours, {failed} failed",
        peak=f"peak: {max(p.requests for p in periods)} per 10 min",
        first=f"{_HOURS} h ago",
        last="now",
    )


def _times_chart(periods: Sequence[Period]) -> Markup:
    highest = max(p.ms_mean for p in periods)
    bars = [
        Bar(p.ms_mean, f"{p.begins:%H:%M} UTC: mean {p.ms_mean:.1f} ms, maximum {p.ms_max:.0f} ms")
        for p in periods
    ]
    return bar_chart(
        bars,
        summary=f"Mean response time in the last {_HOURS} hours, maximum {highest:.0f} ms",
        peak=f"peak: {highest:.1f} ms",
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
        summary=f"Duration of {plural(len(bars), 'job')}, maximum {duration(longest)}",
        peak=duration(longest),
        first=f"{plural(len(bars), 'job')} ago",
        last="latest",
    )
