"""Incomplete dumps: each cause fails the job with an error that names it."""

import contextlib
import dataclasses
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sysndd_backup.archive.encryption import Keys
from sysndd_backup.context import BackupTools
from sysndd_backup.dump.privileges import missing_privileges
from sysndd_backup.server.clients import find_clients
from sysndd_backup.server.server import Server
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.db.database import Database
from sysndd_core.errors import DumpClientMismatch
from sysndd_core.jobs.models import CreateBackup
from sysndd_core.settings.backup import BackupCompression
from sysndd_core.sql.table_patterns import TablePatterns
from tests.support.backups import OUR_KEYS, UNUSUAL_OBJECTS, small_disk, with_dump_script
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench

RIGHTS = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT", "EXECUTE")


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    for statement in UNUSUAL_OBJECTS.format(app=site.app).strip().split(";\n"):
        site.server.execute(statement.strip().removesuffix(";"))
    async with backup_bench(site) as bench:
        yield bench


@contextlib.asynccontextmanager
async def dumping_as(bench: BackupBench, *privileges: str) -> AsyncIterator[BackupTools]:
    """Yield tools whose account has only these privileges on the application schema."""
    site, user, password = bench.site, f"d{os.getpid()}", "Dump-password-1"
    site.server.execute(f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'")
    try:
        site.server.execute(f"GRANT {', '.join(privileges)} ON `{site.app}`.* TO '{user}'@'%'")
        # To read the bodies of routines of other definers.
        if bench.tools.server.vendor == "MariaDB":
            site.server.execute(f"GRANT SELECT ON mysql.proc TO '{user}'@'%'")
        else:
            site.server.execute(f"GRANT SHOW_ROUTINE ON *.* TO '{user}'@'%'")
        site.server.execute(f"GRANT ALL PRIVILEGES ON `{site.ops}`.* TO '{user}'@'%'")
        settings = site.database.model_copy(
            update={"user": user, "password": type(site.database.password)(password)}
        )
        async with Database(settings) as database:
            yield dataclasses.replace(bench.tools, database=database)
    finally:
        site.server.execute(f"DROP USER '{user}'@'%'")


async def test_the_documented_privileges_are_sufficient(bench: BackupBench) -> None:
    async with dumping_as(bench, *RIGHTS) as tools:
        row = await bench.run(CreateBackup(), tools)
    assert row["state"] == "succeeded", row["error"]
    (manifest,) = bench.store.manifests()
    assert (manifest.routine_count, manifest.event_count) == (3, 1)
    assert manifest.trigger_count > 0


async def test_the_documented_privileges_show_references_to_excluded_rows(
    bench: BackupBench,
) -> None:
    async with dumping_as(bench, *RIGHTS) as tools:
        excluding = dataclasses.replace(tools, exclude_rows=TablePatterns(("entity",)))
        row = await bench.run(CreateBackup(), excluding)
    assert row["error_code"] == "excluded_rows_referenced"
    assert "refers to entity (excluded by entity)" in str(row["error"])
    assert list(bench.site.backup_dir.iterdir()) == []


@pytest.mark.parametrize("revoked", RIGHTS)
async def test_a_revoked_privilege_is_named(bench: BackupBench, revoked: str) -> None:
    rest = [privilege for privilege in RIGHTS if privilege != revoked]
    async with dumping_as(bench, *rest) as tools:
        row = await bench.run(CreateBackup(), tools)
    assert (row["state"], row["error_code"]) == ("failed", "missing_privileges")
    assert f"lacks {revoked} on {bench.site.app}" in str(row["error"])
    assert list(bench.site.backup_dir.iterdir()) == []


def test_grants_are_parsed_in_the_format_of_both_vendors() -> None:
    whole = ["GRANT USAGE ON *.* TO `u`@`%`", r"GRANT ALL PRIVILEGES ON `a\_b`.* TO `u`@`%`"]
    assert missing_privileges(whole, "a_b") == []
    assert missing_privileges(whole, "axb") == [
        "SELECT",
        "SHOW VIEW",
        "TRIGGER",
        "EVENT",
        "EXECUTE",
    ]
    assert missing_privileges(["GRANT ALL PRIVILEGES ON `a_b`.* TO `u`@`%`"], "axb") == []
    partial = ["GRANT ALL PRIVILEGES ON *.* TO `u`@`%`", "REVOKE EVENT ON `a`.* FROM `u`@`%`"]
    assert missing_privileges(partial, "a") == ["EVENT"]
    assert missing_privileges(["GRANT TRIGGER ON `a`.`one table` TO `u`@`%`"], "a")[2] == "TRIGGER"


LOSING_CLIENTS = {
    "a view": "grep -v '^/.!50001 VIEW `v2`'",
    "a routine": "sed 's/ PROCEDURE `p`/ PROCEDURE `other`/'",
    "an event": "grep -v '50106 EVENT'",
    "a trigger": "awk '/50003 TRIGGER/ && !lost {{lost = 1; next}} {{print}}'",
    "a table": "grep -v '^CREATE TABLE `review`'",
}


@pytest.mark.parametrize("lost", LOSING_CLIENTS)
async def test_an_object_that_is_missing_from_the_dump_is_named(
    bench: BackupBench, tmp_path: Path, lost: str
) -> None:
    script = '"{real}" "$@" | ' + LOSING_CLIENTS[lost]
    row = await bench.run(CreateBackup(), with_dump_script(bench, tmp_path, script))
    assert (row["state"], row["error_code"]) == ("failed", "dump_failed")
    expected = {
        "a view": "the view v2",
        "a routine": "the procedure p",
        "an event": "the event e",
        "a trigger": "triggers",
        "a table": "the table review",
    }
    assert expected[lost] in str(row["error"])
    assert list(bench.site.backup_dir.iterdir()) == []


@pytest.mark.parametrize("keys", [Keys(), OUR_KEYS], ids=["plain", "encrypted"])
async def test_a_full_disk_fails_the_job_and_leaves_no_file(
    bench: BackupBench, tmp_path: Path, keys: Keys
) -> None:
    app = bench.site.app
    bench.site.server.execute(f"CREATE TABLE `{app}`.big (id INT PRIMARY KEY, b LONGBLOB)")
    with small_disk(tmp_path / "small", "3m") as directory:
        tools = dataclasses.replace(
            bench.tools,
            store=BackupDirectory(directory),
            compression=BackupCompression.NONE,
            keys=keys,
        )
        row = await bench.run(CreateBackup(), tools)
        assert row["state"] == "succeeded", row["error"]
        before = tools.store.manifests()
        # The dump is twice as large as the data (hexadecimal), which the estimate does not include.
        bench.site.server.execute(f"INSERT INTO `{app}`.big VALUES (1, REPEAT('x', 2000000))")
        row = await bench.run(CreateBackup(), tools)
        assert (row["state"], row["error_code"]) == ("failed", "insufficient_storage")
        assert "was full after" in str(row["error"])
        assert tools.store.manifests() == before
        assert len(list(directory.iterdir())) == 2
        # If the first backup does not fit, the dump does not start.
        (directory / before[0].name).unlink()
        (directory / "filler").write_bytes(b"x" * (2 << 20))
        bench.site.server.execute(f"ANALYZE TABLE `{app}`.big")
        row = await bench.run(CreateBackup(), tools)
        assert row["error_code"] == "insufficient_storage"
        assert "bytes, but the backup directory has only" in str(row["error"])


async def test_a_killed_dump_client_is_named(bench: BackupBench, tmp_path: Path) -> None:
    script = "kill -9 $$"
    row = await bench.run(CreateBackup(), with_dump_script(bench, tmp_path, script))
    assert (row["state"], row["error_code"]) == ("failed", "dump_failed")
    assert f"signal {int(signal.SIGKILL)}" in str(row["error"])
    assert list(bench.site.backup_dir.iterdir()) == []


async def test_clients_of_the_other_vendor_are_rejected_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DumpClientMismatch, match=r"mysqldump and mysql are not on the PATH"):
        await find_clients(Server("MySQL", "8.0.40"))
    for name in ("mysqldump", "mysql"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\necho 'mysqldump  Ver 10.19 Distrib 10.11.6-MariaDB'\n")
        program.chmod(0o755)
    with pytest.raises(
        DumpClientMismatch, match=r"The server is MySQL, but mysqldump is: .*MariaDB"
    ):
        await find_clients(Server("MySQL", "8.0.40"))
