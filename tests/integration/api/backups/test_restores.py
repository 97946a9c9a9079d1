"""Restores over HTTP: maintenance mode, dry run, inspection, undo and required consent."""

import asyncio
import dataclasses
import json

import httpx
import pytest

from sysndd_api.backups import restore as service
from sysndd_api.backups.service import Backups
from sysndd_api.backups.store import BackupStore
from sysndd_api.cli.inspections import describe
from sysndd_api.context import open_context
from sysndd_api.security.access import COMMAND_LINE
from sysndd_api.settings import ApiSettings
from sysndd_core.db.database import Database
from sysndd_core.errors import InsufficientStorage
from sysndd_core.jobs.models import BackupKind, CreateBackup
from sysndd_core.sql.table_patterns import TablePatterns
from tests.support.accounts import add_site_user, remove_operators
from tests.support.backups import small_disk
from tests.support.burst import stored_row
from tests.support.http import Api, problem, sign_in
from tests.support.site import Site
from tests.support.workers import backup_bench

UNDO = "/api/admin/restores/undo"


def journal(site: Site, **values: object) -> None:
    """Write a journal entry as a worker does."""
    columns = {
        "job_id": "0",
        "purpose": "restore",
        "live": site.app,
        "incoming": "i",
        "outgoing": "o",
        "step": "maintenance",
        **values,
    }
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    site.server.execute(
        f"INSERT INTO `{site.ops}`.restore_journal ({names}, started_at) VALUES ({marks}, NOW(6))",
        tuple(columns.values()),
    )


async def test_maintenance_mode_refuses_writes_and_allows_reads(api: Api, site: Site) -> None:
    journal(site, maintenance=1)
    await asyncio.sleep(1.1)
    pin = "/api/admin/backups/manual_20260101T000000Z_0123abcd.sql.zst/pin"
    answer = await api.admin.post(pin)
    document = problem(answer, 503, "maintenance")
    assert document["detail"]
    assert int(answer.headers["retry-after"]) > 0
    assert (await api.client.get("/api/genes")).status_code == 200
    assert await sign_in(api.client, "admin")
    job_id = (await api.admin.post("/api/admin/backups")).json()["job_id"]
    assert (await api.admin.get(f"/api/admin/jobs/{job_id}")).status_code == 200
    assert (await api.admin.post(f"/api/admin/jobs/{job_id}/cancel")).status_code == 202

    site.server.execute(f"UPDATE `{site.ops}`.restore_journal SET finished_at = NOW(6)")
    await asyncio.sleep(1.1)
    problem(await api.admin.post(pin), 404, "backup_not_found")


async def test_dry_run_compares_row_counts_with_the_live_database(api: Api, site: Site) -> None:
    async with backup_bench(site) as bench:
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"
        (manifest,) = bench.store.manifests()
    site.server.execute("DELETE FROM entity_category LIMIT 2", schema=site.app)
    site.server.execute("CREATE TABLE later (id INT PRIMARY KEY)", schema=site.app)
    answer = await api.admin.get(f"/api/admin/backups/{manifest.name}/dry-run")
    assert answer.status_code == 200, answer.text
    dry_run = answer.json()
    rows = manifest.rows_per_table["entity_category"]
    counted = {"live_rows_estimated": False}
    assert dry_run["differing"] == [
        {"table": "entity_category", "live_rows": rows - 2, "backup_rows": rows, **counted},
        {"table": "later", "live_rows": 0, "backup_rows": None, **counted},
    ]
    assert dry_run["live_row_count"] == dry_run["row_count"] - 2
    problem(await api.admin.get("/api/admin/backups/no.sql/dry-run"), 404, "backup_not_found")


