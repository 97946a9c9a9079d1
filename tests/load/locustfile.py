"""The users of a curation site, for locust, which runs in a separate process and environment.

Most are visitors who search, change pages and open entries; one in twenty is an administrator who
reads jobs and backups. At the end, it writes the results to the file ``LOAD_REPORT``.

Imports no module of this repository, because locust patches Python's sockets.
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
def count(name: str, response_time: float, response: Any = None, **_: Any) -> None:
    """Count a response by its status; a 503 also by whether it has a Retry-After header."""
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
    """Searches, changes pages and opens entries."""

    weight = 19
    wait_time = between(*THINK)
    # A client without a timeout would hide requests that hang under overload.
    connection_timeout = 20
    network_timeout = 20

    @task(6)
    def browse_entities(self) -> None:
        """Open a random page of the entities."""
        page = random.randint(1, 40)  # noqa: S311 - no secret
        self.client.get(f"/api/entities?page={page}&page_size=20", name="/api/entities?page")

    @task(4)
    def search_genes(self) -> None:
        """Search for two random letters."""
        letters = "".join(random.choices(LETTERS, k=2))  # noqa: S311 - no secret
        self.client.get(f"/api/genes?search={letters}&page_size=20", name="/api/genes?search")

    @task(4)
    def open_entity(self) -> None:
        """Open one of the first 500 entries."""
        number = random.randint(1, 500)  # noqa: S311 - no secret
        self.client.get(f"/api/entities/{number}", name="/api/entities/{id}")

    @task(2)
    def list_genes(self) -> None:
        """List the genes."""
        self.client.get("/api/genes?page_size=50", name="/api/genes")

    @task(1)
    def health(self) -> None:
        """Request the readiness, as monitoring does."""
        self.client.get("/api/health/ready", name="/api/health/ready")


class Administrator(FastHttpUser):
    """Reads jobs, backups and the audit log, with the token ``LOAD_TOKEN``."""

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
