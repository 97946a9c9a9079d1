"""Verification of backups by restoring them into a scratch schema."""

import asyncio
import dataclasses
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sysndd_backup.jobs import BackupPolicy
from sysndd_backup.server.clients import Clients
from sysndd_core.backups.manifest import Verification
from sysndd_core.jobs.models import CreateBackup, ImportBackup, VerifyBackup
from sysndd_core.settings.backup import VerifyPolicy
from tests.support.backups import UNUSUAL_OBJECTS, UNUSUAL_TYPES, with_dump_script
from tests.support.burst import stored_row
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench, eventually


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    with site.server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        for statement in (
            (UNUSUAL_OBJECTS + UNUSUAL_TYPES).format(app=site.app).strip().split(";\n")
        ):
            cursor.execute(statement.strip().removesuffix(";"))
        # The tables have another collation than the schema has from now on.
        cursor.execute(f"ALTER DATABASE `{site.app}` COLLATE utf8mb4_bin")
    async with backup_bench(site) as bench:
        bench.policy = BackupPolicy()
        yield bench


def verification_schemas(site: Site) -> list[str]:
    rows = site.server.execute(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s",
        (f"{site.app}\\_verify%",),
    )
    return [name for (name,) in rows]


async def test_a_backup_is_verified_and_records_when(bench: BackupBench) -> None:
    before = datetime.now(UTC)
    live = bench.checksums()
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]
    (manifest,) = bench.store.manifests()
    assert manifest.verification is Verification.VERIFIED, manifest.verification_error
    assert manifest.verified_at is not None
    assert before < manifest.verified_at < datetime.now(UTC)
    assert bench.checksums() == live
    assert verification_schemas(bench.site) == []
    # The live event is unchanged, and no other schema contains one.
    events = bench.site.server.execute(
        "SELECT status FROM information_schema.events WHERE event_name = 'on_and_off'"
    )
    assert events == (("ENABLED",),)
    first = manifest.verified_at
    row = await bench.run(VerifyBackup(name=manifest.name))
    assert row["state"] == "succeeded", row["error"]
    again = bench.store.manifest(manifest.name)
    assert again.verified_at is not None
    assert again.verified_at > first


LOSSES = {
    "structure of the table numbers": "s/^  `f` double/  `f` float/",
    "procedure p": "s/SELECT ';' AS s/SELECT ';;' AS s/",
    "event on_and_off": "s/EVERY 1 HOUR/EVERY 2 HOUR/",
    "view v1": "s/^\\(.*50001 VIEW `v1` AS .*\\)`t` AS `t`/\\1`t` AS `u`/",
    "rows of the table numbers": "s/1.0000000001/1.0000000002/",
}


@pytest.mark.parametrize("part", LOSSES)
async def test_verification_names_what_differs(
    bench: BackupBench, tmp_path: Path, part: str
) -> None:
    """The client that loads the dump silently changes one object."""
    program = tmp_path / "load"
    real = bench.tools.clients.load
    program.write_text(
        f'#!/bin/sh\nsed "{LOSSES[part].replace("`", chr(92) + "`")}" | {real} "$@"\n'
    )
    program.chmod(0o755)
    clients = Clients(bench.tools.clients.dump, str(program), bench.tools.clients.version)
    row = await bench.run(CreateBackup(), dataclasses.replace(bench.tools, clients=clients))
    assert (row["state"], row["error_code"]) == ("failed", "verification_failed")
    assert part in str(row["error"])
    (manifest,) = bench.store.manifests()
    assert manifest.verification is Verification.FAILED
    assert part in str(manifest.verification_error)
    assert verification_schemas(bench.site) == []


async def test_a_dump_that_cannot_be_loaded_fails_verification(
    bench: BackupBench, tmp_path: Path
) -> None:
    script = '"{real}" "$@" | sed "s/^  PRIMARY KEY (/  NONSENSE KEY (/"'
    row = await bench.run(CreateBackup(), with_dump_script(bench, tmp_path, script))
    assert (row["state"], row["error_code"]) == ("failed", "verification_failed")
    (manifest,) = bench.store.manifests()
    assert f"{manifest.name} cannot be loaded" in str(row["error"])
    assert verification_schemas(bench.site) == []


async def test_a_corrupted_file_loses_its_verification(bench: BackupBench) -> None:
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    path = bench.store.path(manifest.name)
    whole = path.read_bytes()
    path.write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    row = await bench.run(VerifyBackup(name=manifest.name))
    assert (row["state"], row["error_code"]) == ("failed", "backup_damaged")
    assert bench.store.manifest(manifest.name).verification is Verification.FAILED


async def test_a_cancelled_verification_leaves_no_scratch_schema(
    bench: BackupBench, tmp_path: Path
) -> None:
    program = tmp_path / "load"
    program.write_text(f'#!/bin/sh\nsleep 60\nexec {bench.tools.clients.load} "$@"\n')
    program.chmod(0o755)
    clients = Clients(bench.tools.clients.dump, str(program), bench.tools.clients.version)
    job_id = await bench.submit(CreateBackup())
    worker = bench.worker(dataclasses.replace(bench.tools, clients=clients))
    running = asyncio.create_task(worker.run_until_idle())
    await asyncio.to_thread(
        eventually,
        "the verification has started",
        lambda: verification_schemas(bench.site),
        seconds=60,
    )
    async with bench.database.transaction() as tx:
        await bench.rows.request_cancel(tx, job_id)
    await running
    assert (await stored_row(bench.rows, job_id))["state"] == "cancelled"
    assert verification_schemas(bench.site) == []
    # The dump is complete, so it remains as a backup without a verification.
    (manifest,) = bench.store.manifests()
    assert manifest.verification is None


