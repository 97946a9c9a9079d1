"""Hostile and damaged dumps: a restore fails and does not change the live database."""

import dataclasses
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from sysndd_backup.load.confined_account import LoadAccount
from sysndd_backup.load.definers import DefinerStripper
from sysndd_core.jobs.models import Consent, CreateBackup, RestoreBackup
from tests.support.backups import scratch_schemas, tamper_with_backup
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench

OBJECTS = """
CREATE TABLE parent (id INT PRIMARY KEY);
CREATE TABLE child (id INT PRIMARY KEY, parent_id INT NULL,
  CONSTRAINT child_of_parent FOREIGN KEY (parent_id) REFERENCES parent (id));
INSERT INTO parent VALUES (1), (2);
INSERT INTO child VALUES (1, 1), (2, 2), (3, NULL);
CREATE DEFINER = 'a stranger'@'nowhere' VIEW seen AS SELECT id FROM parent;
CREATE DEFINER = 'a stranger'@'nowhere' TRIGGER parent_kept BEFORE DELETE ON parent
  FOR EACH ROW SET @gone = OLD.id;
CREATE DEFINER = 'a stranger'@'nowhere' FUNCTION one() RETURNS INT DETERMINISTIC RETURN 1;
CREATE DEFINER = 'a stranger'@'nowhere' EVENT eager ON SCHEDULE EVERY 1 SECOND
  DO INSERT INTO parent VALUES (FLOOR(1000 + RAND() * 1000000))
"""


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    site.server.execute("SET GLOBAL event_scheduler = OFF")
    for statement in OBJECTS.strip().split(";\n"):
        site.server.execute(statement, schema=site.app)
    async with backup_bench(site) as bench:
        row = await bench.run(CreateBackup())
        assert row["state"] == "succeeded", row["error"]
        yield bench


TRAILER = b"-- Dump completed"

HOSTILE = {
    "use live": ("USE `{app}`;\nDROP TABLE child;\n", "Access denied"),
    "another schema's table": ("DELETE FROM `{app}`.child;\n", "denied"),
    "the platform": ("DELETE FROM `{ops}`.session;\n", "denied"),
    "the server": ("SET GLOBAL max_connections = 1;\n", "denied"),
    "an account": ("CREATE USER sysndd_intruder;\n", "denied"),
    "a shell command": ("\\! touch {touched}\n", "Unknown command"),
    "a shell command in long form": ("system touch {touched};\n", "syntax"),
    "another file": ("source {touched}\n", "syntax"),
    "a file of the worker": (
        "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE child;\n",
        "ERROR",
    ),
    "an additional row": (
        "INSERT INTO parent VALUES (3);\n",
        "The restored table parent has 3 rows, but the manifest lists 2",
    ),
    "an additional table": ("CREATE TABLE extra (id INT);\n", "tables, but the manifest of"),
    "a view without its column": ("ALTER TABLE parent CHANGE id number INT;\n", "The view seen"),
}


def accounts(site: Site) -> set[tuple[str, str]]:
    """Return the accounts of the server; a killed worker of an earlier test may have left one."""
    return {(user, host) for user, host in site.server.execute("SELECT user, host FROM mysql.user")}


