"""Backups over HTTP: list, download, pin, verify, delete, and the audit log."""

import dataclasses
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from sysndd_api.settings import ApiSettings
from sysndd_backup.archive.off_site import OffsiteStorage
from sysndd_backup.jobs import BackupPolicy
from sysndd_core.backups.manifest import Verification
from sysndd_core.jobs.models import BackupKind, CreateBackup
from tests.support.http import Api, problem, served
from tests.support.s3 import TestS3
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench

BACKUPS = "/api/admin/backups"


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    async with backup_bench(site) as bench:
        yield bench


async def test_a_backup_is_verified_pinned_and_deleted(
    api: Api, bench: BackupBench, site: Site
) -> None:
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    at = f"{BACKUPS}/{manifest.name}"

    answer = await api.admin.post(f"{at}/verify")
    assert answer.status_code == 202, answer.text
    # A backup cannot be deleted while a job for it is queued.
    busy = await api.admin.request("DELETE", at, json={"confirm": "DELETE"})
    assert problem(busy, 409, "operation_in_progress")["job_id"] == answer.json()["job_id"]
    await bench.worker().run_until_idle()
    (listed,) = (await api.admin.get(BACKUPS)).json()["data"]
    assert (listed["verification"], listed["pinned"]) == ("verified", False)
    assert listed["verified_at"] is not None

    assert (await api.admin.post(f"{at}/pin")).json()["pinned"] is True
    assert bench.store.manifest(manifest.name).pinned
    assert (await api.admin.post(f"{at}/unpin")).json()["pinned"] is False

    for word in ("delete", "DELETE ", "", None, True, ["DELETE"], "RESTORE"):
        refused = await api.admin.request("DELETE", at, json={"confirm": word})
        problem(refused, 422, "confirmation_required")
    last = await api.admin.request("DELETE", at, json={"confirm": "DELETE"})
    problem(last, 409, "last_verified_backup")

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
    assert actions == [
        "create_backup_ended",
        "verify_backup",
        "verify_backup_ended",
        "pin_backup",
        "unpin_backup",
        "delete_backup",
    ]
    assert all(manifest.sha256 in detail for _, _, detail in rows)


async def test_the_audit_log_records_the_outcome_of_each_job(
    api: Api, bench: BackupBench, site: Site
) -> None:
    async def ended(job_id: str) -> tuple[object, ...]:
        await bench.worker().run_until_idle()
        # Further sweeps add nothing.
        await bench.rows.reclaim()
        rows = site.server.execute(
            "SELECT action, outcome, actor_name, remote, object, detail, actor_id"
            f" FROM `{site.ops}`.audit_log WHERE action LIKE '%%\\_ended' AND detail LIKE %s",
            (f'%"{job_id}"%',),
        )
        assert len(rows) == 1
        assert rows[0][6] is not None
        return rows[0][:6]

    job_id = (await api.admin.post(BACKUPS)).json()["job_id"]
    action, outcome, *who, name, detail = await ended(job_id)
    (manifest,) = bench.store.manifests()
    assert (action, outcome, name) == ("create_backup_ended", "ok", manifest.name)
    assert who == ["admin", "127.0.0.1"]
    assert json.loads(str(detail)) == {
        "job_id": job_id,
        "state": "succeeded",
        "sha256": manifest.sha256,
    }
    path = bench.store.path(manifest.name)
    path.write_bytes(b"\0" + path.read_bytes()[1:])
    job_id = (await api.admin.post(f"{BACKUPS}/{manifest.name}/verify")).json()["job_id"]
    action, outcome, *who, name, detail = await ended(job_id)
    assert (action, outcome, name) == ("verify_backup_ended", "backup_damaged", manifest.name)
    assert who == ["admin", "127.0.0.1"]
    assert manifest.sha256 in str(detail)
    job_id = (await api.admin.post(BACKUPS)).json()["job_id"]
    assert (await api.admin.post(f"/api/admin/jobs/{job_id}/cancel")).status_code == 202
    assert (await ended(job_id))[1] == "cancelled"


async def test_the_list_is_searched_filtered_and_sorted(api: Api, bench: BackupBench) -> None:
    for kind in (BackupKind.MANUAL, BackupKind.SCHEDULED, BackupKind.MANUAL):
        await bench.run(CreateBackup(kind=kind))
    newest, scheduled, oldest = (one.name for one in bench.store.manifests())
    bench.store.amend(oldest, {"verification": Verification.VERIFIED})
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
    assert await names("verification=verified") == [oldest]
    assert await names("verification=none") == [newest, scheduled]
    assert await names("pinned=true") == [newest]
    assert await names(f"search={oldest[7:].upper()}") == [oldest]
    assert await names("search=nothing-like-it") == []
    page = (await api.admin.get(f"{BACKUPS}?page=2&page_size=2")).json()
    assert ([one["name"] for one in page["data"]], page["total"]) == ([oldest], 3)
    assert page["total_bytes"] == sum(one.size_bytes for one in bench.store.manifests())
    for query in ("sort=sha256", "kind=odd", "verification=maybe", "pinned=2", "order=name"):
        problem(await api.admin.get(f"{BACKUPS}?{query}"), 422, "invalid_request")


