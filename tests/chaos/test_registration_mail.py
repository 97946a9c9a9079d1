"""The time from a registration to the arrival of its email (REGISTRATIONS=200)."""

import asyncio
import os
import time
from pathlib import Path

import httpx

from tests.support.registrations import api_and_mailer, registration
from tests.support.site import Site
from tests.support.smtp_faults import faulty_smtp

REGISTRATIONS = int(os.environ.get("REGISTRATIONS", "200"))


async def test_the_email_of_a_registration_arrives_within_five_seconds(
    site: Site, tmp_path: Path
) -> None:
    async with (
        faulty_smtp() as smtp,
        api_and_mailer(site, tmp_path, smtp) as url,
        httpx.AsyncClient(base_url=url, timeout=60) as client,
    ):
        durations = []
        for number in range(REGISTRATIONS):
            body = registration(f"person{number}@lab.example")
            started = time.perf_counter()
            request = asyncio.create_task(client.post("/api/auth/register", json=body))
            while len(smtp.accepted) <= number:
                assert time.perf_counter() - started < 60, number
                await asyncio.sleep(0.002)
            durations.append((time.perf_counter() - started) * 1000)
            assert (await request).status_code == 202
            assert smtp.accepted[number]["To"] == body["email"]
    durations.sort()
    p99 = durations[int(len(durations) * 0.99)]
    print(  # noqa: T201 - the lane reports these figures
        f"\nregistration email: median {durations[len(durations) // 2]:.0f} ms,"
        f" p99 {p99:.0f} ms, maximum {durations[-1]:.0f} ms, n = {len(durations)}"
    )
    assert p99 < 5000
