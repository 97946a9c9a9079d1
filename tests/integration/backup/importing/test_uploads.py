"""Import of dumps from elsewhere: uploads and unmanaged files."""

import asyncio
import dataclasses
import gzip
import os
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
import zstandard

from sysndd_backup.archive.compression import open_reader
from sysndd_backup.archive.encryption import Keys
from sysndd_backup.jobs import BackupPolicy
from sysndd_core.backups.manifest import Verification
from sysndd_core.jobs.models import BackupKind, Consent, CreateBackup, RestoreBackup
from tests.support.backups import OUR_KEYS, UNUSUAL_OBJECTS
from tests.support.burst import stored_row
from tests.support.http import Api, problem
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench

BACKUPS = "/api/admin/backups"


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    for statement in UNUSUAL_OBJECTS.format(app=site.app).strip().split(";\n"):
        site.server.execute(statement.strip().removesuffix(";"))
    async with backup_bench(site) as bench:
        yield bench


async def a_dump(bench: BackupBench) -> bytes:
    """Create a backup and remove it from the directory; return its SQL."""
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    with open_reader(bench.store.path(manifest.name), Keys()) as reader:
        sql = reader.read()
    bench.store.remove(manifest.name)
    return sql


async def in_pieces(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 50_000):
        yield data[at : at + 50_000]
        await asyncio.sleep(0)


async def send(api: Api, filename: str, data: bytes) -> httpx.Response:
    return await api.admin.post(
        f"{BACKUPS}/upload", params={"filename": filename}, content=in_pieces(data)
    )


def frames(sql: bytes) -> bytes:
    """Compress as parallel programs do: into several frames, with a skippable one."""
    compressor, half = zstandard.ZstdCompressor(write_checksum=True), len(sql) // 2
    skippable = (0x184D2A50).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
    return compressor.compress(sql[:half]) + skippable + compressor.compress(sql[half:])


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "My site (old).SQL": lambda sql: sql,
    "dump.sql.gz": lambda sql: gzip.compress(sql[:1000]) + gzip.compress(sql[1000:]),
    "dump.sql.zst": frames,
}


@pytest.mark.parametrize("filename", COMPRESSED)
async def test_an_upload_is_listed_after_its_check_and_can_be_restored(
    api: Api, bench: BackupBench, filename: str
) -> None:
    sql, before = await a_dump(bench), bench.checksums()
    data = COMPRESSED[filename](sql)
    answer = await send(api, filename, data)
    assert answer.status_code == 202, answer.text
    listed = (await api.admin.get(BACKUPS)).json()
    assert (listed["data"], listed["unmanaged_files"]) == ([], [])
    await bench.worker().run_until_idle()
    (listed_backup,) = (await api.admin.get(f"{BACKUPS}?kind=uploaded")).json()["data"]
    manifest = bench.store.manifest(listed_backup["name"])
    assert bench.store.path(manifest.name).read_bytes() == data
    assert manifest.kind is BackupKind.UPLOADED
    assert (manifest.table_count, manifest.view_count) == (len(before), 3)
    assert manifest.rows_per_table["a table"] == 3
    assert manifest.server_vendor == ("MariaDB" if bench.site.server.is_mariadb else "MySQL")
    assert (manifest.database, manifest.uncompressed_bytes) == (bench.site.app, len(sql))
    assert bench.store.path(manifest.name).stat().st_mode & 0o077 == 0

    bench.site.server.execute(f"DELETE FROM `{bench.site.app}`.`a table` WHERE id = 3")
    row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
    assert row["state"] == "succeeded", row["error"]
    assert bench.checksums() == before
    rows = bench.site.server.execute(
        f"SELECT detail FROM `{bench.site.ops}`.audit_log WHERE action = 'upload_backup'"
    )
    assert manifest.sha256 in rows[0][0]


async def test_an_upload_is_encrypted_if_encryption_is_configured(
    api: Api, bench: BackupBench
) -> None:
    sql = await a_dump(bench)
    bench.tools = dataclasses.replace(bench.tools, keys=OUR_KEYS)
    assert (await send(api, "x.sql", sql)).status_code == 202
    await bench.worker().run_until_idle()
    (manifest,) = bench.store.manifests()
    assert manifest.name.endswith(".sql.age")
    assert manifest.encrypted
    assert len(list(bench.site.backup_dir.iterdir())) == 2
    assert (await api.admin.post(f"{BACKUPS}/{manifest.name}/verify")).status_code == 202
    await bench.worker().run_until_idle()
    assert bench.store.manifest(manifest.name).verification == "verified"


