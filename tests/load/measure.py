"""One measurement: locust in its own process, and meanwhile how busy each worker's pool is."""

import json
import os
import subprocess
import tempfile
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import httpx

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_SAMPLE_SECONDS = 0.2
# Nobody's users all click within the same second; what is shed while they come counts as well.
_COMING_SECONDS = 4


@dataclass(frozen=True)
class Load:
    """What locust is to do.

    Attributes:
        users: at once.
        seconds: for all.
        think: seconds between two requests of one user, least and most.
    """

    users: int
    seconds: int
    think: tuple[float, float] = (0.5, 1.5)


@dataclass
class Pool:
    """The most that was seen of one worker's pool."""

    size: int = 0
    in_use: int = 0
    waiting: int = 0
    samples: int = 0


@dataclass
class Outcome:
    """What happened.

    Attributes:
        times: milliseconds of each request, by name.
        outcomes: how many requests by status; a 503 is split by its Retry-After.
        pools: by worker process.
    """

    seconds: int
    times: dict[str, list[float]]
    outcomes: Counter[str]
    pools: dict[int, Pool] = field(default_factory=dict)

    @property
    def served(self) -> int:
        """Requests that were answered with 2xx, or 404 for an entry that is not there."""
        return sum(self.outcomes[status] for status in ("200", "404"))

    @property
    def shed(self) -> int:
        """Requests that were told to come again."""
        return self.outcomes["503 with Retry-After"]

    @property
    def failed(self) -> int:
        """Everything else: what must not happen at any load."""
        return sum(self.outcomes.values()) - self.served - self.shed

    @property
    def per_second(self) -> float:
        """Requests served in a second."""
        return self.served / self.seconds

    def percentile(self, percent: float) -> float:
        """Return a percentile of all response times, in milliseconds; 0 without requests."""
        ordered = sorted(time for times in self.times.values() for time in times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0


def measure(base_url: str, load: Load, *, locust: Path, token: str) -> Outcome:
    """Put a load on an address.

    Args:
        base_url: of the proxy or of an API.
        load: how much of it.
        locust: the program.
        token: an administrator's.
    """
    ended = threading.Event()
    pools: defaultdict[int, Pool] = defaultdict(Pool)
    watcher = threading.Thread(target=_watch, args=(base_url, token, pools, ended), daemon=True)
    with tempfile.TemporaryDirectory(prefix="sysndd-load-") as folder:
        report = Path(folder) / "report.json"
        command = [
            *(str(locust), "--headless", "--only-summary", "--locustfile", str(LOCUSTFILE)),
            *(
                "--host",
                base_url,
                "--users",
                str(load.users),
                "--spawn-rate",
                str(max(1, load.users // _COMING_SECONDS)),
            ),
            *("--run-time", f"{load.seconds}s", "--loglevel", "ERROR"),
        ]
        settings = {
            "LOAD_REPORT": str(report),
            "LOAD_TOKEN": token,
            "LOAD_THINK_MIN": str(load.think[0]),
            "LOAD_THINK_MAX": str(load.think[1]),
        }
        watcher.start()
        try:
            # It exits 1 when requests failed; those are counted, and judged by the caller.
            done = subprocess.run(
                command,
                env={**os.environ, **settings},
                capture_output=True,
                text=True,
                timeout=load.seconds + 120,
                check=False,
            )
        finally:
            ended.set()
            watcher.join()
        if not report.is_file():
            raise RuntimeError(f"locust wrote no report:\n{done.stdout}{done.stderr}")
        document = json.loads(report.read_text(encoding="utf-8"))
    return Outcome(load.seconds, document["times"], Counter(document["outcomes"]), dict(pools))


def _watch(base_url: str, token: str, pools: dict[int, Pool], ended: threading.Event) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    while not ended.wait(_SAMPLE_SECONDS):
        try:
            # A new connection each time: a kept one would lead to the same worker.
            document = httpx.get(f"{base_url}/api/health", headers=headers, timeout=10).json()
            pool = document["checks"]["pool"]
        except (httpx.HTTPError, KeyError, TypeError, ValueError):
            continue  # under overload the report itself is shed
        seen = pools[pool["worker_pid"]]
        seen.size, seen.samples = pool["size"], seen.samples + 1
        seen.in_use = max(seen.in_use, pool["in_use"])
        seen.waiting = max(seen.waiting, pool["waiting"])
