"""Off-site copies on a real S3 server: copy, check, download, S3 Object Lock and retention."""

import dataclasses
import json
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from sysndd_backup.archive.off_site import OffsiteStorage
from sysndd_backup.context import BackupTools
from sysndd_backup.jobs import BackupPolicy
from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.errors import BackupLocked, OffsiteStorageUnavailable
from sysndd_core.jobs.models import Consent, CreateBackup, RestoreBackup, VerifyBackup
from sysndd_core.settings.retention import RetentionPolicy
from tests.support.backups import OTHER_IDENTITY, OUR_KEYS, keys
from tests.support.s3 import TestS3
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench


@pytest.fixture
async def bench(site: Site, s3_server: TestS3, bucket: str) -> AsyncIterator[BackupBench]:
    async with backup_bench(site) as bench:
        bench.tools = dataclasses.replace(
            bench.tools, offsite=OffsiteStorage(bench.store, s3_server.copies(bucket))
        )
        yield bench


def offsite(bench: BackupBench) -> OffsiteStorage:
    assert bench.tools.offsite is not None
    return bench.tools.offsite


def keys_in(server: TestS3, bucket: str) -> list[str]:
    listed = server.client().list_objects_v2(Bucket=bucket).get("Contents", [])
    return [item["Key"] for item in listed]


async def test_offsite_copy_is_restored_when_the_directory_is_lost(
    bench: BackupBench, s3_server: TestS3, bucket: str
) -> None:
    bench.policy = BackupPolicy()
    before = bench.checksums()
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]
    result = json.loads(str(row["result"]))
    assert (result["locations"], result["offsite_error"]) == (["local", "s3"], None)
    (manifest,) = bench.store.manifests()
    name = manifest.name
    assert keys_in(s3_server, bucket) == [f"sysndd/{name}", f"sysndd/{name}.json"]
    body = s3_server.client().get_object(Bucket=bucket, Key=f"sysndd/{name}")["Body"].read()
    assert body == bench.store.path(name).read_bytes()
    # The verification followed the copy, and the manifest of the copy contains it too.
    (copied,) = offsite(bench).copies.manifests()
    assert copied == manifest
    assert copied.verification is Verification.VERIFIED

    for path in bench.site.backup_dir.iterdir():
        path.unlink()
    assert bench.store.manifests() == []
    await offsite(bench).synchronize()
    (listed,) = bench.store.manifests()
    assert (listed.name, listed.locations) == (name, ["s3"])
    bench.site.server.execute(f"DROP TABLE `{bench.site.app}`.review_publication")
    row = await bench.run(RestoreBackup(name=name, accept=tuple(Consent)))
    assert row["state"] == "succeeded", row["error"]
    assert bench.checksums() == before
    assert bench.store.manifest(name).locations == ["local", "s3"]


async def test_a_damaged_copy_fails_the_restore_before_it_changes_anything(
    bench: BackupBench, s3_server: TestS3, bucket: str
) -> None:
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    whole = bench.store.path(manifest.name).read_bytes()
    bench.store.path(manifest.name).unlink()
    s3_server.client().put_object(
        Bucket=bucket, Key=f"sysndd/{manifest.name}", Body=whole[:-1] + bytes([whole[-1] ^ 1])
    )
    live = bench.checksums()
    row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
    assert (row["state"], row["error_code"]) == ("failed", "backup_damaged")
    assert bench.checksums() == live
    assert [path.name for path in bench.site.backup_dir.iterdir()] == [f"{manifest.name}.json"]


async def test_a_corrupted_local_file_is_not_copied_off_site(
    bench: BackupBench, s3_server: TestS3, bucket: str
) -> None:
    await bench.run(CreateBackup(), dataclasses.replace(bench.tools, offsite=None))
    (manifest,) = bench.store.manifests()
    path = bench.store.path(manifest.name)
    path.write_bytes(b"\0" + path.read_bytes()[1:])
    with pytest.raises(Exception, match="SHA-256"):
        offsite(bench).copies.put(manifest, path)
    assert keys_in(s3_server, bucket) == []
    uploads = s3_server.client().list_multipart_uploads(Bucket=bucket)
    assert uploads.get("Uploads", []) == []


async def test_a_large_backup_is_copied_in_parts_and_verified_from_the_copy(
    bench: BackupBench,
) -> None:
    app = bench.site.app
    bench.site.server.execute(f"CREATE TABLE `{app}`.big (id INT PRIMARY KEY, b LONGBLOB)")
    for number in range(5):
        bench.site.server.execute(
            f"INSERT INTO `{app}`.big VALUES (%s, %s)", (number, secrets.token_bytes(9 << 20))
        )
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]
    (manifest,) = bench.store.manifests()
    assert manifest.offsite is not None
    assert manifest.size_bytes > 32 << 20
    assert manifest.offsite.checksum.endswith("-3")
    bench.store.path(manifest.name).unlink()
    row = await bench.run(VerifyBackup(name=manifest.name))
    assert row["state"] == "succeeded", row["error"]


