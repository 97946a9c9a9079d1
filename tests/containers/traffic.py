"""Requests to a running deployment: as its administrator, and from many clients."""

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx


def administrator(system: Path) -> httpx.Client:
    """Return a client with the token of the administrator."""
    described = json.loads(system.read_text())
    answer = httpx.post(
        f"{described['base_url']}/api/auth/login", json=described["admin"], timeout=60
    )
    assert answer.status_code == 200, answer.text
    return httpx.Client(
        base_url=described["base_url"],
        timeout=60,
        headers={"Authorization": f"Bearer {answer.json()['access_token']}"},
    )


class Traffic:
    """Reads and writes of several clients, at most ten per second each, while a block runs.

    Arguments:
        system: ``system.json``.
        clients: number of clients; each keeps its connections open.
        direct: replicas that also get requests, each on a new connection.
    """

    def __init__(self, system: Path, *, clients: int, direct: Sequence[str] = ()) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.failures: list[Any] = []
        self.longest = 0.0
        self._url = json.loads(system.read_text())["base_url"]
        self._direct = list(direct)
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def __enter__(self) -> None:
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as one:
            while not self._end.wait(0.1):
                number += 1
                begun = time.monotonic()
                try:
                    if number % 3 == 0:
                        # A write that is not retried and not rate limited.
                        answer, expected = one.post("/api/auth/logout"), 401
                    elif self._direct and number % 3 == 1:
                        url = f"{self._direct[number % len(self._direct)]}/api/genes?page_size=5"
                        answer, expected = httpx.get(url, timeout=60), 200
                    else:
                        path = (
                            "/api/genes?page_size=5" if number % 2 else "/api/entities?page_size=5"
                        )
                        answer, expected = one.get(path), 200
                except httpx.HTTPError as error:
                    self.failures.append((time.time(), repr(error)))
                    continue
                self.longest = max(self.longest, time.monotonic() - begun)
                self.answers[answer.request.method, answer.status_code] += 1
                if answer.status_code != expected:
                    self.failures.append(
                        (time.time(), answer.request.method, answer.status_code, answer.text[:300])
                    )
