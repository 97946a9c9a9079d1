"""Readiness, liveness and the health report while parts of the system are unavailable."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sysndd_api.settings import ApiSettings
from sysndd_core.db.schema_version import list_migrations
from tests.support.http import Api, served
from tests.support.servers import DatabaseServer, TestRedis
from tests.support.site import MIGRATIONS, Site, make_site


@pytest.fixture
def own_site(
    private_database_server: DatabaseServer,
    redis_server: TestRedis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    """A site on a database server that a test may stop."""
    yield from make_site(private_database_server, redis_server, tmp_path, monkeypatch)


@pytest.fixture
async def client(own_site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        served(own_site.load(ApiSettings)) as base_url,
        httpx.AsyncClient(base_url=base_url, timeout=10) as client,
    ):
        yield client


async def test_a_stopped_database_is_not_ready_within_two_seconds_but_live(
    own_site: Site, client: httpx.AsyncClient
) -> None:
    assert (await client.get("/health/ready")).status_code == 200
    await asyncio.to_thread(own_site.server.stop)
    try:
        for _ in range(3):
            begun = time.monotonic()
            answer = await client.get("/health/ready")
            assert time.monotonic() - begun < 2
            assert answer.status_code == 503
            assert answer.json()["reason"]
            assert (await client.get("/health/live")).status_code == 200
        report = await client.get("/api/health")
        assert (report.status_code, report.json()["status"]) == (503, "fail")
        assert report.json()["queue_depth"] is None
    finally:
        own_site.server.start()
    assert (await client.get("/health/ready")).status_code == 200


async def test_without_a_ledger_every_migration_is_pending(api: Api, site: Site) -> None:
    files = len(list_migrations(MIGRATIONS).files)
    site.server.execute(f"DROP TABLE `{site.app}`.schema_version")
    answer = await api.client.get("/health/ready")
    assert (answer.status_code, answer.json()["pending_migrations"]) == (503, files)


async def test_an_older_platform_schema_is_not_ready(api: Api, site: Site) -> None:
    site.server.execute(f"DELETE FROM `{site.ops}`.schema_version")
    answer = await api.client.get("/health/ready")
    assert answer.status_code == 503
    assert "platform" in answer.json()["reason"]


async def test_the_report_names_the_failed_checks(
    api: Api, site: Site, redis_server: TestRedis
) -> None:
    redis_server.stop()
    try:
        begun = time.monotonic()
        report = (await api.admin.get("/api/health")).json()
        assert time.monotonic() - begun < 3
    finally:
        redis_server.start()
    assert report["status"] == "warn"
    checks = report["checks"]
    assert checks["redis"]["status"] == "warn"
    assert checks["database"]["status"] == checks["migrations"]["status"] == "pass"
    assert "backup" in checks["workers"]["reason"]
    assert "no backup" in checks["backups"]["reason"]
    assert checks["pool"]["size"] == 5
    assert report["queue_depth"] == 0
    site.server.execute(
        f"INSERT INTO `{site.ops}`.mail (id, purpose, recipient, template, context, message_id,"
        " run_after, created_at) VALUES (UUID(), 'test', 'a@b', 'test', '{}', 'x',"
        " '2000-01-01', UTC_TIMESTAMP(6))"
    )
    report = (await api.admin.get("/api/health")).json()
    assert report["queue_depth"] == 1
    assert report["checks"]["mail_queue"]["status"] == "warn"


async def drift_compared(api: Api) -> dict[str, Any]:
    """Return the first report with a drift check, which runs in the background."""
    deadline = time.monotonic() + 30
    while True:
        report: dict[str, Any] = (await api.admin.get("/api/health")).json()
        if report["checks"]["drift"]["compared_at"] is not None:
            return report
        assert time.monotonic() < deadline, report
        await asyncio.sleep(0.1)


async def test_the_report_names_the_object_that_drifted_and_how(api: Api, site: Site) -> None:
    site.server.execute(
        f"ALTER TABLE `{site.app}`.gene ADD COLUMN by_hand INT, COMMENT = 'by hand'"
    )
    report = await drift_compared(api)
    drift = report["checks"]["drift"]
    assert (report["status"], drift["status"]) == ("warn", "warn")
    (sentence,) = drift["drift"]
    assert f"In {site.app}, table gene was changed: " in sentence
    assert "`by_hand` int" in sentence
    assert sentence in drift["reason"]
    assert drift["compared_at"]
    anonymous = await api.client.get("/api/health")
    assert anonymous.json()["status"] == "warn"
    assert "by_hand" not in anonymous.text


async def test_there_is_no_drift_after_the_migrations(api: Api) -> None:
    drift = (await drift_compared(api))["checks"]["drift"]
    assert (drift["status"], drift["drift"]) == ("pass", [])
    again = (await api.admin.get("/api/health")).json()["checks"]["drift"]
    assert again["compared_at"] == drift["compared_at"], "the drift check ran again within a minute"