async def test_unknown_backups_and_anonymous_clients_are_rejected(api: Api) -> None:
    for method, path in (("POST", "/verify"), ("POST", "/pin"), ("DELETE", "")):
        url = f"{BACKUPS}/nothing.sql{path}"
        body = {"confirm": "DELETE"} if method == "DELETE" else None
        problem(await api.admin.request(method, url, json=body), 404, "backup_not_found")
        problem(await api.client.request(method, url, json=body), 401, "not_signed_in")


async def test_a_backup_is_downloaded_completely_in_ranges_and_conditionally(
    api: Api, bench: BackupBench, s3_server: TestS3, bucket: str, site: Site
) -> None:
    copies = s3_server.copies(bucket)
    bench.tools = dataclasses.replace(bench.tools, offsite=OffsiteStorage(bench.store, copies))
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    bench.store.amend(manifest.name, {"verification": Verification.VERIFIED})
    path = bench.store.path(manifest.name)
    whole, etag = path.read_bytes(), f'"{manifest.sha256}"'
    settings = site.load(ApiSettings, **s3_server.environ(bucket))
    async with served(settings) as base_url, _client_of_administrator(api, base_url) as admin:
        for location in ("local", "s3"):
            assert bench.store.manifest(manifest.name).locations[0] == location
            await _check_download(admin, manifest.name, whole, etag)
            path.unlink(missing_ok=True)
        # Only the off-site copy is left: it needs the settings of the off-site storage.
        at = f"{BACKUPS}/{manifest.name}"
        problem(await api.admin.get(f"{at}/download"), 503, "offsite_storage_unavailable")
        (listed,) = (await api.admin.get(BACKUPS)).json()["data"]
        assert listed["locations"] == ["s3"]
        bench.store.amend(manifest.name, {"verification": None})
        gone = await admin.request("DELETE", at, json={"confirm": "DELETE"})
        assert gone.status_code == 204
        assert s3_server.client().list_objects_v2(Bucket=bucket).get("Contents", []) == []
        assert (await admin.get(BACKUPS)).json()["data"] == []


async def test_health_reports_a_missing_offsite_copy(
    api: Api, bench: BackupBench, s3_server: TestS3, bucket: str, site: Site
) -> None:
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    bench.store.amend(manifest.name, {"created_at": hour_ago, "offsite_error": "no such bucket"})
    settings = site.load(ApiSettings, **s3_server.environ(bucket))
    async with served(settings) as base_url, _client_of_administrator(api, base_url) as admin:
        check = (await admin.get("/api/health")).json()["checks"]["backups"]
        assert check["status"] == "warn"
        assert "no off-site copy: no such bucket" in check["reason"]
        await OffsiteStorage(bench.store, s3_server.copies(bucket)).synchronize()
        check = (await admin.get("/api/health")).json()["checks"]["backups"]
        assert "off-site copy" not in check.get("reason", "")


async def _check_download(admin: httpx.AsyncClient, name: str, whole: bytes, etag: str) -> None:
    at, size = f"{BACKUPS}/{name}/download", len(whole)

    async def get(**headers: str) -> httpx.Response:
        return await admin.get(at, headers={k.replace("_", "-"): v for k, v in headers.items()})

    for asked in ("latest", name):
        answer = await admin.get(f"{BACKUPS}/{asked}/download")
        assert (answer.status_code, answer.content) == (200, whole)
        assert answer.headers["etag"] == etag
        assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
        assert answer.headers["content-length"] == str(size)
        assert answer.headers["accept-ranges"] == "bytes"
    for span, expected in (
        ("bytes=0-9", whole[:10]),
        (f"bytes={size - 3}-", whole[-3:]),
        ("bytes=-5", whole[-5:]),
        (f"bytes=5-{size * 2}", whole[5:]),
        (f"bytes=-{size * 2}", whole),
    ):
        answer = await get(range=span, if_range=etag)
        assert (answer.status_code, answer.content) == (206, expected), span
        first = size - len(expected) if span != "bytes=0-9" else 0
        last = first + len(expected) - 1
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{size}"
    for span in (f"bytes={size}-", "bytes=-0"):
        answer = await get(range=span)
        assert problem(answer, 416, "range_not_satisfiable")["size_bytes"] == size
        assert answer.headers["content-range"] == f"bytes */{size}"
    # Another version of the file, or an unsupported range: the complete file.
    for span, condition in (("bytes=0-9", '"other"'), ("lines=1-2", etag), ("bytes=9-1", etag)):
        answer = await get(range=span, if_range=condition)
        assert (answer.status_code, answer.content) == (200, whole), span
    held = await get(if_none_match=f'"other", W/{etag}')
    assert (held.status_code, held.content, held.headers["etag"]) == (304, b"", etag)


def _client_of_administrator(api: Api, base_url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=base_url, headers=api.admin.headers)
