"""Who uses a curation site, and how: run by locust in a process and an environment of its own.

Most are visitors who search, turn pages and open entries; one in twenty is an administrator who looks
at jobs and backups. At its end it writes what happened to the file that ``LOAD_REPORT`` names.

Imports nothing of ours: locust patches Python's sockets.
"""

import json
import os
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from locust import FastHttpUser, between, events, task

THINK = (
    float(os.environ.get("LOAD_THINK_MIN", "0.5")),
    float(os.environ.get("LOAD_THINK_MAX", "1.5")),
)
LETTERS = "ABCDEFGHKLMNPRSTUZ"

times: defaultdict[str, list[float]] = defaultdict(list)
outcomes: Counter[str] = Counter()


@events.request.add_listener
def note(name: str, response_time: float, response: Any = None, **_: Any) -> None:
    """Count what came back: ``shed`` is a 503 that says when to come again."""
    status = getattr(response, "status_code", 0) or 0
    if status == 503:
        shed = "Retry-After" in (response.headers or {})
        outcomes["503 with Retry-After" if shed else "503 without Retry-After"] += 1
    else:
        outcomes[str(status or "no answer")] += 1
    times[name].append(response_time)


@events.quitting.add_listener
def write(**_: Any) -> None:
    """Write the report."""
    report = {"times": times, "outcomes": outcomes}
    Path(os.environ["LOAD_REPORT"]).write_text(json.dumps(report), encoding="utf-8")


class Visitor(FastHttpUser):
    """Searches, turns pages, opens entries."""

    weight = 19
    wait_time = between(*THINK)
    # The answer to an overload is what is measured; a client that waits for ever hides it.
    connection_timeout = 20
    network_timeout = 20

    @task(6)
    def browse_entities(self) -> None:
        """Turn to some page of the entities."""
        page = random.randint(1, 40)  # noqa: S311 - no secret
        self.client.get(f"/api/entities?page={page}&page_size=20", name="/api/entities?page")

    @task(4)
    def search_genes(self) -> None:
        """Type a letter or two."""
        typed = "".join(random.choices(LETTERS, k=2))  # noqa: S311 - no secret
        self.client.get(f"/api/genes?search={typed}&page_size=20", name="/api/genes?search")

    @task(4)
    def open_entity(self) -> None:
        """Open an entry of the first ones."""
        number = random.randint(1, 500)  # noqa: S311 - no secret
        self.client.get(f"/api/entities/{number}", name="/api/entities/{id}")

    @task(2)
    def list_genes(self) -> None:
        """Look at the genes."""
        self.client.get("/api/genes?page_size=50", name="/api/genes")

    @task(1)
    def health(self) -> None:
        """A monitor asks as well."""
        self.client.get("/api/health/ready", name="/api/health/ready")


class Administrator(FastHttpUser):
    """Looks at what goes on, with the session that the driver opened."""

    weight = 1
    wait_time = between(*THINK)
    connection_timeout = 20
    network_timeout = 20

    @task(3)
    def jobs(self) -> None:
        """List the jobs."""
        self._get("/api/admin/jobs")

    @task(2)
    def backups(self) -> None:
        """List the backups."""
        self._get("/api/admin/backups")

    @task(1)
    def audit(self) -> None:
        """Read the audit log."""
        self._get("/api/admin/audit")

    def _get(self, path: str) -> None:
        token = os.environ["LOAD_TOKEN"]
        self.client.get(path, headers={"Authorization": f"Bearer {token}"}, name=path)