@pytest.mark.parametrize(("sql", "cause"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_dump_changes_nothing(
    bench: BackupBench, tmp_path: Path, sql: str, cause: str
) -> None:
    touched = tmp_path / "touched"
    text = sql.format(app=bench.site.app, ops=bench.site.ops, touched=touched).encode()
    name = tamper_with_backup(bench, lambda dump: dump.replace(TRAILER, text + TRAILER))
    live, before = bench.checksums(), accounts(bench.site)
    row = await bench.run(RestoreBackup(name=name, accept=tuple(Consent)))
    assert (row["state"], row["error_code"]) == ("failed", "restore_failed"), row
    assert cause in str(row["error"])
    assert "Nothing was changed" in str(row["error"])
    assert bench.checksums() == live
    assert not touched.exists()
    assert scratch_schemas(bench.site) == []
    assert accounts(bench.site) == before


async def test_damage_at_any_position_is_detected_before_the_load(bench: BackupBench) -> None:
    manifest = bench.store.manifests()[-1]
    path = bench.store.path(manifest.name)
    whole, live = path.read_bytes(), bench.checksums()
    chance = random.Random(5)  # noqa: S311 - chooses where to damage
    for offset in chance.sample(range(len(whole)), 50):
        path.write_bytes(
            whole[:offset]
            + bytes([whole[offset] ^ (1 << chance.randrange(8))])
            + whole[offset + 1 :]
        )
        row = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
        assert (row["state"], row["error_code"]) == ("failed", "backup_damaged"), offset
        assert "SHA-256 differs from the manifest" in str(row["error"]), offset
    assert bench.checksums() == live


async def test_a_dump_that_is_truncated_after_a_line_is_detected(bench: BackupBench) -> None:
    live = bench.checksums()
    name = tamper_with_backup(
        bench, lambda dump: b"\n".join(dump.splitlines()[: dump.count(b"\n") // 2]) + b"\n"
    )
    row = await bench.run(RestoreBackup(name=name, accept=tuple(Consent)))
    assert (row["state"], row["error_code"]) == ("failed", "backup_damaged")
    assert "its last line is not" in str(row["error"])
    assert bench.checksums() == live


async def test_the_worker_becomes_definer_and_events_are_enabled_after_the_restore(
    bench: BackupBench,
) -> None:
    site = bench.site
    name = bench.store.manifests()[-1].name
    site.server.execute("SET GLOBAL event_scheduler = ON")
    try:
        row = await bench.run(RestoreBackup(name=name, accept=tuple(Consent)))
    finally:
        site.server.execute("SET GLOBAL event_scheduler = OFF")
    assert row["state"] == "succeeded", row["error"]
    definers = site.server.execute(
        "SELECT definer FROM information_schema.views WHERE table_schema = %s"
        " UNION SELECT definer FROM information_schema.triggers WHERE trigger_schema = %s"
        " UNION SELECT definer FROM information_schema.routines WHERE routine_schema = %s"
        " UNION SELECT definer FROM information_schema.events WHERE event_schema = %s",
        (site.app,) * 4,
    )
    assert {user.partition("@")[0] for (user,) in definers} == {site.server.user}
    assert site.server.execute(
        "SELECT event_name, status FROM information_schema.events WHERE event_schema = %s",
        (site.app,),
    ) == (("eager", "ENABLED"),)
    assert site.server.execute(f"SELECT id FROM `{site.app}`.seen ORDER BY 1")[:2] == ((1,), (2,))


async def test_an_existing_account_loads_the_backup(bench: BackupBench) -> None:
    server, app = bench.site.server, bench.site.app
    password = SecretStr("0123456789abcdef")
    account = LoadAccount(f"load_{app}"[:32], password)
    server.execute(f"CREATE USER '{account.user}' IDENTIFIED BY '{password.get_secret_value()}'")
    try:
        pattern = f"{app}_shadow_".replace("_", "\\_") + "%"
        server.execute(f"GRANT ALL PRIVILEGES ON `{pattern}`.* TO '{account.user}'")
        bench.tools = dataclasses.replace(bench.tools, load_account=account)
        row = await bench.run(
            RestoreBackup(name=bench.store.manifests()[-1].name, accept=tuple(Consent))
        )
        assert row["state"] == "succeeded", row["error"]
        name = tamper_with_backup(
            bench, lambda dump: dump.replace(TRAILER, f"USE `{app}`;\n".encode() + TRAILER)
        )
        row = await bench.run(RestoreBackup(name=name, accept=tuple(Consent)))
        assert "Access denied" in str(row["error"])
        wrong = dataclasses.replace(account, password=SecretStr("wrong-password"))
        bench.tools = dataclasses.replace(bench.tools, load_account=wrong)
        row = await bench.run(
            RestoreBackup(name=bench.store.manifests()[-1].name, accept=tuple(Consent))
        )
        assert row["error_code"] == "restore_failed"
        assert f"The account {account.user} that loads the backup cannot connect" in str(
            row["error"]
        )
    finally:
        server.execute(f"DROP USER '{account.user}'")


def test_rewriting_does_not_depend_on_the_size_of_chunks() -> None:
    dump = (
        b"/*!50013 DEFINER=`a`@`%` SQL SECURITY DEFINER */\n"
        b"/*!50001 VIEW `v` AS select `old`.`f`(`t`.`id`) AS `n`,'`old`.' AS `text` from `t` */;\n"
        b"/*!50003 CREATE*/ /*!50017 DEFINER=`a``b`@`%`*/ /*!50003 TRIGGER t BEFORE INSERT ON t */;;\n"
        b"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`%`*/ /*!50003 TRIGGER `old`\n.`t`\nBEFORE INSERT\nON"
        b" old.`t` FOR EACH\nROW SET @x = 'TRIGGER old.t' */;;\n"
        b"/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`%`*/ /*!50106 EVENT `e` ON SCHEDULE */ ;;\n"
        b"CREATE DEFINER=`a`@`%` PROCEDURE `p`()\nSELECT 'CREATE DEFINER=`a`@`%` x' ;;\n"
        b"INSERT INTO `t` VALUES\n('CREATE DEFINER=`a`@`%` x');\n-- end"
    )
    expected = (
        b"/*!50013 SQL SECURITY DEFINER */\n"
        b"/*!50001 VIEW `v` AS select `new`.`f`(`t`.`id`) AS `n`,'`old`.' AS `text` from `t` */;\n"
        b"/*!50003 CREATE*/ /*!50003 TRIGGER t BEFORE INSERT ON t */;;\n"
        b"/*!50003 CREATE*/ /*!50003 TRIGGER `t`\nBEFORE INSERT\nON"
        b" `t` FOR EACH\nROW SET @x = 'TRIGGER old.t' */;;\n"
        b"/*!50106 CREATE*/ /*!50106 EVENT `e` ON SCHEDULE */ ;;\n"
        b"CREATE PROCEDURE `p`()\nSELECT 'CREATE DEFINER=`a`@`%` x' ;;\n"
        b"INSERT INTO `t` VALUES\n('CREATE DEFINER=`a`@`%` x');\n-- end"
    )
    for size in (1, 7, 50, len(dump)):
        rewrite = DefinerStripper("old", "new")
        pieces = [rewrite.feed(dump[at : at + size]) for at in range(0, len(dump), size)]
        assert b"".join(pieces) + rewrite.finish() == expected, size
