"""Dry run, inspection of a table, required consent, older backups, and the audit log."""

import dataclasses
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sysndd_backup.restore.journal import Purpose
from sysndd_backup.restore.migrate_backup import Migrator
from sysndd_backup.restore.recovery import Recovery
from sysndd_core.jobs.models import (
    Consent,
    CreateBackup,
    DropInspection,
    DryRunRestore,
    InspectTable,
    RestoreBackup,
)
from tests.support.backups import scratch_schemas, tamper_with_backup
from tests.support.site import MIGRATIONS, REPOSITORY, Site
from tests.support.workers import PACKAGES, BackupBench, backup_bench

PEOPLE = """
INSERT INTO `user` (user_id, user_name, email, password_hash, role, state) VALUES
  (1, 'ann', 'ann@x', 'h1', 'Administrator', 'active'), (2, 'bob', 'bob@x', 'h2', 'Viewer', 'active'),
  (3, 'cyd', 'cyd@x', 'h3', 'Curator', 'active'), (4, 'é', 'e@x', 'h4', 'Viewer', 'active')
"""
SINCE = (
    "UPDATE `user` SET role = 'Administrator' WHERE user_id = 3",
    "UPDATE `user` SET password_hash = 'H4', user_name = 'e' WHERE user_id = 4",
    "DELETE FROM `user` WHERE user_id = 2",
    "INSERT INTO `user` (user_id, user_name, email) VALUES (9, 'new', 'new@x')",
    "CREATE TABLE later (id INT PRIMARY KEY)",
)


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    site.server.execute(PEOPLE, schema=site.app)
    async with backup_bench(site) as bench:
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"
        yield bench


def newest(bench: BackupBench) -> str:
    return bench.store.manifests()[0].name


def result_of(row: dict[str, object]) -> dict[str, Any]:
    assert row["state"] == "succeeded", row["error"]
    found: dict[str, Any] = json.loads(str(row["result"]))
    return found


async def test_a_dry_run_reports_tables_and_accounts(bench: BackupBench) -> None:
    for statement in SINCE:
        bench.site.server.execute(statement, schema=bench.site.app)
    live = bench.checksums()
    result = result_of(await bench.run(DryRunRestore(name=newest(bench))))
    assert {"table": "later", "live_rows": 0, "backup_rows": None} in result["tables"]
    accounts = result["accounts"]
    assert accounts["vanish"] == ["new"]
    assert accounts["come_back"] == ["bob"]
    assert [(one["user_id"], one["older"], one["role"]) for one in accounts["changed"]] == [
        (3, ["role"], ["Administrator", "Curator"]),
        (4, ["user name", "password"], None),
    ]
    assert accounts["active_administrators"] == 1
    assert result["required_consents"] == []
    assert bench.checksums() == live
    assert scratch_schemas(bench.site) == []


async def test_a_backup_without_administrator_needs_explicit_consent(bench: BackupBench) -> None:
    name = tamper_with_backup(
        bench, lambda dump: dump.replace(b"'Administrator','active'", b"'Curator','active'")
    )
    result = result_of(await bench.run(DryRunRestore(name=name)))
    assert (result["accounts"]["active_administrators"], result["required_consents"]) == (
        0,
        ["no_administrator"],
    )
    live = bench.checksums()
    row = await bench.run(RestoreBackup(name=name))
    assert (row["state"], row["error_code"]) == ("failed", "no_administrator_in_backup")
    assert "Nothing was changed" in str(row["error"])
    assert "--accept no_administrator" in str(row["error"])
    assert bench.checksums() == live
    assert scratch_schemas(bench.site) == []
    row = await bench.run(RestoreBackup(name=name, accept=(Consent.NO_ADMINISTRATOR,)))
    assert row["state"] == "succeeded", row["error"]


async def test_one_table_is_inspected_in_a_scratch_schema(bench: BackupBench) -> None:
    site, live = bench.site, bench.checksums()
    inspect = InspectTable(name=newest(bench), table="user")
    result = result_of(await bench.run(inspect))
    schema = result["schema"]
    assert bench.checksums(schema) == {"user": live["user"]}
    assert bench.checksums() == live

    row = await bench.run(DropInspection(schema_name=site.app))
    assert (row["state"], row["error_code"]) == ("failed", "inspection_not_found")
    assert bench.checksums() == live
    assert result_of(await bench.run(DropInspection(schema_name=schema))) == {"schema": schema}
    assert scratch_schemas(site) == []

    result_of(await bench.run(inspect))
    site.server.execute(
        f"UPDATE `{site.ops}`.inspection SET kept_until = NOW(6) - INTERVAL 1 SECOND"
    )
    await Recovery(bench.database, 24).recover()
    assert scratch_schemas(site) == []
    assert site.server.execute(f"SELECT * FROM `{site.ops}`.inspection") == ()


