"""Tables whose rows are left out of backups: dump, verification, restore and refusals."""

import dataclasses
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from sysndd_backup.archive.compression import open_reader
from sysndd_backup.archive.encryption import Keys
from sysndd_backup.context import BackupTools
from sysndd_backup.jobs import BackupPolicy
from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.jobs.models import (
    BackupKind,
    Consent,
    CreateBackup,
    DryRunRestore,
    ImportBackup,
    InspectTable,
    RestoreBackup,
    UndoRestore,
    VerifyBackup,
)
from sysndd_core.sql.table_patterns import TablePatterns
from tests.support.backups import UNUSUAL_OBJECTS, scratch_schemas
from tests.support.servers import TestRedis, start_database
from tests.support.site import Site, make_site
from tests.support.workers import BackupBench, backup_bench

# As of sites that keep caches, sessions and logs in their database.
CACHES = r"""
CREATE TABLE `{app}`.objectcache (
  keyname VARBINARY(255) PRIMARY KEY, value MEDIUMBLOB, exptime DATETIME, KEY (exptime));
INSERT INTO `{app}`.objectcache VALUES ('a;\n', x'00270a293b', NULL), ('b', '),(', NOW());
CREATE TABLE `{app}`.`web session` (
  id INT PRIMARY KEY AUTO_INCREMENT, data TEXT, size INT GENERATED ALWAYS AS (LENGTH(data)) STORED);
INSERT INTO `{app}`.`web session` (data) VALUES ('INSERT INTO `kept` VALUES\n(1);\n'), ('x'), ('y');
CREATE TRIGGER `{app}`.on_session BEFORE INSERT ON `{app}`.`web session` FOR EACH ROW
  SET NEW.data = CONCAT(NEW.data, '!');
CREATE TABLE `{app}`.session_item (
  id INT PRIMARY KEY, session INT NOT NULL, FOREIGN KEY (session) REFERENCES `web session` (id));
INSERT INTO `{app}`.session_item VALUES (1, 1), (2, 3);
CREATE TABLE `{app}`.`a.log` (line TEXT) ENGINE=MyISAM;
INSERT INTO `{app}`.`a.log` VALUES ('l');
CREATE VIEW `{app}`.cache_view AS SELECT keyname FROM `{app}`.objectcache;
"""
PATTERNS = "objectcache, *session*, a?log, *_view, nothing_*"
EXCLUDED = ["a.log", "objectcache", "session_item", "web session"]
ROWS = {"a.log": 1, "objectcache": 2, "session_item": 2, "web session": 3}


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    with site.server.connect(site.app) as connection, connection.cursor() as cursor:
        for statement in (
            (UNUSUAL_OBJECTS + CACHES).format(app=site.app).strip().removesuffix(";").split(";\n")
        ):
            cursor.execute(statement.strip().removesuffix(";"))
    async with backup_bench(site) as bench:
        bench.policy = BackupPolicy()
        yield bench


def excluding(bench: BackupBench, patterns: str) -> BackupTools:
    return dataclasses.replace(bench.tools, exclude_rows=TablePatterns.parse(patterns))


async def create(bench: BackupBench, patterns: str = PATTERNS) -> BackupManifest:
    row = await bench.run(CreateBackup(), excluding(bench, patterns))
    assert row["state"] == "succeeded", row["error"]
    return bench.store.manifest(json.loads(row["result"])["name"])


def dump_of(bench: BackupBench, manifest: BackupManifest) -> str:
    with open_reader(bench.store.path(manifest.name), Keys()) as reader:
        return reader.read().decode()


def restore_of(manifest: BackupManifest) -> RestoreBackup:
    return RestoreBackup(name=manifest.name, accept=(Consent.NO_ADMINISTRATOR,))


def result_of(row: dict[str, Any]) -> dict[str, Any]:
    assert row["state"] == "succeeded", row["error"]
    found: dict[str, Any] = json.loads(row["result"])
    return found