def bad_files(sql: bytes) -> dict[str, tuple[str, bytes, str]]:
    zstd = zstandard.ZstdCompressor(write_checksum=True).compress(sql)
    zipped = gzip.compress(sql)
    lines = sql.rstrip(b"\n").rpartition(b"\n")[0] + b"\n"
    return {
        "truncated after a line": ("a.sql", lines, "backup_damaged"),
        "truncated in a line": ("a.sql", sql[: len(sql) // 2], "backup_damaged"),
        "zstd without its last byte": ("a.sql.zst", zstd[:-1], "backup_damaged"),
        "zstd truncated": ("a.sql.zst", zstd[: len(zstd) // 2], "backup_damaged"),
        "zstd with trailing bytes": ("a.sql.zst", zstd + b"more", "backup_damaged"),
        "zstd with a flipped bit": ("a.sql.zst", flipped(zstd), "backup_damaged"),
        "gzip truncated": ("a.sql.gz", zipped[:-4], "backup_damaged"),
        "gzip with a flipped bit": ("a.sql.gz", flipped(zipped), "backup_damaged"),
        "zstd with the name of gzip": ("a.sql.gz", zstd, "backup_damaged"),
        "no header": ("a.sql", b"hello\n-- Dump completed\n", "not_a_dump"),
        "empty": ("a.sql", b"", "not_a_dump"),
        "no table": (
            "a.sql",
            b"-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB, for x\n"
            b"-- Dump completed on 2026-01-01\n",
            "not_a_dump",
        ),
        "decompression bomb": (
            "a.sql.zst",
            zstandard.ZstdCompressor().compress(bytes(400_000_000)),
            "uncompressed_too_large",
        ),
    }


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


async def test_an_invalid_upload_fails_the_job_and_is_deleted(api: Api, bench: BackupBench) -> None:
    sql = await a_dump(bench)
    bench.policy = BackupPolicy(upload_max_bytes=50_000_000)
    for what, (filename, data, code) in bad_files(sql).items():
        answer = await send(api, filename, data)
        assert answer.status_code == 202, (what, answer.text)
        await bench.worker().run_until_idle()
        row = await stored_row(bench.rows, answer.json()["job_id"])
        assert (row["state"], row["error_code"]) == ("failed", code), what
        assert list(bench.site.backup_dir.iterdir()) == [], what


async def test_invalid_names_and_forms_are_rejected_before_the_upload(
    api: Api, bench: BackupBench
) -> None:
    for filename in ("a.zip", "a.sql.bz2", "sql", "a.sql.zst.exe"):
        problem(await send(api, filename, b"x"), 422, "invalid_backup_name")
    problem(await api.admin.post(f"{BACKUPS}/upload", content=b"x"), 422, "invalid_request")
    form = await api.admin.post(f"{BACKUPS}/upload?filename=a.sql", files={"file": b"x"})
    problem(form, 415, "unsupported_media_type")
    problem(await api.client.post(f"{BACKUPS}/upload?filename=a.sql"), 401, "not_signed_in")
    # The response precedes the body, so that no client sends a terabyte for an error.
    url, token = api.client.base_url, api.admin.headers["Authorization"]
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"POST {BACKUPS}/upload?filename=a.sql HTTP/1.1\r\nHost: {url.host}\r\n"
        f"Authorization: {token}\r\nContent-Length: {10**17}\r\n\r\n".encode()
    )
    answer = await reader.readuntil(b"}")
    writer.close()
    assert answer.startswith(b"HTTP/1.1 507 ")
    assert b'"needed_bytes":100000000000000000' in answer
    assert list(bench.site.backup_dir.iterdir()) == []


async def test_an_interrupted_upload_leaves_no_file(api: Api, bench: BackupBench) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"-- MariaDB dump" * 100_000
        raise ConnectionError("the client disconnected")

    with pytest.raises(ConnectionError):
        await api.admin.post(f"{BACKUPS}/upload?filename=a.sql", content=broken())
    for _ in range(100):
        if not list(bench.site.backup_dir.iterdir()):
            break
        await asyncio.sleep(0.05)
    assert list(bench.site.backup_dir.iterdir()) == []


async def test_unmanaged_files_are_listed_and_can_be_imported(api: Api, bench: BackupBench) -> None:
    sql, directory = await a_dump(bench), bench.site.backup_dir
    (directory / "from-the-old-machine.sql").write_bytes(sql)
    (directory / "broken.sql").write_bytes(sql[:-100])
    # A file with the name of a backup but without a manifest is not deleted either.
    ours = "manual_20250101T000000Z_0123abcd.sql.gz"
    (directory / ours).write_bytes(gzip.compress(sql))
    os.utime(directory / ours, (1_735_689_600, 1_735_689_600))
    await bench.run(CreateBackup())
    document = (await api.admin.get(BACKUPS)).json()
    names = [one["name"] for one in document["unmanaged_files"]]
    assert names == ["broken.sql", "from-the-old-machine.sql", ours]
    assert document["total"] == 1
    codes = {}
    for name in names:
        answer = await api.admin.post(f"{BACKUPS}/{name}/verify")
        assert answer.status_code == 202, answer.text
        await bench.worker().run_until_idle()
        codes[name] = (await stored_row(bench.rows, answer.json()["job_id"]))["error_code"]
    assert codes == {"broken.sql": "backup_damaged", "from-the-old-machine.sql": None, ours: None}
    document = (await api.admin.get(BACKUPS)).json()
    assert [one["name"] for one in document["unmanaged_files"]] == ["broken.sql"]
    assert document["total"] == 3
    assert document["data"][-1]["name"] == ours
    # `latest` is the verified backup with the latest creation time, not the last import.
    (created,) = (one for one in bench.store.manifests() if one.kind == "manual")
    bench.store.amend(created.name, {"verification": Verification.VERIFIED})
    latest = (await api.admin.get(f"{BACKUPS}/latest")).json()
    assert latest["kind"] == "manual"
