"""Backup and restore: round trip, incomplete dumps, and restores that must be refused."""

import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sysndd_core.errors import OperationInProgress
from sysndd_core.jobs.models import BackupKind, Consent, CreateBackup, RestoreBackup
from sysndd_core.settings.backup import BackupCompression
from tests.support.backups import UNUSUAL_OBJECTS, scratch_schemas, with_dump_script
from tests.support.burst import stored_row
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    for statement in UNUSUAL_OBJECTS.format(app=site.app).strip().split(";\n"):
        site.server.execute(statement.strip().removesuffix(";"))
    site.server.execute(
        f"INSERT INTO `{site.app}`.`user` (user_name, email) VALUES ('a', 'a@x'), ('b', 'b@x')"
    )
    async with backup_bench(site) as bench:
        yield bench


def stored_objects(site: Site) -> list[tuple[object, ...]]:
    """Return all stored objects, as the server describes them."""
    rows: list[tuple[object, ...]] = []
    for table, columns, schema in (
        ("views", "table_name, view_definition", "table_schema"),
        ("triggers", "trigger_name, event_object_table, action_statement", "trigger_schema"),
        ("routines", "routine_name, routine_definition", "routine_schema"),
        ("events", "event_name, event_definition, status", "event_schema"),
    ):
        rows += site.server.execute(
            f"SELECT '{table}', {columns} FROM information_schema.{table}"
            f" WHERE {schema} = %s ORDER BY 2",
            (site.app,),
        )
    return rows


@pytest.mark.parametrize("compression", list(BackupCompression))
async def test_a_restore_returns_tables_and_stored_objects_to_the_backup(
    bench: BackupBench, compression: BackupCompression
) -> None:
    bench.tools = dataclasses.replace(bench.tools, compression=compression)
    server, app = bench.site.server, bench.site.app
    before, stored_objects_before = bench.checksums(), stored_objects(bench.site)
    row = await bench.run(CreateBackup())
    assert (row["state"], row["percent"], row["error"]) == ("succeeded", 100, None)
    (manifest,) = bench.store.manifests()
    path = bench.store.path(manifest.name)
    assert manifest.size_bytes == path.stat().st_size
    assert manifest.table_count == len(before)
    for table in before:
        ((count,),) = server.execute(f"SELECT COUNT(*) FROM `{app}`.`{table}`")
        assert manifest.rows_per_table[table] == count, table
    assert manifest.rows_per_table["a table"] == 3
    assert manifest.schema_version is not None
    assert path.stat().st_mode & 0o077 == 0

    server.execute(f"DELETE FROM `{app}`.`a table` WHERE id = 3")
    server.execute(f"DROP TABLE `{app}`.review_publication")
    server.execute(f"DROP VIEW `{app}`.v2")
    server.execute(f"DROP PROCEDURE `{app}`.p")
    server.execute(f"CREATE TABLE `{app}`.not_in_the_backup (id INT PRIMARY KEY)")
    server.execute(f"CREATE VIEW `{app}`.not_there_either AS SELECT 1 AS one")
    damaged = bench.checksums()

    row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
    assert row["state"] == "succeeded", row["error"]
    assert bench.checksums() == before
    assert stored_objects(bench.site) == stored_objects_before
    assert server.execute(f"SELECT MAX(n) FROM `{app}`.v2") == ((4,),)

    safety = json.loads(str(row["result"]))["safety_backup"]
    assert bench.store.manifest(safety).kind is BackupKind.PRE_RESTORE
    row = await bench.run(RestoreBackup(name=safety, accept=tuple(Consent)))
    assert row["state"] == "succeeded", row["error"]
    assert bench.checksums() == damaged
    # Only the tables that the last restore replaced are retained for an undo.
    (retained,) = scratch_schemas(bench.site)
    assert "_before_" in retained
    assert bench.checksums(retained) == before


FAILING_CLIENTS = {
    "empty": "exit 0",
    "fails immediately": "echo boom >&2; exit 2",
    "without trailer, exit 0": '"{real}" "$@" | head -n -1',
    "truncated, exit 0": '"{real}" "$@" | head -c 20000',
    "complete, exit 3": '"{real}" "$@"; exit 3',
    "killed": '"{real}" "$@" | head -c 5000; kill -9 $$',
}


