"""Prometheus metrics: counted by each worker process, or read at the time of the scrape.

A scrape reaches one of several workers. Requests and pools are written to files in a shared
directory, so that any worker can answer for all: counters are summed, and pools have the label
``pid``. System-wide values (queues, circuit breaker, backups, migrations) are read from the
database and the backup directory during the scrape.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from sysndd_api.metrics.models import SystemFigures
from sysndd_api.web.middleware import ObservedRequest
from sysndd_core.db.database import Database, PoolState
from sysndd_core.health import Check

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SAMPLE_SECONDS = 5.0


class Metrics:
    """Counts requests and renders the metrics.

    Args:
        database: The connection pool of this process, which is measured.
        directory: Shared by the worker processes, from PROMETHEUS_MULTIPROC_DIR; None if there
            is only one.
    """

    def __init__(self, database: Database, directory: Path | None = None) -> None:
        self._database = database
        self._directory = directory
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "sysndd_http_requests",
            "Answered requests of all workers.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "sysndd_http_request_seconds",
            "Response times of all workers, in seconds.",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._pool = Gauge(
            "sysndd_pool_connections",
            "Database connections of a worker by state, and requests waiting for one.",
            ["state"],
            multiprocess_mode="liveall",
            registry=self._registry,
        )

    def observe(self, request: ObservedRequest) -> None:
        """Count one request."""
        known = request.method if request.method in _METHODS else "OTHER"
        self._requests.labels(known, request.route, str(request.status)).inc()
        self._seconds.labels(request.route).observe(request.seconds)

    async def watch(self) -> None:
        """Update this worker's pool metrics until cancelled; a scrape may reach another worker."""
        try:
            while True:
                self._sample(self._database.state)
                await asyncio.sleep(_SAMPLE_SECONDS)
        finally:
            if self._directory is not None:
                mark_process_dead(os.getpid(), str(self._directory))  # type: ignore[no-untyped-call]

    def exposition(self, checks: Mapping[str, Check]) -> bytes:
        """Return the metrics in Prometheus text format.

        Args:
            checks: The checks of ``Health.report``, run for this scrape.
        """
        self._sample(self._database.state)
        counted = self._registry
        if self._directory is not None:
            self._forget_dead_workers(self._directory)
            counted = CollectorRegistry()
            MultiProcessCollector(counted, path=str(self._directory))  # type: ignore[no-untyped-call]
        system = CollectorRegistry()
        system.register(SystemFigures(checks))
        return generate_latest(counted) + generate_latest(system)

    def _sample(self, pool: PoolState) -> None:
        figures = {
            "size": pool.size,
            "in_use": pool.in_use,
            "idle": pool.idle,
            "waiting": pool.waiting,
        }
        for state, figure in figures.items():
            self._pool.labels(state).set(figure)

    def _forget_dead_workers(self, directory: Path) -> None:
        """Remove the pools of killed workers; their counters remain."""
        for file in directory.glob("gauge_live*_*.db"):
            pid = int(file.stem.rpartition("_")[2])
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                with contextlib.suppress(FileNotFoundError):
                    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]
            except PermissionError:
                pass
