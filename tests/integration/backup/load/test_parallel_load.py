"""Parallel load: two workers load exactly the content of the dump."""

import re
from collections.abc import AsyncIterator

import pytest

from sysndd_backup.archive.compression import open_reader
from sysndd_backup.dump.scanner import DumpScan
from sysndd_backup.load.plan import Planner
from sysndd_backup.load.queue import LoadQueue, Rows
from sysndd_backup.restore.check_file import check_backup
from sysndd_backup.verify.dump_digest import NormalizedReader, Part, differences
from sysndd_core.jobs.models import Consent, CreateBackup, RestoreBackup
from tests.support.backups import UNUSUAL_OBJECTS, UNUSUAL_TYPES, tamper_with_backup
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench

KEYS = r"""
CREATE TABLE `{app}`.child (
  id INT PRIMARY KEY AUTO_INCREMENT, a INT, b VARCHAR(40) COLLATE utf8mb4_bin, c TEXT, d TEXT,
  e INT AS (a + 1), UNIQUE KEY (b), KEY z (e), KEY y (a, b DESC), FULLTEXT KEY (c), KEY x (c(5)),
  FULLTEXT KEY (d), CONSTRAINT positive CHECK (c <> 'x'),
  CONSTRAINT to_parent FOREIGN KEY (a) REFERENCES zz_parent (id) ON DELETE SET NULL,
  CONSTRAINT a_first FOREIGN KEY (b) REFERENCES zz_parent (code) ON UPDATE CASCADE
);
CREATE TABLE `{app}`.zz_parent (id INT PRIMARY KEY, code VARCHAR(40) COLLATE utf8mb4_bin UNIQUE);
CREATE TABLE `{app}`.unique_only (a INT NOT NULL, b INT, UNIQUE KEY (b), UNIQUE KEY (a), KEY (b, a));
CREATE TABLE `{app}`.counted (n INT NOT NULL AUTO_INCREMENT, g INT, PRIMARY KEY (g, n), KEY (n));
CREATE TABLE `{app}`.parts (id INT, at DATE, KEY (at)) PARTITION BY HASH (id) PARTITIONS 3;
CREATE TABLE `{app}`.plain (id INT PRIMARY KEY, a INT, KEY (a)) ENGINE=MyISAM;
CREATE TABLE `{app}`.empty_one (id INT PRIMARY KEY, a INT, KEY (a));
INSERT INTO `{app}`.zz_parent VALUES (1, 'é'), (2, 'e');
INSERT INTO `{app}`.child (a, b, c, d) VALUES (1, 'é', 'some words', 'others'), (2, 'e', NULL, NULL);
INSERT INTO `{app}`.unique_only VALUES (3, 1), (2, 2), (1, NULL);
INSERT INTO `{app}`.counted (g) VALUES (5), (1);
INSERT INTO `{app}`.parts VALUES (1, '2026-01-01'), (2, NULL);
INSERT INTO `{app}`.plain VALUES (1, 2);
CREATE TRIGGER counts BEFORE INSERT ON zz_parent FOR EACH ROW SET NEW.id = NEW.id + 100;
"""


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    with site.server.connect(site.app) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = '', foreign_key_checks = 0")
        for statement in (
            (UNUSUAL_OBJECTS + UNUSUAL_TYPES + KEYS).format(app=site.app).strip().split(";\n")
        ):
            cursor.execute(statement.strip().removesuffix(";"))
    async with backup_bench(site) as bench:
        row = await bench.run(CreateBackup())
        assert row["state"] == "succeeded", row["error"]
        yield bench


def definitions(site: Site) -> dict[str, str]:
    tables = site.server.execute(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        (site.app,),
    )
    # After a load, MySQL also prints the character set that a column inherited from its table.
    return {
        table: re.sub(
            r" CHARACTER SET (\w+)(?= COLLATE \1_)",
            "",
            site.server.execute(f"SHOW CREATE TABLE `{site.app}`.`{table}`")[0][1],
        )
        for (table,) in tables
    }


def digests(bench: BackupBench, name: str) -> dict[str, Part]:
    with open_reader(bench.store.path(name), bench.tools.keys) as source:
        reader = NormalizedReader(source, bench.site.app, "elsewhere")
        while reader.read():
            pass
    return reader.digest.parts()