async def test_inspecting_a_table_that_is_not_in_the_backup_fails(bench: BackupBench) -> None:
    row = await bench.run(InspectTable(name=newest(bench), table="no such"))
    assert (row["state"], row["error_code"]) == ("failed", "table_not_in_backup")
    assert scratch_schemas(bench.site) == []


@pytest.fixture
def migrator(site: Site, tmp_path: Path) -> Migrator:
    """The real migrator, with one migration that is later than the backup."""
    directory = tmp_path / "migrations"
    directory.mkdir()
    for file in MIGRATIONS.glob("*.sql"):
        (directory / file.name).write_bytes(file.read_bytes())
    (directory / "900_later.sql").write_text(
        "CREATE TABLE later_one (id INT PRIMARY KEY);\nINSERT INTO later_one VALUES (1);\n"
    )
    program = tmp_path / "sysndd-migrator"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sysndd_migrator "$@"\n')
    program.chmod(0o755)
    folders = os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES)
    environ = {
        **os.environ,
        **site.environ,
        "MIGRATIONS_DIR": str(directory),
        "PYTHONPATH": folders,
    }
    return Migrator(str(program), environ, site.ops)


@pytest.mark.parametrize("uploaded", [False, True], ids=["own", "uploaded"])
async def test_an_older_backup_is_migrated(
    bench: BackupBench, migrator: Migrator, *, uploaded: bool
) -> None:
    site, name = bench.site, newest(bench)
    if uploaded:
        # Nothing in the text of a dump says which version it has.
        bench.store.amend(name, {"schema_version": None})
    await migrator.apply(site.app)
    tools = dataclasses.replace(bench.tools, migrate=migrator.apply)
    before = bench.checksums()
    assert "later_one" in before
    result = result_of(await bench.run(RestoreBackup(name=name), tools))
    assert result["migrated"] is True
    after = bench.checksums()
    assert after.keys() == before.keys()
    assert after["later_one"] == before["later_one"]
    assert site.server.execute(
        f"SELECT filename FROM `{site.app}`.schema_version ORDER BY 1 DESC LIMIT 1"
    ) == (("900_later.sql",),)
    # No migration is pending, and the migrator finds no drift.
    await migrator.apply(site.app)


async def test_a_failed_migration_does_not_change_the_live_database(
    bench: BackupBench, migrator: Migrator
) -> None:
    name = newest(bench)
    await migrator.apply(bench.site.app)
    directory = Path(migrator.variables["MIGRATIONS_DIR"])
    (directory / "900_later.sql").write_text("CREATE TABLE nonsense;\n")
    live = bench.checksums()
    tools = dataclasses.replace(bench.tools, migrate=migrator.apply)
    row = await bench.run(RestoreBackup(name=name), tools)
    assert (row["state"], row["error_code"]) == ("failed", "restore_failed")
    assert "migrations could not be applied" in str(row["error"])
    assert "900_later.sql" in str(row["error"])
    assert "Nothing was changed" in str(row["error"])
    assert bench.checksums() == live
    assert scratch_schemas(bench.site) == []


async def test_recovery_outcomes_are_audited(bench: BackupBench) -> None:
    """The worker is lost first; crash recovery determines the outcome of its restore later."""
    site = bench.site
    job_id = await bench.submit(RestoreBackup(name=newest(bench)))
    site.server.execute(
        f"UPDATE `{site.ops}`.job SET state = 'failed', error_code = 'worker_lost',"
        " error = 'lost', finished_at = UTC_TIMESTAMP(6)"
    )
    await bench.rows.reclaim()
    recovery = Recovery(bench.database, 24)
    await recovery.journal.open(
        Purpose.RESTORE,
        job_id=job_id,
        backup="b",
        incoming=f"{site.app}_shadow_x",
        outgoing=f"{site.app}_before_x",
        row_counts={},
    )
    await recovery.recover()
    await bench.rows.reclaim()
    rows = site.server.execute(
        f"SELECT outcome FROM `{site.ops}`.audit_log WHERE action = 'restore_backup_ended'"
        " ORDER BY id"
    )
    assert rows == (("worker_lost",), ("restore_failed",))
