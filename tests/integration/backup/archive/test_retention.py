"""The retention policy in the worker: which files it deletes, and its entries in the audit log."""

import json
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sysndd_backup.archive.retention import Retention
from sysndd_backup.jobs import BackupPolicy
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.errors import BackupNotFound
from sysndd_core.jobs.models import BackupKind, CreateBackup, ImportBackup, VerifyBackup
from sysndd_core.settings.backup import VerifyPolicy
from sysndd_core.settings.retention import RetentionPolicy
from tests.support.backups import tamper_with_backup
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench

ONE = RetentionPolicy(last=1, daily=0, weekly=0, monthly=0, yearly=0, pre_restore=0)


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    async with backup_bench(site) as bench:
        bench.policy = BackupPolicy(retention=ONE)
        yield bench


async def create(bench: BackupBench) -> BackupManifest:
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]
    return bench.store.manifest(json.loads(str(row["result"]))["name"])


def expiries(site: Site) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Return action, outcome, backup and detail of each entry about an expired backup."""
    rows = site.server.execute(
        "SELECT action, outcome, object, detail FROM audit_log"
        " WHERE action LIKE 'expire%%' ORDER BY id",
        schema=site.ops,
    )
    return [(action, outcome, name, json.loads(detail)) for action, outcome, name, detail in rows]


def names(bench: BackupBench) -> set[str]:
    return {one.name for one in bench.store.manifests()}


async def test_an_imported_dump_survives_backups_of_an_empty_database(bench: BackupBench) -> None:
    first = await create(bench)
    imported = "found.sql.zst"
    shutil.copy(bench.store.path(first.name), bench.site.backup_dir / imported)
    row = await bench.run(ImportBackup(name=imported))
    assert row["state"] == "succeeded", row["error"]
    bench.store.remove(first.name)
    bench.site.server.execute(f"DROP DATABASE `{bench.site.app}`")
    bench.site.server.execute(f"CREATE DATABASE `{bench.site.app}`")
    bench.site.server.execute("CREATE TABLE a (id INT)", schema=bench.site.app)
    for _ in range(3):
        await create(bench)
    assert imported in names(bench)
    assert bench.store.path(imported).exists()


async def test_a_backup_that_a_newer_server_cannot_load_is_not_damaged(bench: BackupBench) -> None:
    made_before = await create(bench)
    tamper_with_backup(bench, lambda sql: sql.replace(b"CREATE TABLE", b"CREATE TABEL", 1))
    changes = {"server_version": "5.1.0", "schema_version": "000"}
    bench.store.amend(made_before.name, changes)
    row = await bench.run(VerifyBackup(name=made_before.name))
    assert row["error_code"] == "verification_failed"
    failed = bench.store.manifest(made_before.name)
    assert (failed.verification, failed.damaged) == (Verification.FAILED, False)
    for _ in range(2):
        await create(bench)
    assert made_before.name in names(bench)


async def test_a_backup_that_its_own_server_series_cannot_load_is_damaged(
    bench: BackupBench,
) -> None:
    made = await create(bench)
    tamper_with_backup(bench, lambda sql: sql.replace(b"CREATE TABLE", b"CREATE TABEL", 1))
    await bench.run(VerifyBackup(name=made.name))
    assert bench.store.manifest(made.name).damaged
    later = await create(bench)
    assert names(bench) == {later.name}
    assert [detail["rule"] for _, _, _, detail in expiries(bench.site)] == ["damaged", "damaged"]


async def test_another_hash_is_damage_until_a_verification_succeeds(bench: BackupBench) -> None:
    made = await create(bench)
    path = bench.store.path(made.name)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    await bench.run(VerifyBackup(name=made.name))
    assert bench.store.manifest(made.name).damaged
    path.write_bytes(content)
    await bench.run(VerifyBackup(name=made.name))
    verified = bench.store.manifest(made.name)
    assert (verified.verification, verified.damaged) == (Verification.VERIFIED, False)


async def test_backups_from_a_time_without_verification_are_not_swept(bench: BackupBench) -> None:
    bench.policy = BackupPolicy(verify=VerifyPolicy.NEVER, retention=RetentionPolicy(last=3))
    unverified = [await create(bench) for _ in range(4)]
    bench.policy = BackupPolicy(retention=RetentionPolicy(last=3))
    for _ in range(2):
        await create(bench)
    assert {one.name for one in unverified} < names(bench)


async def test_each_deletion_is_in_the_audit_log_with_its_rule(bench: BackupBench) -> None:
    first = await create(bench)
    second = await create(bench)
    assert names(bench) == {second.name}
    requested, ended = expiries(bench.site)
    assert requested[:3] == ("expire_backup", "ok", first.name)
    assert ended[:3] == ("expire_backup_ended", "ok", first.name)
    assert requested[3] == ended[3]
    assert requested[3]["rule"] == "beyond_limits"
    assert requested[3]["sha256"] == first.sha256
    assert "Not one of the 1 latest backups" in requested[3]["reason"]


class _KilledStore(BackupDirectory):
    """A directory whose process ends in the middle of a deletion."""

    def remove_unless_pinned(self, name: str) -> bool:
        super().remove_unless_pinned(name)
        raise SystemExit(1)


async def test_a_deletion_is_recorded_before_a_crash(bench: BackupBench) -> None:
    bench.policy = BackupPolicy(verify=VerifyPolicy.NEVER)
    stored = [await create(bench) for _ in range(2)]
    for one in stored:
        bench.store.amend(one.name, {"verification": Verification.VERIFIED})
    killed = Retention(bench.database, _KilledStore(bench.store.directory), None, ONE)
    with pytest.raises(SystemExit):
        await killed.apply(stored[0].site_id, "job")
    assert names(bench) == {stored[1].name}
    assert [entry[:3] for entry in expiries(bench.site)] == [
        ("expire_backup", "ok", stored[0].name)
    ]


async def test_without_the_audit_log_nothing_is_deleted(bench: BackupBench) -> None:
    stored = [await create(bench)]
    bench.site.server.execute("RENAME TABLE audit_log TO audit_elsewhere", schema=bench.site.ops)
    retention = Retention(bench.database, bench.store, None, ONE)
    newer = stored[0].model_copy(update={"name": "manual_2.sql.zst"})
    shutil.copy(bench.store.path(stored[0].name), bench.store.path(newer.name))
    bench.store.write_manifest(newer.model_copy(update={"created_at": newer.finished_at}))
    try:
        assert await retention.apply(stored[0].site_id, "job") == []
    finally:
        bench.site.server.execute(
            "RENAME TABLE audit_elsewhere TO audit_log", schema=bench.site.ops
        )
    assert names(bench) == {stored[0].name, newer.name}
    assert await retention.apply(stored[0].site_id, "job") == [stored[0].name]


async def test_an_empty_database_suspends_expiry_until_a_person_accepts_it(
    bench: BackupBench,
) -> None:
    bench.site.server.execute("CREATE TABLE many (id INT)", schema=bench.site.app)
    numbers = ", ".join(f"({number})" for number in range(40_000))
    bench.site.server.execute(f"INSERT INTO many VALUES {numbers}", schema=bench.site.app)
    complete = await create(bench)
    bench.site.server.execute("DELETE FROM many", schema=bench.site.app)
    small = [await create(bench) for _ in range(3)]
    assert all(one.size_drop and one.size_drop.previous == complete.name for one in small)
    assert names(bench) == {complete.name, *(one.name for one in small)}
    bench.store.amend(small[-1].name, {"size_accepted": True})
    last = await create(bench)
    assert last.size_drop is None
    assert complete.name not in names(bench)
    assert last.name in names(bench)


async def test_latest_is_the_newest_verified_backup_that_is_not_a_safety_backup(
    bench: BackupBench,
) -> None:
    with pytest.raises(BackupNotFound, match="There are no backups yet"):
        bench.store.manifest("latest")
    bench.policy = BackupPolicy(verify=VerifyPolicy.NEVER)
    row = await bench.run(CreateBackup(kind=BackupKind.PRE_RESTORE))
    safety = json.loads(str(row["result"]))["name"]
    bench.store.amend(safety, {"verification": Verification.VERIFIED})
    with pytest.raises(BackupNotFound, match=f"1 safety backup.*{safety}.*sysndd-admin backup"):
        bench.store.manifest("latest")
    unverified = await create(bench)
    with pytest.raises(BackupNotFound, match=f"sysndd-admin verify {unverified.name}"):
        bench.store.manifest("latest")
    bench.store.amend(unverified.name, {"verification": Verification.VERIFIED})
    await create(bench)
    assert bench.store.manifest("latest").name == unverified.name