async def test_a_restored_schema_has_identical_definitions_and_content(bench: BackupBench) -> None:
    manifest = bench.store.manifests()[-1]
    checked = await check_backup(bench.tools, manifest)
    assert checked.plan is not None
    deferred = {table.name: table.definition for table in checked.plan.tables}
    assert len(deferred["child"].keys) == 2
    assert deferred["child"].references is not None
    assert deferred["counted"].keys == ()

    before, content = definitions(bench.site), digests(bench, manifest.name)
    row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
    assert row["state"] == "succeeded", row["error"]
    assert definitions(bench.site) == before
    assert (await bench.run(CreateBackup()))["state"] == "succeeded"
    assert differences(content, digests(bench, bench.store.manifests()[0].name)) == []


async def test_a_dump_with_statements_between_rows_is_loaded_serially(bench: BackupBench) -> None:
    between = b"UNLOCK TABLES;\nUPDATE `zz_parent` SET id = id;\n"
    name = tamper_with_backup(
        bench,
        lambda dump: dump.replace(b"UNLOCK TABLES;\n", between, 1).replace(
            b"UPDATE `zz_parent`", b"UPDATE `a table`"
        ),
    )
    checked = await check_backup(bench.tools, bench.store.manifest(name))
    assert checked.plan is None
    before = bench.checksums()
    row = await bench.run(RestoreBackup(name=name, accept=tuple(Consent)))
    assert row["state"] == "succeeded", row["error"]
    assert bench.checksums() == before


async def test_a_duplicate_row_fails_the_restore_with_its_table(bench: BackupBench) -> None:
    name = tamper_with_backup(bench, lambda dump: dump.replace(b"'\xc3\xa9'", b"'e'"))
    before = bench.checksums()
    row = await bench.run(RestoreBackup(name=name, accept=tuple(Consent)))
    assert (row["state"], row["error_code"]) == ("failed", "restore_failed")
    assert "Duplicate entry" in str(row["error"])
    assert "cannot be loaded: ERROR (1062, " in str(row["error"])
    assert bench.checksums() == before


def test_a_plan_does_not_depend_on_the_size_of_chunks(bench: BackupBench) -> None:
    with open_reader(bench.store.path(bench.store.manifests()[0].name), bench.tools.keys) as reader:
        dump = reader.read()
    plans = []
    for size in (101, 4096, len(dump)):
        planner = Planner()
        scan = DumpScan(planner)
        for at in range(0, len(dump), size):
            scan.feed(dump[at : at + size])
        scan.finish()
        plans.append(planner.plan())
    assert plans[0] is not None
    assert plans[0] == plans[1] == plans[2]


async def test_both_workers_load_parts_of_a_large_table(
    bench: BackupBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, app = bench.site.server, bench.site.app
    for table, key in (("large", "PRIMARY KEY (id)"), ("heap", "KEY (id)")):
        server.execute(f"CREATE TABLE `{app}`.{table} (id INT NOT NULL, body TEXT, {key})")
        rows = ", ".join(f"({(n * 37) % 4001}, REPEAT('{n};\\n),(', 200))" for n in range(4001))
        server.execute(f"INSERT INTO `{app}`.{table} VALUES {rows}")
    await bench.run(CreateBackup())
    manifest = bench.store.manifests()[0]
    monkeypatch.setattr("sysndd_backup.load.plan._PART_BYTES", 1)
    checked = await check_backup(bench.tools, manifest)
    assert checked.plan is not None
    tables = {table.name: table for table in checked.plan.tables}
    with open_reader(bench.store.path(manifest.name), bench.tools.keys) as reader:
        dump = reader.read()
    for name in ("large", "heap"):
        parts = [dump[span.start : span.end] for span in tables[name].rows]
        assert len(parts) >= 3
        assert all(part.startswith(f"INSERT INTO `{name}`".encode()) for part in parts)
        assert all(part.endswith(b";\n") for part in parts)
    queue = LoadQueue([tables["large"], tables["heap"]])
    tasks = [task for task in iter(queue.take, None) if isinstance(task, Rows)]
    # Without a primary key, the rows must be loaded in order, so they are a single task.
    assert [len(task.spans) for task in tasks if task.table.name == "heap"] == [
        len(tables["heap"].rows)
    ]
    assert len([task for task in tasks if task.table.name == "large"]) >= 3

    content = digests(bench, manifest.name)
    row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
    assert row["state"] == "succeeded", row["error"]
    assert (await bench.run(CreateBackup()))["state"] == "succeeded"
    assert differences(content, digests(bench, bench.store.manifests()[0].name)) == []
