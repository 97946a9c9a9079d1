"""One measurement: runs locust in a separate process and samples the pool of each worker."""

import json
import os
import subprocess
import tempfile
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_SAMPLE_SECONDS = 0.2
# Seconds until all users have started. Requests that are shed in this time count too.
_RAMP_UP_SECONDS = 4


@dataclass(frozen=True)
class Load:
    """The load that locust generates.

    Attributes:
        users: Concurrent users.
        seconds: Duration of the run.
        think: Minimum and maximum seconds between two requests of a user.
    """

    users: int
    seconds: int
    think: tuple[float, float] = (0.5, 1.5)


@dataclass
class Pool:
    """The size of a worker's pool, and the maximum values of all samples."""

    size: int = 0
    in_use: int = 0
    waiting: int = 0
    samples: int = 0


@dataclass
class Outcome:
    """The result of a measurement.

    Attributes:
        seconds: Duration of the run.
        times: Response times in milliseconds, by name of the request.
        outcomes: Number of requests by status; a 503 also by whether it has Retry-After.
        pools: Pool of each worker, by process ID.
    """

    seconds: int
    times: dict[str, list[float]]
    outcomes: Counter[str]
    pools: dict[int, Pool] = field(default_factory=dict)

    @property
    def served(self) -> int:
        """Requests with status 200, or 404 for an entry that does not exist."""
        return sum(self.outcomes[status] for status in ("200", "404"))

    @property
    def shed(self) -> int:
        """Requests with status 503 and Retry-After."""
        return self.outcomes["503 with Retry-After"]

    @property
    def failed(self) -> int:
        """All other requests; there must be none at any load."""
        return sum(self.outcomes.values()) - self.served - self.shed

    @property
    def per_second(self) -> float:
        """Served requests per second."""
        return self.served / self.seconds

    def percentile(self, percent: float) -> float:
        """Return a percentile of all response times, in milliseconds; 0 without requests."""
        ordered = sorted(time for times in self.times.values() for time in times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0


def measure(base_url: str, load: Load, *, locust: Path, token: str) -> Outcome:
    """Run locust against an address.

    Args:
        base_url: Base URL of the proxy or of an API.
        load: The load to generate.
        locust: Path of the program.
        token: Access token of an administrator.

    Returns:
        The result.

    Raises:
        RuntimeError: locust wrote no report.
    """
    ended = threading.Event()
    pools: defaultdict[int, Pool] = defaultdict(Pool)
    sampler = threading.Thread(
        target=_sample_pools, args=(base_url, token, pools, ended), daemon=True
    )
    sampler.start()
    try:
        report = _run_locust(base_url, load, locust, token)
    finally:
        ended.set()
        sampler.join()
    return Outcome(load.seconds, report["times"], Counter(report["outcomes"]), dict(pools))


def _run_locust(base_url: str, load: Load, locust: Path, token: str) -> dict[str, Any]:
    spawn_rate = max(1, load.users // _RAMP_UP_SECONDS)
    command = [
        *(str(locust), "--headless", "--only-summary", "--locustfile", str(LOCUSTFILE)),
        *("--host", base_url, "--users", str(load.users), "--spawn-rate", str(spawn_rate)),
        *("--run-time", f"{load.seconds}s", "--loglevel", "ERROR"),
    ]
    with tempfile.TemporaryDirectory(prefix="sysndd-load-") as folder:
        report = Path(folder) / "report.json"
        settings = {
            "LOAD_REPORT": str(report),
            "LOAD_TOKEN": token,
            "LOAD_THINK_MIN": str(load.think[0]),
            "LOAD_THINK_MAX": str(load.think[1]),
        }
        # locust exits with 1 if requests failed; the caller evaluates those.
        done = subprocess.run(
            command,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=load.seconds + 120,
            check=False,
        )
        if not report.is_file():
            raise RuntimeError(f"locust wrote no report:\n{done.stdout}{done.stderr}")
        document: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return document


def _sample_pools(
    base_url: str, token: str, pools: dict[int, Pool], ended: threading.Event
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    while not ended.wait(_SAMPLE_SECONDS):
        try:
            # A new connection each time, because a reused one always reaches the same worker.
            document = httpx.get(f"{base_url}/api/health", headers=headers, timeout=10).json()
            sample = document["checks"]["pool"]
        except (httpx.HTTPError, KeyError, TypeError, ValueError):
            continue  # under overload, this request is shed too
        pool = pools[sample["worker_pid"]]
        pool.size, pool.samples = sample["size"], pool.samples + 1
        pool.in_use = max(pool.in_use, sample["in_use"])
        pool.waiting = max(pool.waiting, sample["waiting"])