async def test_a_table_that_takes_too_long_to_count_is_reported_as_an_estimate(
    api: Api, page_client: httpx.AsyncClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_COUNTED_ROWS", 0)
    async with backup_bench(site) as bench:
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"
        (manifest,) = bench.store.manifests()
    site.server.execute("ANALYZE TABLE entity_category", schema=site.app)
    answer = await api.admin.get(f"/api/admin/backups/{manifest.name}/dry-run")
    listed = {one["table"]: one for one in answer.json()["differing"]}
    one = listed["entity_category"]
    assert one["live_rows_estimated"]
    assert one["live_rows"] > 0
    assert one["backup_rows"] == manifest.rows_per_table["entity_category"]
    page = await page_client.get(f"/admin/backups/{manifest.name}/restore")
    assert '<td class="number">unknown</td>' in page.text
    assert f"about {one['live_rows']:,}" in page.text


async def test_undo_requires_confirmation_and_a_previous_restore(api: Api, site: Site) -> None:
    for word in ("undo", "UNDO ", "RESTORE", None, True):
        problem(await api.admin.post(UNDO, json={"confirm": word}), 422, "confirmation_required")
    right = {"confirm": "UNDO"}
    problem(await api.client.post(UNDO, json=right), 401, "not_signed_in")
    problem(await api.admin.post(UNDO, json=right), 409, "nothing_to_undo")
    journal(site, finished_at="2026-01-01", outcome="done", kept_until="2099-01-01")
    answer = await api.admin.post(UNDO, json=right)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"].endswith(answer.json()["job_id"])
    journal(site, purpose="undo", finished_at="2026-01-01", outcome="done", kept_until="2099-01-01")
    problem(await api.admin.post(UNDO, json=right), 409, "nothing_to_undo")


async def test_a_table_is_inspected_and_a_dry_run_is_queued(api: Api, site: Site) -> None:
    async with backup_bench(site) as bench:
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"
        (manifest,) = bench.store.manifests()
        one = f"/api/admin/backups/{manifest.name}"
        for path, body in ((f"{one}/dry-run", None), (f"{one}/inspect", {"table": "user"})):
            problem(await api.client.post(path, json=body), 401, "not_signed_in")
            answer = await api.admin.post(path, json=body)
            assert answer.status_code == 202, answer.text
            await bench.worker().run_until_idle()
            job = (await api.admin.get(answer.headers["location"])).json()
            assert job["state"] == "succeeded", job["error"]
        problem(
            await api.admin.post(f"{one}/inspect", json={"table": "no"}), 404, "table_not_in_backup"
        )

        listed = (await api.admin.get("/api/admin/inspections")).json()
        assert [(each["table_name"], each["backup"]) for each in listed["data"]] == [
            ("user", manifest.name)
        ]
        schema = listed["data"][0]["schema_name"]
        problem(
            await api.admin.delete(f"/api/admin/inspections/{site.app}"),
            404,
            "inspection_not_found",
        )
        assert (await api.admin.delete(f"/api/admin/inspections/{schema}")).status_code == 202
        await bench.worker().run_until_idle()
        assert (await api.admin.get("/api/admin/inspections")).json()["total"] == 0


async def test_required_consent_must_be_exact_and_confirmation_alone_is_not_enough(
    api: Api, site: Site
) -> None:
    """A site whose Administrators are the only ones who could sign in, as in release 0.9.0."""
    add_site_user(site, "chief")
    remove_operators(site)
    async with backup_bench(site) as bench, await api.signed_in("chief") as chief:
        site.server.execute("UPDATE `user` SET role = 'Curator'", schema=site.app)
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"
        site.server.execute("UPDATE `user` SET role = 'Administrator'", schema=site.app)
        path = f"/api/admin/backups/{bench.store.manifests()[0].name}/restore"
        for name in ("no administrator", "NO_ADMINISTRATOR", "no_administrator ", True, ""):
            body = {"confirm": "RESTORE", "accept": ["no_administrator", name]}
            document = problem(await chief.post(path, json=body), 422, "invalid_request")
            (error,) = document["errors"]
            assert error["field"] == "accept.1"
            assert "'no_administrator'" in error["message"]
        for value in ("no_administrator", None, {"no_administrator": True}):
            answer = await chief.post(path, json={"confirm": "RESTORE", "accept": value})
            problem(answer, 422, "invalid_request")
        problem(
            await chief.post(path, json={"accept": ["no_administrator"]}),
            422,
            "confirmation_required",
        )
        answer = await chief.post(path, json={"confirm": "RESTORE"})
        assert answer.status_code == 202, answer.text
        await bench.worker().run_until_idle()
        job = (await chief.get(answer.headers["location"])).json()
        assert (job["state"], job["error"]["code"]) == ("failed", "no_administrator_in_backup")
        assert '"accept": ["no_administrator"]' in job["error"]["detail"]
        body = {"confirm": "RESTORE", "accept": ["no_administrator", "no_administrator"]}
        answer = await chief.post(path, json=body)
        await bench.worker().run_until_idle()
        # The requester is no Administrator in the restored database, and the session has ended.
        problem(await chief.get(answer.headers["location"]), 401, "not_signed_in")
        row = await stored_row(bench.rows, answer.json()["job_id"])
        assert row["state"] == "succeeded", row["error"]
        assert json.loads(row["payload"])["accept"] == ["no_administrator"]


async def test_tables_whose_rows_were_left_out_are_named_before_a_restore(
    api: Api, page_client: httpx.AsyncClient, site: Site
) -> None:
    server = site.server
    server.execute("CREATE TABLE objectcache (id INT PRIMARY KEY)", schema=site.app)
    server.execute("INSERT INTO objectcache VALUES (1), (2)", schema=site.app)
    server.execute("CREATE TABLE `<b>cache` (id INT PRIMARY KEY)", schema=site.app)
    async with backup_bench(site) as bench:
        tools = dataclasses.replace(
            bench.tools, exclude_rows=TablePatterns.parse("objectcache, *cache")
        )
        assert (await bench.run(CreateBackup(), tools))["state"] == "succeeded"
        (manifest,) = bench.store.manifests()
        assert manifest.excluded_rows == ["<b>cache", "objectcache"]
        at = f"/api/admin/backups/{manifest.name}"

        dry_run = (await api.admin.get(f"{at}/dry-run")).json()
        counted = {"live_rows_estimated": False}
        # An empty live table does not differ, but the operator must know that it has no rows.
        assert dry_run["excluded_rows"] == [
            {"table": "<b>cache", "live_rows": 0, **counted},
            {"table": "objectcache", "live_rows": 2, **counted},
        ]
        assert [one["table"] for one in dry_run["differing"]] == ["objectcache"]
        (listed,) = (await api.admin.get("/api/admin/backups")).json()["data"]
        assert listed["excluded_rows"] == manifest.excluded_rows
        assert (await api.admin.get(at)).json()["excluded_rows"] == manifest.excluded_rows

        dialog = (await page_client.get(f"/admin/backups/{manifest.name}/restore")).text
        assert "2 tables will be empty, because their rows were left out of the backup" in dialog
        assert "<code>objectcache</code>: live has 2 rows" in dialog
        assert "<code>&lt;b&gt;cache</code>: live has 0 rows" in dialog
        assert '<td class="number">left out</td>' in dialog
        assert "2 tables without rows" in (await page_client.get("/admin/backups")).text
        page = (await page_client.get(f"/admin/backups/{manifest.name}")).text
        assert "<dt>Rows left out</dt><dd><code>&lt;b&gt;cache</code>, <code>objectcache" in page
        assert "objectcache (structure only)" in page

        answer = await api.admin.post(f"{at}/dry-run")
        await bench.worker().run_until_idle()
        job = (await api.admin.get(answer.headers["location"])).json()
        sentence = "Will be empty, because their rows were left out of the backup:"
        assert (
            f"{sentence}\n  <b>cache: live has 0 rows\n  objectcache: live has 2 rows"
            in describe(job["result"])
        )
        page = (await page_client.get(f"/admin/jobs/{job['id']}")).text
        assert (
            f"{sentence} &lt;b&gt;cache (live has 0 rows), objectcache (live has 2 rows)." in page
        )
        # A dropped table comes back, empty.
        server.execute("DROP TABLE objectcache", schema=site.app)
        dry_run = (await api.admin.get(f"{at}/dry-run")).json()
        assert dry_run["excluded_rows"][1]["live_rows"] is None


async def test_excluded_rows_need_no_space_except_in_a_safety_backup(site: Site) -> None:
    site.server.execute(f"CREATE TABLE `{site.app}`.objectcache (id INT PRIMARY KEY, v LONGBLOB)")
    site.server.execute(f"INSERT INTO `{site.app}`.objectcache VALUES (1, REPEAT('x', 8000000))")
    site.server.execute(f"ANALYZE TABLE `{site.app}`.objectcache")
    async with Database(site.database) as database:
        store = BackupStore(database)
        everything = await store.data_bytes(TablePatterns())
        rest = await store.data_bytes(TablePatterns.parse("object*"))
    assert everything - rest >= 8_000_000
    with small_disk(site.backup_dir.parent / "small", "6m") as directory:
        changes = {"BACKUP_DIR": str(directory), "BACKUP_EXCLUDE_ROWS": "object*"}
        settings = site.load(ApiSettings, **changes)
        async with open_context(settings) as context:
            assert await context[Backups].create_backup(COMMAND_LINE)
            with pytest.raises(InsufficientStorage):
                await context[Backups].check_free_space(BackupKind.PRE_RESTORE)


async def test_the_dialog_asks_for_consent_if_the_live_database_is_damaged(
    api: Api, site: Site, page_client: httpx.AsyncClient
) -> None:
    site.server.execute("CREATE TABLE base (id INT PRIMARY KEY)", schema=site.app)
    async with backup_bench(site) as bench:
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"
        (manifest,) = bench.store.manifests()
        page, path = f"/admin/backups/{manifest.name}", f"/api/admin/backups/{manifest.name}"
        dialog = (await page_client.get(f"{page}/restore")).text
        assert "If the dry run found that the live database is damaged" in dialog

        site.server.execute("ALTER TABLE base DISCARD TABLESPACE", schema=site.app)
        assert (await api.admin.get(f"{path}/dry-run")).json()["unreadable"] == ["base"]
        dialog = (await page_client.get(f"{page}/restore")).text
        assert "The live database is damaged." in dialog
        assert 'data-word-for="INCOMPLETE"' in dialog
        # An optional field that was left empty is no consent; a wrong word is refused.
        form = {"confirm": "RESTORE", "accept_incomplete_safety_backup": "incomplete"}
        refused = await page_client.post(f"{page}/restore", data=form)
        assert refused.status_code in (400, 409, 422), refused.text
        form["accept_incomplete_safety_backup"] = ""
        assert (await page_client.post(f"{page}/restore", data=form)).status_code == 303
        await bench.worker().run_until_idle()
        (job,) = (await api.admin.get("/api/admin/jobs?kind=restore_backup")).json()["data"]
        assert job["error"]["code"] == "safety_backup_failed"
        form["accept_incomplete_safety_backup"] = "INCOMPLETE"
        assert (await page_client.post(f"{page}/restore", data=form)).status_code == 303
        await bench.worker().run_until_idle()
        listed = (await api.admin.get("/api/admin/backups")).json()["data"]
        incomplete = [one["incomplete"] for one in listed if one["incomplete"]]
        assert [[missing["name"] for missing in one] for one in incomplete] == [["base"]]
        (safety,) = [one["name"] for one in listed if one["incomplete"]]
        assert (
            "This backup is incomplete," in (await page_client.get(f"/admin/backups/{safety}")).text
        )
        assert (await api.admin.get(f"{path}/dry-run")).json()["unreadable"] == []
