"""Missing and unreadable tables: the errors of requests, health, readiness, overview, commands."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sysndd_core.db.database import Database
from sysndd_core.db.schema_lock import schema_lock
from sysndd_core.errors import SchemaChanging, SchemaDamaged
from sysndd_core.jobs.models import CreateBackup, RestoreBackup, UndoRestore
from tests.support.accounts import add_site_user
from tests.support.http import PASSWORD, Api, problem
from tests.support.site import MIGRATIONS, Site
from tests.support.wiki import Run, run
from tests.support.workers import BackupBench, backup_bench, service_process

__all__ = ["run"]

ADMIN = "sysndd_api.cli.main"
NEXT_STEP = (
    "Restore a backup from before the loss: open /admin, or run sysndd-admin list and sysndd-admin"
    " restore NAME."
)


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    async with backup_bench(site) as bench:
        yield bench


async def backed_up(bench: BackupBench) -> str:
    """Create a verified backup and return its name."""
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]
    manifest = bench.store.manifests()[0]
    verified = manifest.model_copy(update={"verification": "verified"})
    bench.store.write_manifest(verified)
    return manifest.name


async def migrate(run: Run, site: Site, folder: Path, name: str, sql: str, *options: str) -> None:
    """Apply one more migration file than the site has."""
    directory = folder / "migrations"
    if not directory.exists():
        shutil.copytree(MIGRATIONS, directory)
    (directory / name).write_text(sql + "\n", encoding="utf-8")
    done = await asyncio.to_thread(
        run, site, "sysndd_migrator", "up", *options, MIGRATIONS_DIR=str(directory)
    )
    assert done.returncode == 0, done.stderr


def drop(site: Site, table: str) -> None:
    with site.server.connect(site.app) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute(f"DROP TABLE `{table}`")


async def schema_check(api: Api, status: str) -> dict[str, Any]:
    """Return the check of the schema as soon as it has a status; it is cached for seconds."""
    deadline = time.monotonic() + 30
    while True:
        report = (await api.admin.get("/api/health")).json()
        check: dict[str, Any] = report["checks"]["schema"]
        if check["status"] == status:
            return check
        assert time.monotonic() < deadline, check
        await asyncio.sleep(0.2)


async def test_a_complete_schema_passes(api: Api) -> None:
    check = await schema_check(api, "pass")
    assert (check["missing"], check["unreadable"]) == ([], {})
    assert (await api.client.get("/api/health/ready")).status_code == 200


async def test_a_missing_user_table_is_reported_and_operators_sign_in(api: Api, site: Site) -> None:
    add_site_user(site, "carla", "Curator")
    user = await api.signed_in("carla")
    drop(site, "user")
    for client in (api.client, user):
        answer = await client.post("/api/auth/login", json={"login": "carla", "password": "wrong"})
        found = problem(answer, 503, "schema_damaged")
        assert "user" not in found["detail"]
        assert "Retry-After" not in answer.headers
        assert not {"object", "schema"} & found.keys()
    found = problem(await user.get("/api/auth/me"), 503, "schema_damaged")
    assert site.app not in str(found)
    await user.aclose()
    answer = await api.client.post("/api/auth/login", json={"login": "admin", "password": PASSWORD})
    assert answer.status_code == 200
    found = problem(await api.admin.get("/api/admin/users"), 503, "schema_damaged")
    assert found["detail"] == (
        f"The table user of the application schema {site.app} does not exist. {NEXT_STEP}"
    )
    assert (found["schema"], found["object"]) == (site.app, "user")
    check = await schema_check(api, "fail")
    assert check["missing"] == ["user"]
    assert "The table user is missing." in check["reason"]


async def test_missing_tables_fail_health_and_readiness_without_names_for_strangers(
    api: Api, site: Site, bench: BackupBench, page_client: httpx.AsyncClient
) -> None:
    name = await backed_up(bench)
    drop(site, "gene")
    drop(site, "entity")
    check = await schema_check(api, "fail")
    assert check["missing"] == ["entity", "gene"]
    assert check["reason"] == (
        f"2 tables are missing: entity, gene. Restore a backup: sysndd-admin restore {name}"
    )
    ready = await api.client.get("/api/health/ready")
    assert ready.status_code == 503
    assert ready.json()["reason"] == "2 tables are missing. Restore a backup."
    report = await api.client.get("/api/health")
    assert (report.status_code, report.json()["status"]) == (503, "fail")
    assert (await api.client.get("/api/health/live")).status_code == 200
    found = problem(await api.client.get("/api/genes"), 503, "schema_damaged")
    for public in (ready.text, report.text, str(found)):
        assert "gene" not in public
    found = problem(await api.admin.get("/api/genes"), 503, "schema_damaged")
    assert "The table gene of the application schema" in found["detail"]

    overview = (await page_client.get("/admin")).text
    assert "Tables are missing or unreadable" in overview
    assert "<code>gene</code> is missing" in overview
    assert f'href="/admin/backups/{name}/restore"' in overview
    assert (await page_client.get(f"/admin/backups/{name}/restore")).status_code == 200

    site.server.execute("DROP VIEW entity_view", schema=site.app)  # not readable without its tables
    row = await bench.run(RestoreBackup(name=name))
    assert row["state"] == "succeeded", row["error"]
    await schema_check(api, "pass")
    assert (await api.client.get("/api/health/ready")).status_code == 200
    assert "Tables are missing" not in (await page_client.get("/admin")).text


async def test_a_missing_schema_is_reported_instead_of_pending_migrations(
    api: Api, site: Site, bench: BackupBench, page_client: httpx.AsyncClient, run: Run
) -> None:
    name = await backed_up(bench)
    site.server.execute(f"DROP DATABASE `{site.app}`")
    check = await schema_check(api, "fail")
    assert check["reason"] == (
        f"The application schema {site.app} is missing. Restore a backup: sysndd-admin restore"
        f" {name}"
    )
    ready = await api.client.get("/api/health/ready")
    assert (ready.status_code, ready.json()["reason"]) == (
        503,
        "The application schema is missing. Restore a backup.",
    )
    report = (await api.admin.get("/api/health")).json()
    assert "sysndd-migrator up" not in str(report)
    found = problem(await api.admin.get("/api/genes"), 503, "schema_damaged")
    assert found["detail"] == f"The application schema {site.app} does not exist. {NEXT_STEP}"
    assert "object" not in found
    assert site.app not in (await api.client.get("/api/genes")).text
    for path in ("/admin", "/admin/backups", f"/admin/backups/{name}/restore", "/admin/migrations"):
        answer = await page_client.get(path)
        assert answer.status_code == 200, path
        assert "sysndd-migrator up" not in answer.text, path
    overview = (await page_client.get("/admin")).text
    assert "The application schema is missing" in overview
    assert f'href="/admin/backups/{name}/restore"' in overview

    listed = await asyncio.to_thread(run, site, ADMIN, "list")
    assert (listed.returncode, name in listed.stdout) == (0, True), listed.stderr
    done = await asyncio.to_thread(run, site, ADMIN, "users")
    assert (done.returncode, done.stderr) == (
        1,
        f"sysndd-admin users: The application schema {site.app} does not exist. {NEXT_STEP}\n",
    )


async def test_commands_name_the_missing_table(
    site: Site, run: Run, bench: BackupBench, tmp_path: Path
) -> None:
    name = await backed_up(bench)
    drop(site, "user")
    done = await asyncio.to_thread(run, site, ADMIN, "list")
    assert (done.returncode, name in done.stdout) == (0, True), done.stderr
    done = await asyncio.to_thread(run, site, ADMIN, "users")
    assert (done.returncode, done.stderr) == (
        1,
        f"sysndd-admin users: The table user of the application schema {site.app} does not exist."
        f" {NEXT_STEP}\n",
    )
    with service_process("sysndd_backup", site, tmp_path):
        done = await asyncio.to_thread(
            run,
            site,
            ADMIN,
            "restore",
            name,
            "--confirm",
            "RESTORE",
            "--accept",
            "no_administrator",
        )
    assert (done.returncode, f"Restored {name}" in done.stdout) == (0, True), done.stderr
    assert (await asyncio.to_thread(run, site, ADMIN, "users")).returncode == 0


async def test_a_backup_from_after_the_loss_is_not_offered(
    api: Api, site: Site, bench: BackupBench, page_client: httpx.AsyncClient
) -> None:
    good = await backed_up(bench)
    drop(site, "user")
    site.server.execute("DROP VIEW entity_view", schema=site.app)
    await asyncio.sleep(1)  # backups of one second have no order
    after_the_loss = await backed_up(bench)
    check = await schema_check(api, "fail")
    assert check["missing"] == ["entity_view", "user"]
    assert check["restorable_backup"] == good
    assert check["reason"].startswith("2 tables and views are missing: entity_view, user.")
    overview = (await page_client.get("/admin")).text
    assert f'href="/admin/backups/{good}/restore"' in overview
    assert f"{after_the_loss}/restore" not in overview


async def test_a_discarded_tablespace_is_reported_and_forgotten_when_it_is_restored(
    api: Api, site: Site, bench: BackupBench, page_client: httpx.AsyncClient
) -> None:
    name = await backed_up(bench)
    discard(site, "entity")
    # Health finds it without a request that needs the table.
    check = await schema_check(api, "fail")
    assert check["missing"] == []
    assert list(check["unreadable"]) == ["entity"]
    assert "error 1814" in check["unreadable"]["entity"]
    assert "The table entity is unreadable." in check["reason"]
    assert "entity" not in (await api.client.get("/api/health/ready")).text
    found = problem(await api.admin.get("/api/entities"), 503, "schema_damaged")
    assert (
        f"The table entity of the application schema {site.app} cannot be read" in found["detail"]
    )
    assert (
        "entity"
        not in problem(await api.client.get("/api/entities"), 503, "schema_damaged")["detail"]
    )
    overview = (await page_client.get("/admin")).text
    assert "<code>entity</code> cannot be read" in overview
    # The page that leads out must not need the table.
    assert (await page_client.get(f"/admin/backups/{name}/restore")).status_code == 200
    drop(site, "entity")
    site.server.execute("DROP VIEW entity_view", schema=site.app)  # not readable without its table
    assert (await schema_check(api, "fail"))["reason"]
    row = await bench.run(RestoreBackup(name=name))
    assert row["state"] == "succeeded", row["error"]
    await schema_check(api, "pass")


def discard(site: Site, table: str) -> None:
    with site.server.connect(site.app) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute(f"ALTER TABLE `{table}` DISCARD TABLESPACE")


async def test_a_request_that_fails_is_reported_without_waiting_for_the_next_round(
    api: Api, site: Site
) -> None:
    await schema_check(api, "pass")
    discard(site, "gene")
    assert (await api.client.get("/api/genes")).status_code == 503
    begun = time.monotonic()
    await schema_check(api, "fail")
    assert time.monotonic() - begun < 2


async def test_a_view_on_a_dropped_table_is_named(database: Database, site: Site) -> None:
    site.server.execute("CREATE TABLE base (a INT)", schema=site.app)
    site.server.execute("CREATE VIEW shown AS SELECT a FROM base", schema=site.app)
    site.server.execute("DROP TABLE base", schema=site.app)
    with pytest.raises(SchemaDamaged, match="The view shown of the application schema"):
        await database.fetch_all(f"SELECT * FROM {database.app}.shown")
    assert list(database.damage.unreadable) == ["shown"]


async def test_a_corrupt_table_file_is_named(
    database: Database, site: Site, tmp_path: Path
) -> None:
    ((directory,),) = site.server.execute("SELECT @@datadir")
    site.server.execute("CREATE TABLE notes (a INT PRIMARY KEY) ENGINE = MyISAM", schema=site.app)
    site.server.execute("INSERT INTO notes VALUES (1)", schema=site.app)
    site.server.execute("FLUSH TABLES notes", schema=site.app)
    file = Path(directory) / site.app / "notes.MYI"
    shutil.copy(file, tmp_path)
    file.write_bytes(b"\0" * file.stat().st_size)
    with pytest.raises(SchemaDamaged, match="The table notes of the application schema"):
        await database.fetch_all(f"SELECT * FROM {database.app}.`notes`")


async def test_a_missing_table_of_the_platform_schema_needs_the_migrator(
    database: Database, site: Site
) -> None:
    site.server.execute(f"DROP TABLE `{site.ops}`.inspection")
    with pytest.raises(SchemaDamaged, match="Run: sysndd-migrator up"):
        await database.fetch_all(f"SELECT * FROM {database.ops}.inspection")


async def test_a_table_that_a_restore_is_replacing_is_changing(
    database: Database, site: Site
) -> None:
    drop(site, "entity")
    await database.execute(
        f"INSERT INTO {database.ops}.restore_journal (job_id, purpose, live, incoming, outgoing,"
        " step, started_at) VALUES (UUID(), 'restore', %s, 'i', 'o', 'x', UTC_TIMESTAMP(6))",
        (site.app,),
    )
    query = f"SELECT * FROM {database.app}.entity"
    with pytest.raises(SchemaChanging):
        await database.fetch_all(query)
    await database.execute(
        f"UPDATE {database.ops}.restore_journal SET finished_at = UTC_TIMESTAMP(6) - INTERVAL 1 DAY"
    )
    with pytest.raises(SchemaDamaged):
        await database.fetch_all(query)


async def test_a_running_migration_is_changing_but_a_backup_is_not(
    database: Database, site: Site
) -> None:
    drop(site, "entity")
    query = f"SELECT * FROM {database.app}.entity"
    async with schema_lock(site.database, purpose="test", timeout=5):
        with pytest.raises(SchemaDamaged):
            await database.fetch_all(query)
        await database.execute(
            f"INSERT INTO {database.ops}.schema_object (schema_name, name, definition, server,"
            " recorded_at) VALUES (%s, 'a run is in progress', '', '', UTC_TIMESTAMP(6))",
            (site.app,),
        )
        with pytest.raises(SchemaChanging):
            await database.fetch_all(query)
    # The record of a migrator that was killed.
    with pytest.raises(SchemaDamaged):
        await database.fetch_all(query)


async def test_a_transaction_survives_the_question(database: Database, site: Site) -> None:
    drop(site, "entity")
    async with database.transaction() as tx:
        with pytest.raises(SchemaDamaged):
            await tx.execute(f"DELETE FROM {database.app}.entity")
        await tx.execute(
            f"INSERT INTO {database.ops}.worker (name, queue, started_at, seen_at)"
            " VALUES ('w', 'backup', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
        )
    assert await database.fetch_one(f"SELECT name FROM {database.ops}.worker")


async def test_nothing_is_damaged_during_a_restore_and_an_undo(
    api: Api, site: Site, bench: BackupBench
) -> None:
    name = await backed_up(bench)
    codes: set[str] = set()
    reasons: set[str] = set()

    async def observe() -> None:
        while True:
            answer = await api.client.get("/api/genes")
            codes.add("" if answer.status_code == 200 else answer.json()["code"])
            check = (await api.admin.get("/api/health")).json()["checks"]["schema"]
            reasons.add(check.get("reason", ""))

    observer = asyncio.create_task(observe())
    for job in (RestoreBackup(name=name), UndoRestore(), RestoreBackup(name=name)):
        row = await bench.run(job)
        assert row["state"] == "succeeded", row["error"]
    observer.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await observer
    assert codes <= {"", "schema_changing", "maintenance"}
    assert reasons == {""}


async def test_a_migration_that_drops_a_table_is_not_damage(
    api: Api, site: Site, run: Run, tmp_path: Path
) -> None:
    await schema_check(api, "pass")
    await migrate(run, site, tmp_path, "901_note.sql", "CREATE TABLE note (a INT PRIMARY KEY);")
    await schema_check(api, "pass")
    await migrate(run, site, tmp_path, "902_no_note.sql", "DROP TABLE note;")
    await asyncio.sleep(6)  # longer than the result is cached
    assert (await api.admin.get("/api/health")).json()["checks"]["schema"]["status"] == "pass"


async def test_a_table_dropped_by_hand_stays_missing_until_it_is_accepted(
    api: Api, site: Site, run: Run, tmp_path: Path
) -> None:
    await migrate(run, site, tmp_path, "901_note.sql", "CREATE TABLE note (a INT PRIMARY KEY);")
    drop(site, "note")
    await migrate(run, site, tmp_path, "902_more.sql", "CREATE TABLE more (a INT PRIMARY KEY);")
    assert (await schema_check(api, "fail"))["missing"] == ["note"]
    await migrate(run, site, tmp_path, "903_more.sql", "DROP TABLE more;", "--accept-drift")
    await schema_check(api, "pass")


async def test_a_backup_from_before_a_table_existed_is_not_damage(
    api: Api, site: Site, bench: BackupBench, run: Run, tmp_path: Path
) -> None:
    name = await backed_up(bench)
    await migrate(run, site, tmp_path, "901_note.sql", "CREATE TABLE note (a INT PRIMARY KEY);")
    row = await bench.run(RestoreBackup(name=name))
    assert row["state"] == "succeeded", row["error"]
    await schema_check(api, "pass")
    drop(site, "entity")
    assert (await schema_check(api, "fail"))["missing"] == ["entity"]
    row = await bench.run(UndoRestore())
    assert row["state"] == "succeeded", row["error"]
    await schema_check(api, "pass")
    drop(site, "note")
    assert (await schema_check(api, "fail"))["missing"] == ["note"]
