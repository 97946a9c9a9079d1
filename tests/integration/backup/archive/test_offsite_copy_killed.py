"""SIGKILL of the worker during an off-site copy and during the import of an upload."""

import asyncio
import dataclasses
import os
import random
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest

from sysndd_backup.archive.compression import open_reader
from sysndd_backup.archive.encryption import Keys
from sysndd_backup.archive.off_site import OffsiteStorage
from sysndd_core.backups.directory import UPLOAD_SUFFIX
from sysndd_core.jobs.models import CreateBackup, ImportBackup
from tests.support.backups import OUR_IDENTITY, OUR_KEYS
from tests.support.burst import stored_row
from tests.support.random_faults import spread
from tests.support.s3 import TestS3
from tests.support.site import REPOSITORY, Site
from tests.support.workers import PACKAGES, BackupBench, backup_bench

KILLS = 6
WHENS = ("before", "during", "after")


@pytest.fixture
async def bench(site: Site, s3_server: TestS3, bucket: str) -> AsyncIterator[BackupBench]:
    async with backup_bench(site) as bench:
        copies = s3_server.copies(bucket)
        bench.tools = dataclasses.replace(bench.tools, offsite=OffsiteStorage(bench.store, copies))
        yield bench


def work(bench: BackupBench, at: str, when: str, *owners: str, **changes: str) -> str:
    """Run a worker that kills itself at a kill point; return its output."""
    folders = [REPOSITORY, *(REPOSITORY / package for package in PACKAGES)]
    environ = {
        **os.environ,
        **bench.site.environ,
        **changes,
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
    }
    command = [sys.executable, "-m", "tests.support.killed_worker", at, when, "0", *owners]
    return subprocess.run(
        command, stdout=subprocess.PIPE, env=environ, check=False, text=True
    ).stdout


async def run_again(bench: BackupBench) -> None:
    """Let the lease of the killed worker expire, and run the next worker."""
    bench.site.server.execute(
        f"UPDATE `{bench.site.ops}`.job SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND"
        " WHERE state = 'running'"
    )
    await bench.rows.reclaim()
    await bench.worker().run_until_idle()


def points(count: int) -> list[tuple[str, str]]:
    """Distribute kills over all kill points, and moments over the kills."""
    chance = random.Random(5)  # noqa: S311 - chooses where to kill
    return [
        (str(1 + int(share * count)), WHENS[n % len(WHENS)])
        for n, share in enumerate(spread(KILLS, chance))
    ]


async def test_a_copy_of_a_killed_worker_is_repeated_and_leaves_no_parts(
    bench: BackupBench, s3_server: TestS3, bucket: str
) -> None:
    app, environ = bench.site.app, s3_server.environ(bucket)
    bench.site.server.execute(f"CREATE TABLE `{app}`.big (id INT PRIMARY KEY, b LONGBLOB)")
    for number in range(9):  # six parts
        bench.site.server.execute(
            f"INSERT INTO `{app}`.big VALUES (%s, %s)", (number, secrets.token_bytes(9 << 20))
        )
    owners = ("S3Copies",)
    await bench.submit(CreateBackup())
    count = int(await asyncio.to_thread(work, bench, "0", "before", *owners, **environ))
    assert count > KILLS
    assert bench.tools.offsite is not None
    for at, when in points(count):
        what = f"{when} point {at} of {count}"
        await bench.submit(CreateBackup())
        await asyncio.to_thread(work, bench, at, when, *owners, **environ)
        await run_again(bench)
        await bench.tools.offsite.synchronize()
        check_locations(bench, s3_server, bucket, what)
        for manifest in bench.store.manifests():
            bench.tools.offsite.copies.remove(manifest.name)
            bench.store.remove(manifest.name)


def check_locations(bench: BackupBench, server: TestS3, bucket: str, what: str) -> None:
    """Check that the bucket contains exactly the files and manifests of the directory."""
    manifests, client = bench.store.manifests(), server.client()
    assert len(manifests) >= 1, what
    expected = {}
    for manifest in manifests:
        assert manifest.locations == ["local", "s3"], what
        path = bench.store.path(manifest.name)
        expected[f"sysndd/{manifest.name}"] = path.read_bytes()
        expected[f"sysndd/{manifest.name}.json"] = manifest.to_json().encode()
    listed = client.list_objects_v2(Bucket=bucket, Prefix="sysndd/").get("Contents", [])
    found = {
        item["Key"]: client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        for item in listed
    }
    assert found == expected, what
    uploads = client.list_multipart_uploads(Bucket=bucket, Prefix="sysndd/").get("Uploads", [])
    assert uploads == [], what


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "encrypted"])
async def test_an_upload_of_a_killed_worker_becomes_exactly_one_backup(
    bench: BackupBench, encrypted: bool
) -> None:
    await bench.run(CreateBackup(), dataclasses.replace(bench.tools, offsite=None))
    (manifest,) = bench.store.manifests()
    with open_reader(bench.store.path(manifest.name), Keys()) as reader:
        sql = reader.read()
    bench.store.remove(manifest.name)
    environ = {}
    bench.tools = dataclasses.replace(bench.tools, offsite=None)
    if encrypted:
        environ = {
            "BACKUP_ENCRYPTION_RECIPIENTS": str(OUR_IDENTITY.to_public()),
            "BACKUP_ENCRYPTION_IDENTITY": str(OUR_IDENTITY),
        }
        bench.tools = dataclasses.replace(bench.tools, keys=OUR_KEYS)
    owners = ("BackupDirectory", "JobRows")
    await upload(bench, sql)
    count = int(await asyncio.to_thread(work, bench, "0", "before", *owners, **environ))
    for at, when in points(count):
        what = f"{when} point {at} of {count}"
        for path in bench.site.backup_dir.iterdir():
            path.unlink()
        job_id = await upload(bench, sql)
        await asyncio.to_thread(work, bench, at, when, *owners, **environ)
        await run_again(bench)
        row = await stored_row(bench.rows, job_id)
        assert (row["state"], row["error"]) == ("succeeded", None), what
        (manifest,) = bench.store.manifests()
        assert (manifest.job_id, manifest.encrypted) == (job_id, encrypted), what
        with open_reader(bench.store.path(manifest.name), bench.tools.keys) as reader:
            assert reader.read() == sql, what
        assert len(list(bench.site.backup_dir.iterdir())) == 2, what


async def upload(bench: BackupBench, sql: bytes) -> str:
    """Store an upload and submit its import, as the API does."""
    name = f"uploaded_20260101T000000Z_{secrets.token_hex(4)}.sql"
    (bench.site.backup_dir / f"{name}{UPLOAD_SUFFIX}").write_bytes(sql)
    return await bench.submit(ImportBackup(name=name, uploaded=True))
