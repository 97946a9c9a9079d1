"""Requests for known and unknown addresses take the same time: medians and a rank test.

``make lane LANE=kills-accounts`` (SAMPLES=500) runs the API and the mailer as processes, with a
mail server that accepts connections and never answers.
"""

import asyncio
import math
import os
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.http import PASSWORD
from tests.support.registrations import api_and_mailer, numbers, registration
from tests.support.site import Site
from tests.support.smtp_faults import STALL, faulty_smtp

SAMPLES = int(os.environ.get("SAMPLES", "500"))
CONCURRENCY = 4
WRONG = "not the password"


def unknown_address() -> str:
    """Return an address without an account."""
    return f"nobody{next(numbers)}@lab.example"


Bodies = Callable[[], dict[str, Any]]
# Path below /api/auth, and the bodies for a known and for an unknown address.
ARMS: dict[str, tuple[str, Bodies, Bodies]] = {
    "login of an operator": (
        "login",
        lambda: {"login": "olga@ops.example", "password": WRONG},
        lambda: {"login": unknown_address(), "password": WRONG},
    ),
    "password-reset of an operator": (
        "password-reset",
        lambda: {"email": "olga@ops.example"},
        lambda: {"email": unknown_address()},
    ),
    "login": (
        "login",
        lambda: {"login": "marie@lab.example", "password": WRONG},
        lambda: {"login": unknown_address(), "password": WRONG},
    ),
    "password-reset": (
        "password-reset",
        lambda: {"email": "marie@lab.example"},
        lambda: {"email": unknown_address()},
    ),
    "confirm/resend": (
        "confirm/resend",
        lambda: {"email": "waiting@lab.example"},
        lambda: {"email": unknown_address()},
    ),
    "register": (
        "register",
        lambda: registration("marie@lab.example"),
        lambda: registration(unknown_address()),
    ),
}


@pytest.mark.parametrize("name", ARMS)
async def test_known_and_unknown_addresses_take_the_same_time(
    site: Site, tmp_path: Path, name: str
) -> None:
    async with faulty_smtp({"BANNER": STALL}) as smtp:
        async with api_and_mailer(site, tmp_path, smtp) as url:
            await _create_accounts(url, site)
            assert await _takes_the_same_time(url, name)
        assert smtp.connections > 0


async def _create_accounts(url: str, site: Site) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        for name in ("marie", "waiting"):
            body = {"user_name": name, "email": f"{name}@lab.example", "password": PASSWORD}
            assert (await client.post("/api/auth/register", json=body)).status_code == 202
    users, operators = f"`{site.app}`.`user`", f"`{site.ops}`.`operator`"
    site.server.execute(f"UPDATE {users} SET state = 'active' WHERE user_name = 'marie'")
    # The same cost of the hash as for the others.
    site.server.execute(
        f"INSERT INTO {operators} (user_name, email, password_hash, role, state, created_at)"
        " SELECT 'olga', 'olga@ops.example', password_hash, 'viewer', 'active', created_at"
        f" FROM {users} WHERE user_name = 'marie'"
    )


async def _takes_the_same_time(url: str, name: str) -> bool:
    path, *bodies = ARMS[name]
    arms: tuple[list[float], list[float]] = ([], [])
    # Both arms in random order, so that other load on the machine affects both.
    plan = [0, 1] * (SAMPLES + 10)
    random.shuffle(plan)
    remaining = iter(plan)
    statuses: set[int] = set()
    limits = httpx.Limits(max_connections=CONCURRENCY, max_keepalive_connections=CONCURRENCY)

    async def send_requests(client: httpx.AsyncClient) -> None:
        for arm in remaining:
            body = bodies[arm]()
            started = time.perf_counter()
            response = await client.post(f"/api/auth/{path}", json=body)
            arms[arm].append((time.perf_counter() - started) * 1000)
            statuses.add(response.status_code)

    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as client:
        await asyncio.gather(*(send_requests(client) for _ in range(CONCURRENCY)))
    known, unknown = (values[10:] for values in arms)  # the first ones open connections
    medians = statistics.median(known), statistics.median(unknown)
    p = rank_test(known, unknown)
    print(  # noqa: T201 - the lane reports these figures
        f"\n{name:30} known {medians[0]:8.2f} ms  unknown {medians[1]:8.2f} ms"
        f"  difference {medians[0] - medians[1]:+.2f} ms  p = {p:.3f}  n = {len(known)}"
    )
    assert len(statuses) == 1, statuses
    # A significance level of 0.05 for the six tests together.
    return abs(medians[0] - medians[1]) < 2 and p > 0.05 / len(ARMS)


def rank_test(first: list[float], second: list[float]) -> float:
    """Return the two-sided p of the Mann-Whitney U test, in its normal approximation."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = sum(rank for rank, (_, arm) in enumerate(ranked, 1) if arm == 0)
    n, m = len(first), len(second)
    u = ranks - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


def test_the_rank_test_detects_a_difference_of_one_millisecond() -> None:
    """The rank test itself can fail: it detects 1 ms in 400 ± 2 ms with 500 samples."""
    draw = random.Random(4)  # noqa: S311 - no secret
    first = [draw.gauss(400, 2) for _ in range(500)]
    assert rank_test(first, [draw.gauss(400, 2) for _ in range(500)]) > 0.0125
    assert rank_test(first, [draw.gauss(401, 2) for _ in range(500)]) < 0.0001
