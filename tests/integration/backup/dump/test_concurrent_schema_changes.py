"""Schema changes during a dump: ours wait for the schema lock, and others cause a retry."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pymysql.cursors
import pymysql.err
import pytest

from sysndd_backup.jobs import BackupPolicy
from sysndd_core.db.schema_lock import schema_lock
from sysndd_core.jobs.models import CreateBackup
from tests.support.backups import with_dump_script
from tests.support.burst import stored_row
from tests.support.site import Site
from tests.support.workers import backup_bench, eventually


async def test_an_alter_during_a_dump_waits_or_causes_a_retry(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The ALTER TABLE comes from a connection without the schema lock, and causes error 1412."""
    site.server.execute(f"CREATE TABLE `{site.app}`.altered (id INT PRIMARY KEY)")
    site.server.execute(f"INSERT INTO `{site.app}`.altered VALUES (1), (2)")
    async with backup_bench(site) as bench, connected(site) as blocker:
        # The first dump has its snapshot and waits for a table that precedes `altered`.
        site.server.execute(f"CREATE TABLE `{site.app}`.aaa (id INT PRIMARY KEY)")
        blocker.execute(f"LOCK TABLES `{site.app}`.aaa WRITE")
        job_id = await bench.submit(CreateBackup())
        running = asyncio.create_task(bench.worker().run_until_idle())
        await asyncio.to_thread(
            eventually,
            "the dump waits",
            lambda: list(site.backup_dir.glob("*.partial")),
            seconds=60,
        )
        await asyncio.sleep(0.5)
        alter = f"ALTER TABLE `{site.app}`.altered ADD COLUMN c INT, ALGORITHM=COPY"
        if site.server.is_mariadb:
            site.server.execute(alter)
        else:
            # On MySQL, the DDL fence blocks it until the dump ends.
            with site.server.connect() as other, other.cursor() as cursor:
                cursor.execute("SET SESSION lock_wait_timeout = 1")
                with pytest.raises(pymysql.err.OperationalError, match="Lock wait timeout"):
                    cursor.execute(alter)
        blocker.execute("UNLOCK TABLES")
        await running
        row = await stored_row(bench.rows, job_id)
        assert row["state"] == "succeeded", row["error"]
        (manifest,) = bench.store.manifests()
        assert manifest.rows_per_table["altered"] == 2
        assert manifest.ddl_fenced is not site.server.is_mariadb
        assert ("dump_retried" in caplog.text) is site.server.is_mariadb


@contextlib.asynccontextmanager
async def connected(site: Site) -> AsyncIterator[pymysql.cursors.Cursor]:
    with site.server.connect() as connection, connection.cursor() as cursor:
        yield cursor


async def test_repeated_alters_fail_the_job(site: Site, tmp_path: Path) -> None:
    script = "echo 'Error 1412: Table definition has changed' >&2; exit 3"
    async with backup_bench(site) as bench:
        row = await bench.run(CreateBackup(), with_dump_script(bench, tmp_path, script))
        assert (row["state"], row["error_code"]) == ("failed", "dump_failed")
        assert "A table was changed during the dump" in str(row["error"])
        assert list(site.backup_dir.iterdir()) == []


async def test_a_dump_waits_for_a_running_schema_change(site: Site) -> None:
    async with backup_bench(site) as bench:
        job_id = await bench.submit(CreateBackup())
        async with schema_lock(site.database, purpose="a migration", timeout=5):
            running = asyncio.create_task(bench.worker().run_until_idle())
            await asyncio.sleep(1.5)
            row = await stored_row(bench.rows, job_id)
            assert (row["state"], row["step"]) == ("running", "waiting")
            assert not list(site.backup_dir.iterdir())
        await running
        assert (await stored_row(bench.rows, job_id))["state"] == "succeeded"


async def test_progress_never_decreases_and_ends_at_100_percent(site: Site, tmp_path: Path) -> None:
    async with backup_bench(site) as bench:
        bench.policy = BackupPolicy()
        slow = with_dump_script(bench, tmp_path, '"{real}" "$@" | (sleep 1; cat)')
        job_id = await bench.submit(CreateBackup())
        running = asyncio.create_task(bench.worker(slow).run_until_idle())
        seen: list[int] = []
        steps: set[str] = set()
        while not running.done():
            row = await stored_row(bench.rows, job_id)
            seen.append(row["percent"])
            steps.add(row["step"])
            await asyncio.sleep(0.02)
        row = await stored_row(bench.rows, job_id)
        assert (row["state"], row["percent"]) == ("succeeded", 100)
        assert seen == sorted(seen)
        assert {"dumping", "loading"} <= steps