async def test_a_storage_failure_does_not_fail_the_backup_and_is_retried(
    bench: BackupBench, s3_server: TestS3, bucket: str
) -> None:
    unavailable = s3_server.copies("no-such-bucket-anywhere")
    tools = dataclasses.replace(bench.tools, offsite=OffsiteStorage(bench.store, unavailable))
    row = await bench.run(CreateBackup(), tools)
    assert row["state"] == "succeeded", row["error"]
    result = json.loads(str(row["result"]))
    assert result["locations"] == ["local"]
    assert "no-such-bucket-anywhere" in result["offsite_error"]
    (manifest,) = bench.store.manifests()
    assert manifest.offsite_error == result["offsite_error"]
    with pytest.raises(OffsiteStorageUnavailable):
        await OffsiteStorage(bench.store, unavailable).synchronize()
    await offsite(bench).synchronize()
    (manifest,) = bench.store.manifests()
    assert (manifest.locations, manifest.offsite_error) == (["local", "s3"], None)
    assert len(keys_in(s3_server, bucket)) == 2


async def test_pins_are_copied_and_backups_without_any_copy_are_removed_from_the_list(
    bench: BackupBench, s3_server: TestS3, bucket: str
) -> None:
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    bench.store.amend(manifest.name, {"pinned": True})
    await offsite(bench).synchronize()
    assert [one.pinned for one in offsite(bench).copies.manifests()] == [True]
    bench.store.path(manifest.name).unlink()
    offsite(bench).copies.remove(manifest.name)
    assert keys_in(s3_server, bucket) == []
    await offsite(bench).synchronize()
    assert bench.store.manifests() == []
    assert list(bench.site.backup_dir.iterdir()) == []


async def test_retention_applies_to_both_locations_and_honours_object_lock(
    bench: BackupBench, s3_server: TestS3
) -> None:
    locked = f"l{secrets.token_hex(6)}"
    s3_server.client().create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    bench.policy = BackupPolicy(
        retention=RetentionPolicy(last=1, daily=0, weekly=0, monthly=0, yearly=0)
    )

    def with_lock(days: str) -> BackupTools:
        copies = s3_server.copies(locked, BACKUP_S3_LOCK_DAYS=days)
        return dataclasses.replace(bench.tools, offsite=OffsiteStorage(bench.store, copies))

    await bench.run(CreateBackup(), with_lock("2"))
    (protected,) = bench.store.manifests()
    assert protected.offsite is not None
    assert protected.offsite.locked_until is not None
    left = protected.offsite.locked_until - datetime.now(UTC)
    assert timedelta(days=1, hours=23) < left < timedelta(days=2)
    with pytest.raises(BackupLocked, match="S3 Object Lock protects"):
        s3_server.copies(locked).remove(protected.name)
    assert len(s3_server.copies(locked).manifests()) == 1

    await bench.run(CreateBackup(), with_lock("0"))
    free = names(bench.store.manifests())[0]
    await bench.run(CreateBackup(), with_lock("0"))
    newest = names(bench.store.manifests())[0]
    # The backup without a lock was deleted in both locations, the protected one in neither.
    assert names(bench.store.manifests()) == [newest, protected.name]
    copied = names(s3_server.copies(locked).manifests())
    assert sorted(copied) == sorted([newest, protected.name])
    versions = s3_server.client().list_object_versions(Bucket=locked, Prefix=f"sysndd/{free}")
    assert versions.get("Versions", []) == []
    assert bench.store.path(protected.name).exists()
    assert not bench.store.path(free).exists()


def names(manifests: list[BackupManifest]) -> list[str]:
    return [one.name for one in manifests]


async def test_the_key_of_an_encrypted_copy_is_checked_before_the_download(
    bench: BackupBench,
) -> None:
    encrypted = dataclasses.replace(bench.tools, keys=OUR_KEYS)
    await bench.run(CreateBackup(), encrypted)
    (manifest,) = bench.store.manifests()
    bench.store.path(manifest.name).unlink()
    wrong = dataclasses.replace(bench.tools, keys=keys(identity=str(OTHER_IDENTITY)))
    row = await bench.run(VerifyBackup(name=manifest.name), wrong)
    assert (row["state"], row["error_code"]) == ("failed", "encryption_key_wrong")
    assert not bench.store.path(manifest.name).exists()
    row = await bench.run(VerifyBackup(name=manifest.name), encrypted)
    assert row["state"] == "succeeded", row["error"]
