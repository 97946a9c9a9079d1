"""Encryption at rest: encrypted files, and errors for missing keys, wrong keys and damage."""

import dataclasses
from collections.abc import AsyncIterator

import pyrage
import pytest
import zstandard

from sysndd_backup.archive.encryption import Keys
from sysndd_backup.context import BackupTools
from sysndd_backup.jobs import BackupPolicy
from sysndd_core.errors import SettingsError
from sysndd_core.jobs.models import Consent, CreateBackup, RestoreBackup, VerifyBackup
from sysndd_core.settings.backup import BackupCompression
from tests.support.backups import OTHER_IDENTITY, OUR_IDENTITY, OUR_KEYS, keys
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    site.server.execute(
        f"INSERT INTO `{site.app}`.`user` (user_name, email) VALUES ('a', 'canary@secret')"
    )
    async with backup_bench(site) as bench:
        bench.tools = with_keys(bench, OUR_KEYS)
        yield bench


def with_keys(bench: BackupBench, keys: Keys) -> BackupTools:
    return dataclasses.replace(bench.tools, keys=keys)


@pytest.mark.parametrize("compression", list(BackupCompression))
async def test_an_encrypted_backup_is_verified_and_restored(
    bench: BackupBench, compression: BackupCompression
) -> None:
    bench.tools = dataclasses.replace(bench.tools, compression=compression)
    bench.policy = BackupPolicy()
    before = bench.checksums()
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]
    (manifest,) = bench.store.manifests()
    assert (manifest.verification, manifest.encrypted) == ("verified", True)
    assert manifest.recipients == [str(OUR_IDENTITY.to_public())]
    path = bench.store.path(manifest.name)
    assert path.name.endswith(".age")
    packed = path.read_bytes()
    assert packed.startswith(b"age-encryption.org/v1\n")
    assert b"canary" not in packed
    plain = pyrage.decrypt(packed, [OUR_IDENTITY])
    if compression is BackupCompression.ZSTD:
        plain = zstandard.ZstdDecompressor().decompressobj().decompress(plain)
        assert b"canary@secret" in plain

    bench.site.server.execute(f"DELETE FROM `{bench.site.app}`.`user`")
    row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
    assert row["state"] == "succeeded", row["error"]
    assert bench.checksums() == before


async def test_a_wrong_or_missing_key_fails_the_job_before_it_changes_anything(
    bench: BackupBench,
) -> None:
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    bench.site.server.execute(f"DELETE FROM `{bench.site.app}`.`user`")
    live, public = bench.checksums(), str(OUR_IDENTITY.to_public())
    for wrong, code in (
        (keys(public), "encryption_key_missing"),
        (keys(public, identity=str(OTHER_IDENTITY)), "encryption_key_wrong"),
    ):
        for job in (
            RestoreBackup(name=manifest.name, accept=tuple(Consent)),
            VerifyBackup(name=manifest.name),
        ):
            with bench.site.server.general_log() as statements:
                row = await bench.run(job, with_keys(bench, wrong))
                assert (row["state"], row["error_code"]) == ("failed", code)
                assert not [one for one in statements() if "CREATE DATABASE" in one]
        # A backup that could not be verified fails before the dump.
        bench.policy = BackupPolicy()
        row = await bench.run(CreateBackup(), with_keys(bench, wrong))
        assert (row["state"], row["error_code"]) == ("failed", code)
    assert bench.checksums() == live
    # A wrong key does not change the verification of the backup.
    assert bench.store.manifests() == [manifest]


async def test_damage_is_detected_at_any_position(bench: BackupBench) -> None:
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    path = bench.store.path(manifest.name)
    whole, live = path.read_bytes(), bench.checksums()
    # The first 110 bytes are the format's version and the file key, encrypted to our recipient.
    for offset in (0, 30, 40, 60, 80, 100, 250, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
        assert (row["state"], row["error_code"]) == ("failed", "backup_damaged"), offset
        # Without recipients in the manifest, the hash shows the damage.
        bench.store.amend(manifest.name, {"recipients": []})
        row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
        assert (row["state"], row["error_code"]) == ("failed", "backup_damaged"), offset
        bench.store.amend(manifest.name, {"recipients": manifest.recipients})
    assert bench.checksums() == live


def test_malformed_keys_are_rejected_at_start_without_printing_them() -> None:
    with pytest.raises(SettingsError) as caught:
        keys("age1nonsense", identity=str(OUR_IDENTITY)[:-3])
    assert len(caught.value.problems) == 2
    assert str(OUR_IDENTITY)[10:-3] not in str(caught.value)