async def test_structure_is_kept_and_rows_are_left_out(bench: BackupBench) -> None:
    everything = await create(bench, "")
    manifest = await create(bench)
    assert everything.excluded_rows == []
    assert manifest.excluded_rows == EXCLUDED
    assert manifest.verification is Verification.VERIFIED
    assert [manifest.rows_per_table[table] for table in EXCLUDED] == [0] * 4
    kept = {t: n for t, n in everything.rows_per_table.items() if t not in EXCLUDED}
    assert {t: n for t, n in manifest.rows_per_table.items() if t not in EXCLUDED} == kept
    assert {t: everything.rows_per_table[t] for t in EXCLUDED} == ROWS
    assert manifest.row_count == everything.row_count - sum(ROWS.values())
    assert manifest.table_count == everything.table_count
    assert manifest.trigger_count == everything.trigger_count
    assert manifest.data_bytes is not None
    assert everything.data_bytes is not None
    assert manifest.data_bytes < everything.data_bytes
    dump = dump_of(bench, manifest)
    assert all(f"CREATE TABLE `{table}`" in dump for table in EXCLUDED)
    assert not any(f"INSERT INTO `{table}`" in dump for table in EXCLUDED)
    assert "on_session" in dump
    assert dump.rstrip().rpartition("\n")[2].startswith("-- Dump completed")
    # MySQL's client has no such option, so its output is filtered.
    options = [flag for flag in manifest.client_flags if flag.startswith("--ignore-table-data=")]
    assert len(options) == (4 if bench.tools.server.vendor == "MariaDB" else 0)
    assert scratch_schemas(bench.site) == []


async def test_a_kept_table_is_dumped_byte_by_byte_as_without_exclusion(bench: BackupBench) -> None:
    sections = [
        [
            part
            for part in dump_of(bench, await create(bench, patterns)).split("\n--\n-- Table")
            if part.startswith((" structure for table `a table`", " structure for table `user`"))
        ]
        for patterns in ("", PATTERNS)
    ]
    assert len(sections[0]) == 2
    assert sections[0] == sections[1]


async def test_a_restore_leaves_the_tables_empty_and_the_safety_backup_is_complete(
    bench: BackupBench,
) -> None:
    site, manifest = bench.site, await create(bench)
    before = bench.checksums()
    tools = excluding(bench, PATTERNS)
    dry_run = result_of(await bench.run(DryRunRestore(name=manifest.name), tools))
    assert dry_run["excluded_rows"] == [
        {"table": table, "live_rows": ROWS[table]} for table in EXCLUDED
    ]
    assert [one["table"] for one in dry_run["tables"]] == EXCLUDED
    result = result_of(await bench.run(restore_of(manifest), tools))
    assert result["excluded_rows"] == EXCLUDED
    for table in EXCLUDED:
        assert site.server.execute(f"SELECT COUNT(*) FROM `{site.app}`.`{table}`") == ((0,),)
    after = bench.checksums()
    assert {table for table in before if before[table] != after[table]} == set(EXCLUDED)
    # The structure is complete: the trigger and the counter of the keys continue.
    site.server.execute(f"INSERT INTO `{site.app}`.`web session` (data) VALUES ('z')")
    assert site.server.execute(f"SELECT id, data FROM `{site.app}`.`web session`") == ((4, "z!"),)

    safety = bench.store.manifest(result["safety_backup"])
    assert (safety.kind, safety.excluded_rows) == (BackupKind.PRE_RESTORE, [])
    assert {table: safety.rows_per_table[table] for table in EXCLUDED} == ROWS
    result_of(await bench.run(UndoRestore(), tools))
    assert bench.checksums() == before


async def test_an_excluded_table_is_inspected_without_rows(bench: BackupBench) -> None:
    manifest = await create(bench)
    row = await bench.run(InspectTable(name=manifest.name, table="objectcache"))
    assert result_of(row)["rows"] == 0


async def test_a_backup_is_verified_whatever_is_excluded_now(bench: BackupBench) -> None:
    everything, manifest = await create(bench, ""), await create(bench)
    for tools in (bench.tools, excluding(bench, PATTERNS)):
        for name in (everything.name, manifest.name):
            assert result_of(await bench.run(VerifyBackup(name=name), tools))["name"] == name


async def test_an_imported_dump_keeps_all_rows(bench: BackupBench) -> None:
    manifest = await create(bench, "")
    file = bench.store.path(manifest.name).read_bytes()
    (bench.site.backup_dir / "elsewhere.sql.zst").write_bytes(file)
    row = await bench.run(ImportBackup(name="elsewhere.sql.zst"), excluding(bench, PATTERNS))
    imported = bench.store.manifest(result_of(row)["name"])
    assert imported.excluded_rows == []
    assert imported.rows_per_table == manifest.rows_per_table


