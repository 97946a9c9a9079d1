"""Pin, verify and delete over HTTP: typed words, the last proven one, and the audit."""

from collections.abc import AsyncIterator

import pytest

from sysndd_backup.whole_backup import BackupPolicy
from sysndd_core.jobs import BackupKind, CreateBackup
from sysndd_core.stores.backups import Proof
from tests.support.http import Api, problem
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench

BACKUPS = "/api/admin/backups"


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    async with backup_bench(site) as bench:
        yield bench


async def test_verify_pin_and_delete(api: Api, bench: BackupBench, site: Site) -> None:
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    at = f"{BACKUPS}/{manifest.name}"

    answer = await api.admin.post(f"{at}/verify")
    assert answer.status_code == 202, answer.text
    # While that job waits, nothing is deleted under it.
    busy = await api.admin.request("DELETE", at, json={"confirm": "DELETE"})
    assert problem(busy, 409, "operation_in_progress")["job_id"] == answer.json()["job_id"]
    await bench.worker().run_until_idle()
    (listed,) = (await api.admin.get(BACKUPS)).json()["data"]
    assert (listed["proof"], listed["pinned"]) == ("proven", False)
    assert listed["proof_at"] is not None

    assert (await api.admin.post(f"{at}/pin")).json()["pinned"] is True
    assert bench.store.manifest(manifest.name).pinned
    assert (await api.admin.post(f"{at}/unpin")).json()["pinned"] is False

    for word in ("delete", "DELETE ", "", None, True, ["DELETE"], "RESTORE"):
        refused = await api.admin.request("DELETE", at, json={"confirm": word})
        problem(refused, 422, "confirmation_required")
    last = await api.admin.request("DELETE", at, json={"confirm": "DELETE"})
    problem(last, 409, "last_proven_backup")

    bench.policy = BackupPolicy()
    await bench.run(CreateBackup())
    gone = await api.admin.request("DELETE", at, json={"confirm": "DELETE"})
    assert (gone.status_code, gone.content) == (204, b"")
    problem(await api.admin.get(at), 404, "backup_not_found")
    assert not bench.store.path(manifest.name).exists()

    rows = site.server.execute(
        f"SELECT action, actor_name, detail FROM `{site.ops}`.audit_log WHERE object = %s",
        (manifest.name,),
    )
    actions = [action for action, _, _ in rows]
    assert actions == ["verify_backup", "pin_backup", "unpin_backup", "delete_backup"]
    assert all(manifest.sha256 in detail for _, _, detail in rows)


async def test_the_list_is_searched_filtered_and_sorted(api: Api, bench: BackupBench) -> None:
    for kind in (BackupKind.MANUAL, BackupKind.SCHEDULED, BackupKind.MANUAL):
        await bench.run(CreateBackup(kind=kind))
    newest, scheduled, oldest = (one.name for one in bench.store.manifests())
    bench.store.amend(oldest, {"proof": Proof.PROVEN})
    await api.admin.post(f"{BACKUPS}/{newest}/pin")

    async def names(query: str) -> list[str]:
        document = (await api.admin.get(f"{BACKUPS}?{query}")).json()
        assert document["total"] == len(document["data"]), document
        assert document["total_bytes"] == sum(one["size_bytes"] for one in document["data"])
        return [one["name"] for one in document["data"]]

    assert await names("") == [newest, scheduled, oldest]
    assert await names("sort=created_at") == [oldest, scheduled, newest]
    assert await names("sort=name&kind=manual") == sorted([newest, oldest])
    assert await names("kind=scheduled") == [scheduled]
    assert await names("proof=proven") == [oldest]
    assert await names("proof=none") == [newest, scheduled]
    assert await names("pinned=true") == [newest]
    assert await names(f"search={oldest[7:].upper()}") == [oldest]
    assert await names("search=nothing-like-it") == []
    page = (await api.admin.get(f"{BACKUPS}?page=2&page_size=2")).json()
    assert ([one["name"] for one in page["data"]], page["total"]) == ([oldest], 3)
    assert page["total_bytes"] == sum(one.size_bytes for one in bench.store.manifests())
    for query in ("sort=sha256", "kind=odd", "proof=maybe", "pinned=2", "order=name"):
        problem(await api.admin.get(f"{BACKUPS}?{query}"), 422, "invalid_request")


async def test_unknown_names_and_strangers(api: Api) -> None:
    for method, path in (("POST", "/verify"), ("POST", "/pin"), ("DELETE", "")):
        url = f"{BACKUPS}/nothing.sql{path}"
        body = {"confirm": "DELETE"} if method == "DELETE" else None
        problem(await api.admin.request(method, url, json=body), 404, "backup_not_found")
        problem(await api.client.request(method, url, json=body), 401, "not_signed_in")