OTHER_WORDING = {
    "a later series": "s/^.*SET NAMES utf8mb4.*$/&\\n\\/*M!100616 SET @LATER=1 *\\/;/",
    "other words for a type": "s/ int(\\(11\\))? NOT NULL/ INT NOT NULL/",
}


@pytest.mark.parametrize("change", OTHER_WORDING.values(), ids=OTHER_WORDING)
async def test_a_backup_of_another_series_is_verified_by_its_content(
    bench: BackupBench, tmp_path: Path, change: str
) -> None:
    """The text of another server or client is another one for the same definitions."""
    bench.policy = BackupPolicy(verify=VerifyPolicy.NEVER)
    script = f'"{{real}}" "$@" | sed -E "{change}"'
    row = await bench.run(CreateBackup(), with_dump_script(bench, tmp_path, script))
    assert row["state"] == "succeeded", row["error"]
    (manifest,) = bench.store.manifests()
    row = await bench.run(VerifyBackup(name=manifest.name))
    assert (row["state"], row["error_code"]) == ("failed", "verification_failed"), change
    assert "Backup: " in row["error"]
    bench.store.write_manifest(manifest.model_copy(update={"server_version": "10.6.1-MariaDB"}))
    row = await bench.run(VerifyBackup(name=manifest.name))
    assert row["state"] == "succeeded", row["error"]


async def test_rows_of_another_series_are_compared(bench: BackupBench, tmp_path: Path) -> None:
    bench.policy = BackupPolicy(verify=VerifyPolicy.NEVER)
    # The server rounds this value, so the restored row differs from the dumped one.
    script = '"{real}" "$@" | sed "s/1.0000000001/1.00000000014/"'
    row = await bench.run(CreateBackup(), with_dump_script(bench, tmp_path, script))
    assert row["state"] == "succeeded", row["error"]
    (manifest,) = bench.store.manifests()
    bench.store.write_manifest(manifest.model_copy(update={"server_version": "10.6.1-MariaDB"}))
    row = await bench.run(VerifyBackup(name=manifest.name))
    assert (row["state"], row["error_code"]) == ("failed", "verification_failed")
    assert "rows of the table numbers" in row["error"]


OTHER_OPTIONS = (
    ("--skip-opt", "--complete-insert"),
    ("--skip-extended-insert", "--skip-add-locks"),
    ("--skip-add-drop-table", "--skip-tz-utc"),
    ("--skip-hex-blob", "--skip-set-charset", "--order-by-primary"),
)


@pytest.mark.parametrize("options", OTHER_OPTIONS, ids=" ".join)
async def test_an_upload_with_other_options_is_verified_as_what_it_is(
    bench: BackupBench, tmp_path: Path, options: tuple[str, ...]
) -> None:
    dump = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this loop
        [
            bench.tools.clients.dump,
            *("--no-defaults", f"--host={bench.site.server.host}"),
            *(f"--port={bench.site.server.port}", f"--user={bench.site.server.user}"),
            *(f"--password={bench.site.server.password}", "--single-transaction"),
            *(["--set-gtid-purged=OFF"] if bench.tools.server.vendor == "MySQL" else []),
            *("--routines", "--events", "--no-tablespaces", "--protocol=tcp", *options),
            bench.site.app,
        ],
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    (bench.site.backup_dir / "elsewhere.sql").write_bytes(dump)
    row = await bench.run(ImportBackup(name="elsewhere.sql"))
    assert row["state"] == "succeeded", row["error"]
    row = await bench.run(VerifyBackup(name="elsewhere.sql"))
    assert row["state"] == "succeeded", row["error"]


async def test_a_view_whose_definer_is_gone_is_verified(bench: BackupBench) -> None:
    """MariaDB then shows its definition with the schema's name."""
    server, app = bench.site.server, bench.site.app
    definer = f"`{app}_definer`@`%`"
    server.execute(f"CREATE USER {definer}")
    server.execute(f"GRANT SELECT ON `{app}`.* TO {definer}")
    server.execute(f"CREATE DEFINER={definer} VIEW `{app}`.of_gone AS SELECT id FROM `{app}`.v1")
    server.execute(f"DROP USER {definer}")
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]
    (manifest,) = bench.store.manifests()
    assert manifest.verification is Verification.VERIFIED


async def test_a_backup_is_verified_while_the_application_schema_is_lost(
    bench: BackupBench,
) -> None:
    assert (await bench.run(CreateBackup()))["state"] == "succeeded"
    (manifest,) = bench.store.manifests()
    bench.site.server.execute(f"DROP DATABASE `{bench.site.app}`")
    row = await bench.run(VerifyBackup(name=manifest.name))
    assert row["state"] == "succeeded", row["error"]
    assert verification_schemas(bench.site) == []