async def test_a_pattern_without_a_table_is_named_in_the_job_log(bench: BackupBench) -> None:
    await create(bench)
    lines = bench.site.server.execute(
        f"SELECT level, line FROM `{bench.site.ops}`.job_log WHERE line LIKE '%%exclude%%' ORDER BY id"
    )
    assert [level for level, _ in lines] == ["info", "warning"]
    assert all(table in lines[0][1] for table in EXCLUDED)
    # A view has no rows of its own, so a pattern that matches only views matches no table.
    assert "*_view" in lines[1][1]
    assert "nothing_*" in lines[1][1]
    assert "objectcache" not in lines[1][1]


async def test_a_foreign_key_of_a_kept_table_refuses_the_backup(bench: BackupBench) -> None:
    row = await bench.run(CreateBackup(), excluding(bench, "web*"))
    assert (row["state"], row["error_code"]) == ("failed", "excluded_rows_referenced")
    for part in (
        "of session_item refers to web session",
        "excluded by web*",
        "Exclude the rows of",
    ):
        assert part in row["error"], row["error"]
    assert list(bench.site.backup_dir.iterdir()) == []
    # The next backup could contain rows, so an empty table is refused too.
    bench.site.server.execute("DELETE FROM session_item", schema=bench.site.app)
    row = await bench.run(CreateBackup(), excluding(bench, "web*"))
    assert row["error_code"] == "excluded_rows_referenced"
    # The reverse is restorable, and so is a table that refers to itself.
    manifest = await create(bench, "session_item, a table")
    assert manifest.excluded_rows == ["a table", "session_item"]
    row = await bench.run(restore_of(manifest), excluding(bench, "web*"))
    assert row["state"] == "succeeded", row["error"]


async def test_a_table_that_differs_by_case_only_keeps_its_rows(bench: BackupBench) -> None:
    """MariaDB's client would omit the rows of both tables."""
    app = bench.site.app
    bench.site.server.execute(f"CREATE TABLE `{app}`.ObjectCache (id INT PRIMARY KEY)")
    bench.site.server.execute(f"INSERT INTO `{app}`.ObjectCache VALUES (1)")
    manifest = await create(bench, "objectcache")
    assert manifest.excluded_rows == ["objectcache"]
    assert manifest.rows_per_table["ObjectCache"] == 1
    assert "INSERT INTO `ObjectCache`" in dump_of(bench, manifest)
    assert "INSERT INTO `objectcache`" not in dump_of(bench, manifest)
    result = result_of(await bench.run(restore_of(manifest)))
    assert result["excluded_rows"] == ["objectcache"]
    assert bench.site.server.execute(f"SELECT * FROM `{app}`.ObjectCache") == ((1,),)


@pytest.fixture
def case_insensitive_site(
    redis_server: TestRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site on a server that stores names in lower case, as servers on Windows do."""
    with start_database(tmp_path / "server", "--lower-case-table-names=1") as server:
        yield from make_site(server, redis_server, tmp_path, monkeypatch)


async def test_case_does_not_matter_if_the_server_ignores_it(case_insensitive_site: Site) -> None:
    server, app = case_insensitive_site.server, case_insensitive_site.app
    server.execute(f"CREATE TABLE `{app}`.ObjectCache (id INT PRIMARY KEY)")
    server.execute(f"INSERT INTO `{app}`.ObjectCache VALUES (1)")
    server.execute(
        f"CREATE TABLE `{app}`.Child (o INT, FOREIGN KEY (o) REFERENCES ObjectCache (id))"
    )
    async with backup_bench(case_insensitive_site) as bench:
        row = await bench.run(CreateBackup(), excluding(bench, "ObjectCACHE"))
        assert row["error_code"] == "excluded_rows_referenced"
        manifest = await create(bench, "ObjectCACHE, CHILD")
    assert manifest.excluded_rows == ["child", "objectcache"]
    assert manifest.rows_per_table["objectcache"] == 0


async def test_the_dump_is_one_snapshot(bench: BackupBench) -> None:
    """Rows that are written during the dump are in no table, whatever is excluded."""
    with bench.site.server.general_log() as statements:
        await create(bench)
    started = [one for one in statements() if "START TRANSACTION" in one and "SNAPSHOT" in one]
    # One for the dump, one for the dump of the verification.
    assert len(started) == 2