@pytest.mark.parametrize("script", FAILING_CLIENTS.values(), ids=FAILING_CLIENTS)
async def test_an_incomplete_dump_fails_the_job_and_leaves_no_file(
    bench: BackupBench, tmp_path: Path, script: str
) -> None:
    row = await bench.run(CreateBackup(), with_dump_script(bench, tmp_path, script))
    assert (row["state"], row["error_code"]) == ("failed", "dump_failed")
    assert row["error"]
    assert list(bench.site.backup_dir.iterdir()) == []
    assert (await bench.run(CreateBackup()))["state"] == "succeeded"


async def test_restore_stops_when_its_safety_backup_fails(
    bench: BackupBench, tmp_path: Path
) -> None:
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    bench.site.server.execute(f"DELETE FROM `{bench.site.app}`.`a table` WHERE id = 3")
    live = bench.checksums()
    row = await bench.run(
        RestoreBackup(name=manifest.name, accept=tuple(Consent)),
        with_dump_script(bench, tmp_path, "echo no >&2; exit 1"),
    )
    assert (row["state"], row["error_code"]) == ("failed", "safety_backup_failed")
    assert bench.checksums() == live
    assert bench.store.manifests() == [manifest]


async def test_a_damaged_file_fails_the_restore_before_the_safety_backup(
    bench: BackupBench,
) -> None:
    await bench.run(CreateBackup())
    (manifest,) = bench.store.manifests()
    path = bench.store.path(manifest.name)
    whole, live = path.read_bytes(), bench.checksums()
    for offset in range(0, len(whole), len(whole) // 20):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
        assert (row["state"], row["error_code"]) == ("failed", "backup_damaged"), offset
    assert bench.checksums() == live
    # There is no safety backup, and a truncated file is not listed.
    assert [one.kind for one in bench.store.manifests()] == [BackupKind.MANUAL]
    path.write_bytes(whole[:-1])
    assert bench.store.manifests() == []


async def test_a_dump_that_cannot_be_loaded_does_not_change_the_live_database(
    bench: BackupBench, tmp_path: Path
) -> None:
    """The hashes match, but the SQL is invalid, so loading the shadow schema fails."""
    script = '"{real}" "$@" | sed "s/^  PRIMARY KEY (/  NONSENSE KEY (/"'
    row = await bench.run(CreateBackup(), with_dump_script(bench, tmp_path, script))
    assert row["state"] == "succeeded"
    (manifest,) = bench.store.manifests()
    live, described = bench.checksums(), stored_objects(bench.site)
    row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
    assert (row["state"], row["error_code"]) == ("failed", "restore_failed")
    assert "Nothing was changed" in str(row["error"])
    assert (bench.checksums(), stored_objects(bench.site)) == (live, described)
    assert scratch_schemas(bench.site) == []


async def test_a_second_request_is_rejected_with_the_running_job(bench: BackupBench) -> None:
    job_id = await bench.submit(CreateBackup())
    for job in (CreateBackup(), RestoreBackup(name="x.sql", accept=tuple(Consent))):
        with pytest.raises(OperationInProgress) as caught:
            await bench.submit(job)
        assert caught.value.extra == {"job_id": job_id}
    await bench.worker().run_until_idle()
    assert (await stored_row(bench.rows, job_id))["state"] == "succeeded"
    await bench.submit(CreateBackup())


async def test_a_backup_of_an_empty_schema_fails(bench: BackupBench) -> None:
    tables = ", ".join(f"`{table}`" for table in bench.checksums())
    with bench.site.server.connect(bench.site.app) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute(f"DROP TABLE {tables}")
    for name in ("v1", "v2", "entity_view"):
        bench.site.server.execute(f"DROP VIEW `{bench.site.app}`.`{name}`")
    row = await bench.run(CreateBackup())
    assert (row["state"], row["error_code"]) == ("failed", "dump_failed")
    assert list(bench.site.backup_dir.iterdir()) == []
