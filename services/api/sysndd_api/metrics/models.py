"""System-wide metrics, taken from the checks of the health report."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sysndd_core.health import Check, Status

_LEVELS = {Status.PASS: 0, Status.WARN: 1, Status.FAIL: 2}

# Metric, its help text, and the check and value that it is read from.
_SINGLE = (
    ("sysndd_migrations_pending", "Pending migrations.", "migrations", "pending_migrations"),
    ("sysndd_backup_newest_age_hours", "Age of the latest backup.", "backups", "newest_age_hours"),
    ("sysndd_backups", "Complete backups.", "backups", "count"),
    ("sysndd_backup_free_bytes", "Free space for backups.", "backups", "free_bytes"),
)
_QUEUES = {"backup": "backup_queue", "mail": "mail_queue"}


class SystemFigures(Collector):
    """Metrics of one scrape; a value that cannot be read is omitted, not zero.

    Args:
        checks: The checks of ``Health.report``.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield each metric."""
        health = GaugeMetricFamily(
            "sysndd_health", "0 pass, 1 warn, 2 fail, by check.", labels=["check"]
        )
        for name, check in self._checks.items():
            health.add_metric([name], _LEVELS[check.status])
        yield health
        yield from self._queues()
        yield self._circuit_breaker()
        for metric, text, check_name, member in _SINGLE:
            family = GaugeMetricFamily(metric, text)
            figure = self._observed(check_name).get(member)
            if figure is not None:
                family.add_metric([], float(figure))
            yield family
        workers = GaugeMetricFamily(
            "sysndd_workers", "Backup workers and mailers seen recently.", labels=["queue"]
        )
        for queue in _QUEUES:
            if queue in self._observed("workers"):
                workers.add_metric([queue], self._observed("workers")[queue])
        yield workers

    def _queues(self) -> Iterator[GaugeMetricFamily]:
        depth = GaugeMetricFamily(
            "sysndd_queue_depth",
            "Jobs and emails by state; held and failed emails require review.",
            labels=["queue", "state"],
        )
        oldest = GaugeMetricFamily(
            "sysndd_queue_oldest_due_seconds",
            "How long the oldest queued item is overdue.",
            labels=["queue"],
        )
        for queue, check_name in _QUEUES.items():
            observed = self._observed(check_name)
            for state in ("queued", "running", "held", "failed"):
                if state in observed:
                    depth.add_metric([queue, state], observed[state])
            if "queued" in observed:
                oldest.add_metric([queue], observed["oldest_seconds"] or 0)
        yield depth
        yield oldest

    def _circuit_breaker(self) -> GaugeMetricFamily:
        circuit_breaker = GaugeMetricFamily(
            "sysndd_mail_circuit_breaker_open", "1 while the circuit breaker stops all sending."
        )
        state = self._observed("mail_transport").get("circuit_breaker")
        if state is not None:
            circuit_breaker.add_metric([], float(state == "open"))
        return circuit_breaker

    def _observed(self, check_name: str) -> Mapping[str, Any]:
        check = self._checks.get(check_name)
        return check.observed if check is not None else {}
