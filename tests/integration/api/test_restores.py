"""Maintenance mode, the preview of a restore, and the undo's typed word."""

import asyncio

from sysndd_core.jobs import CreateBackup
from tests.support.http import Api, problem, sign_in
from tests.support.site import Site
from tests.support.workers import backup_bench

UNDO = "/api/admin/restores/undo"


def journal(site: Site, **values: object) -> None:
    """Write an entry as a worker does."""
    columns = {"job_id": "0", "purpose": "restore", "live": site.app, "incoming": "i",
               "outgoing": "o", "step": "maintenance", **values}  # fmt: skip
    names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
    site.server.execute(
        f"INSERT INTO `{site.ops}`.restore_journal ({names}, started_at) VALUES ({marks}, NOW(6))",
        tuple(columns.values()),
    )


async def test_writes_are_refused_and_reads_go_on(api: Api, site: Site) -> None:
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


async def test_preview_counts_live_against_the_backup(api: Api, site: Site) -> None:
    async with backup_bench(site) as bench:
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"
        (manifest,) = bench.store.manifests()
    site.server.execute("DELETE FROM entity_category LIMIT 2", schema=site.app)
    site.server.execute("CREATE TABLE later (id INT PRIMARY KEY)", schema=site.app)
    answer = await api.admin.get(f"/api/admin/backups/{manifest.name}/restore-preview")
    assert answer.status_code == 200, answer.text
    preview = answer.json()
    rows = manifest.rows_per_table["entity_category"]
    assert preview["differing"] == [
        {"table": "entity_category", "live_rows": rows - 2, "backup_rows": rows},
        {"table": "later", "live_rows": 0, "backup_rows": None},
    ]
    assert preview["live_row_count"] == preview["row_count"] - 2
    problem(await api.admin.get("/api/admin/backups/no.sql/restore-preview"), 404,
            "backup_not_found")  # fmt: skip


async def test_undo_wants_its_word_and_something_to_undo(api: Api, site: Site) -> None:
    for word in ("undo", "UNDO ", "RESTORE", None, True):
        problem(await api.admin.post(UNDO, json={"confirm": word}), 422, "confirmation_required")
    right = {"confirm": "UNDO"}
    problem(await api.client.post(UNDO, json=right), 401, "not_signed_in")
    problem(await api.admin.post(UNDO, json=right), 409, "nothing_to_undo")
    journal(site, finished_at="2026-01-01", outcome="done", kept_until="2099-01-01")
    answer = await api.admin.post(UNDO, json=right)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"].endswith(answer.json()["job_id"])
    journal(site, purpose="undo", finished_at="2026-01-01", outcome="done",
            kept_until="2099-01-01")  # fmt: skip
    problem(await api.admin.post(UNDO, json=right), 409, "nothing_to_undo")
