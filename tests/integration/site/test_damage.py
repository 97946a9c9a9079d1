"""Damage of a schema that is only observed: its own program may drop tables."""

import asyncio
import time
from typing import Any

import httpx

from sysndd_api.context import open_context
from sysndd_api.operators.service import Operators
from sysndd_api.security.access import OperatorRole
from sysndd_api.settings import ApiSettings
from sysndd_core.jobs.models import CreateBackup
from tests.support.http import PASSWORD, served, sign_in
from tests.support.site import Site
from tests.support.wiki import Run
from tests.support.workers import backup_bench


async def schema_check(client: httpx.AsyncClient, status: str) -> dict[str, Any]:
    """Return the check of the schema as soon as it has a status; it is cached for seconds."""
    deadline = time.monotonic() + 30
    while True:
        check: dict[str, Any] = (await client.get("/api/health")).json()["checks"]["schema"]
        if check["status"] == status:
            return check
        assert time.monotonic() < deadline, check
        await asyncio.sleep(0.2)


async def test_an_observed_site_may_drop_tables_but_not_lose_its_schema(
    wiki: Site, run: Run
) -> None:
    site = Site(wiki.server, wiki.environ | {"SCHEMA_MODE": "observe"}, wiki.backup_dir)
    assert run(site, "sysndd_migrator", "up").returncode == 0
    async with backup_bench(site) as bench:
        row = await bench.run(CreateBackup())
        assert row["state"] == "succeeded", row["error"]
        (manifest,) = bench.store.manifests()
        bench.store.write_manifest(manifest.model_copy(update={"verification": "verified"}))
    settings = site.load(ApiSettings)
    async with open_context(settings) as context, served(settings) as base_url:
        await context[Operators].create(
            "olga", "olga@ops.example", OperatorRole.ADMINISTRATOR, PASSWORD
        )
        async with httpx.AsyncClient(base_url=base_url) as client:
            client.headers["Authorization"] = f"Bearer {await sign_in(client, 'olga')}"
            await schema_check(client, "pass")
            site.server.execute("DROP TABLE job", schema=site.app)
            check = await schema_check(client, "warn")
            assert check["reason"] == "One table of the latest backup no longer exists: job."
            assert check["missing"] == []
            assert (await client.get("/api/health/ready")).status_code == 200

            site.server.execute(f"DROP DATABASE `{site.app}`")
            check = await schema_check(client, "fail")
            assert f"The application schema {site.app} is missing." in check["reason"]
            assert manifest.name in check["reason"]
            ready = await client.get("/api/health/ready")
            assert ready.status_code == 503
            assert "sysndd-migrator up" not in ready.text


async def test_an_unreadable_table_of_an_observed_site_is_damage(wiki: Site, run: Run) -> None:
    site = Site(wiki.server, wiki.environ | {"SCHEMA_MODE": "observe"}, wiki.backup_dir)
    assert run(site, "sysndd_migrator", "up").returncode == 0
    site.server.execute("ALTER TABLE page DISCARD TABLESPACE", schema=site.app)
    settings = site.load(ApiSettings)
    async with open_context(settings) as context, served(settings) as base_url:
        await context[Operators].create(
            "olga", "olga@ops.example", OperatorRole.ADMINISTRATOR, PASSWORD
        )
        async with httpx.AsyncClient(base_url=base_url) as client:
            client.headers["Authorization"] = f"Bearer {await sign_in(client, 'olga')}"
            check = await schema_check(client, "fail")
            assert list(check["unreadable"]) == ["page"]
            assert "No verified backup can be restored" in check["reason"]
            answer = await client.get("/admin")
            assert "<code>page</code> cannot be read" in answer.text
            assert "There is no verified backup of this site." in answer.text
