"""The preview of the retention policy: API, command line and health; accepting a size drop."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sysndd_api.cli.main import main
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest, SizeDrop, Verification
from sysndd_core.jobs.models import BackupKind
from tests.support.http import Api, problem
from tests.support.manifests import make_manifest
from tests.support.site import Site

BACKUPS = "/api/admin/backups"
PREVIEW = "/api/admin/retention"
DROP = SizeDrop(
    previous="scheduled_1.sql.zst",
    rows=7,
    previous_rows=32_362,
    uncompressed_bytes=6_841,
    previous_uncompressed_bytes=5_400_000,
)


def store_backup(site: Site, name: str, days_ago: int, **changes: Any) -> BackupManifest:
    """Store a file of one byte with a manifest."""
    at = datetime.now(UTC) - timedelta(days=days_ago)
    values = {"kind": BackupKind.SCHEDULED, "verification": Verification.VERIFIED} | changes
    manifest = make_manifest(f"{name}.sql.zst", at, **values)
    (site.backup_dir / manifest.name).write_bytes(b"x")
    BackupDirectory(site.backup_dir).write_manifest(manifest)
    return manifest


@pytest.fixture
def stored(site: Site) -> list[BackupManifest]:
    """Twenty verified backups, one each day, and an upload; newest first."""
    days = [store_backup(site, f"scheduled_{day}", 20 - day) for day in range(20)]
    upload = store_backup(site, "uploaded_1", 100, kind=BackupKind.UPLOADED, verification=None)
    return [*reversed(days), upload]


async def test_the_preview_says_why_and_until_when_each_backup_is_kept(
    api: Api, stored: list[BackupManifest]
) -> None:
    document = (await api.admin.get(PREVIEW)).json()
    assert [one["name"] for one in document["data"]] == [one.name for one in stored]
    assert (document["suspended"], document["warning"]) == (None, None)
    reasons = [one["reason"] for one in document["data"]]
    assert reasons[:7] == ["newest", *["last"] * 6]
    assert reasons[-1] == "uploaded"
    expiring = [one for one in document["data"] if one["expires_next"]]
    assert expiring
    assert {one["reason"] for one in expiring} == {"beyond_limits"}
    dated = [one for one in document["data"] if one["reason"] == "daily"]
    now = datetime.now(UTC)
    assert dated[0]["kept_until"] is not None
    for one in dated:
        assert one["kept_until"] is None or datetime.fromisoformat(one["kept_until"]) > now

    listed = (await api.admin.get(BACKUPS)).json()["data"]
    for one, entry in zip(listed, document["data"], strict=True):
        assert one["retention"].items() <= entry.items()
        assert (one["size_drop"], one["damaged"]) == (None, False)
    shown = (await api.admin.get(f"{BACKUPS}/{stored[0].name}")).json()
    assert shown["retention"] == listed[0]["retention"]
    problem(await api.client.get(PREVIEW), 401, "not_signed_in")


async def test_a_size_drop_is_shown_everywhere_until_it_is_accepted(
    api: Api, stored: list[BackupManifest], site: Site
) -> None:
    small = store_backup(site, "scheduled_small", 0, size_drop=DROP)
    text = "7 rows instead of 32,362"
    document = (await api.admin.get(PREVIEW)).json()
    assert document["suspended"] == "size_drop"
    assert f"sysndd-admin retention --accept-size {small.name}" in document["warning"]
    assert not any(one["expires_next"] for one in document["data"])
    assert text in document["data"][0]["size_drop"]
    assert text in (await api.admin.get(BACKUPS)).json()["data"][0]["size_drop"]
    check = (await api.admin.get("/api/health")).json()["checks"]["backups"]
    assert (check["status"], check["size_drop"]) == ("warn", small.name)
    assert text in check["reason"]

    at = f"{BACKUPS}/{small.name}/accept-size"
    problem(await api.client.post(at), 401, "not_signed_in")
    for _ in range(2):
        assert (await api.admin.post(at)).json()["size_accepted"] is True
    document = (await api.admin.get(PREVIEW)).json()
    assert (document["suspended"], document["data"][0]["size_drop"]) == (None, None)
    assert any(one["expires_next"] for one in document["data"])
    check = (await api.admin.get("/api/health")).json()["checks"]["backups"]
    assert "size_drop" not in check
    accepted = site.server.execute(
        "SELECT object, detail FROM audit_log WHERE action = 'accept_backup_size'", schema=site.ops
    )
    assert [name for name, _ in accepted] == [small.name]
    assert text in accepted[0][1]
    problem(await api.admin.post(f"{BACKUPS}/no.sql/accept-size"), 404, "backup_not_found")


async def test_the_command_prints_the_preview_and_accepts_a_size(
    api: Api,
    stored: list[BackupManifest],
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = store_backup(site, "scheduled_small", 0, size_drop=DROP)
    for name, value in site.environ.items():
        monkeypatch.setenv(name, value)

    async def run(*arguments: str) -> str:
        assert await asyncio.to_thread(main, arguments) == 0
        return capsys.readouterr().out

    shown = await run("retention")
    assert "Warning: No backup expires" in shown
    assert "7 rows instead of 32,362" in shown
    assert "much smaller than the previous one" in await run("list")
    document = json.loads(await run("retention", "--json", "--accept-size", small.name))
    assert document["warning"] is None
    shown = await run("retention")
    assert "expires next" in shown
    assert f"{stored[-1].name}  Uploaded or imported: kept until a person deletes it." in shown
