"""Restores while the live database is damaged, which is why it is restored."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sysndd_backup.server.unreadable import find_unreadable
from sysndd_core.jobs.models import (
    BackupKind,
    Consent,
    CreateBackup,
    DryRunRestore,
    RestoreBackup,
    UndoRestore,
)
from tests.support.backups import UNUSUAL_OBJECTS, scratch_schemas, with_dump_script
from tests.support.servers import DatabaseServer, TestRedis, start_database
from tests.support.site import Site, make_site
from tests.support.workers import BackupBench, backup_bench

_CONTENT = (
    UNUSUAL_OBJECTS
    + r"""
CREATE TABLE `{app}`.base (id INT PRIMARY KEY, extra INT, filler VARCHAR(2000));
INSERT INTO `{app}`.base
  WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 200)
  SELECT i, i, REPEAT('x', 2000) FROM n;
CREATE VIEW `{app}`.of_base AS SELECT id, extra FROM `{app}`.base;
CREATE VIEW `{app}`.of_of_base AS SELECT id FROM `{app}`.of_base;
CREATE TRIGGER `{app}`.before_base BEFORE INSERT ON `{app}`.base FOR EACH ROW SET NEW.extra = 1;
CREATE TABLE `{app}`.old_engine (id INT PRIMARY KEY, t VARCHAR(100)) ENGINE=MyISAM;
INSERT INTO `{app}`.old_engine VALUES (1, 'a'), (2, 'b');
CREATE TRIGGER `{app}`.before_old BEFORE INSERT ON `{app}`.old_engine FOR EACH ROW SET NEW.id = 1;
"""
)


def _run(site: Site, statements: str) -> None:
    for statement in statements.format(app=site.app).strip().split(";\n"):
        site.server.execute(statement.strip().removesuffix(";"))


def _file(site: Site, name: str) -> Path:
    ((data,),) = site.server.execute("SELECT @@datadir")
    return Path(data) / site.app / name


def _overwrite(site: Site, name: str) -> None:
    file = _file(site, name)
    file.write_bytes(b"\0" * file.stat().st_size)


def _drop_users(site: Site) -> None:
    with site.server.connect(None) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute(f"DROP TABLE `{site.app}`.`user`")


def _discard_users(site: Site) -> None:
    with site.server.connect(None) as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute(f"ALTER TABLE `{site.app}`.`user` DISCARD TABLESPACE")


def _drop_definer(site: Site) -> None:
    definer = f"{site.app}_definer"
    site.server.execute(f"CREATE USER `{definer}`@`%`")
    site.server.execute(f"GRANT SELECT ON `{site.app}`.* TO `{definer}`@`%`")
    site.server.execute(
        f"CREATE DEFINER=`{definer}`@`%` VIEW `{site.app}`.of_definer AS"
        f" SELECT id FROM `{site.app}`.base"
    )
    site.server.execute(f"DROP USER `{definer}`@`%`")


def _damage_myisam(suffix: str, *, remove: bool) -> Callable[[Site], None]:
    def damage(site: Site) -> None:
        site.server.execute(f"FLUSH TABLES `{site.app}`.old_engine")
        if remove:
            _file(site, f"old_engine{suffix}").unlink()
        else:
            _overwrite(site, f"old_engine{suffix}")

    return damage


DAMAGES: dict[str, Callable[[Site], None]] = {
    "table of a view dropped": lambda site: _run(site, "DROP TABLE `{app}`.base"),
    "column of a view dropped": lambda site: _run(site, "ALTER TABLE `{app}`.base DROP id"),
    "function of a view dropped": lambda site: _run(site, "DROP FUNCTION `{app}`.f"),
    "definer of a view dropped": _drop_definer,
    "tablespace discarded": lambda site: _run(site, "ALTER TABLE `{app}`.base DISCARD TABLESPACE"),
    "ledger unreadable": lambda site: _run(
        site, "ALTER TABLE `{app}`.schema_version DISCARD TABLESPACE"
    ),
    "users unreadable": _discard_users,
    "index of a MyISAM table damaged": _damage_myisam(".MYI", remove=False),
    "index of a MyISAM table lost": _damage_myisam(".MYI", remove=True),
    "rows of a MyISAM table lost": _damage_myisam(".MYD", remove=True),
    "users dropped": _drop_users,
    "all tables dropped": lambda site: _run(
        site, "DROP DATABASE `{app}`;\nCREATE DATABASE `{app}`"
    ),
    "schema dropped": lambda site: _run(site, "DROP DATABASE `{app}`"),
}
HARMLESS = {"users dropped"}
"""What is left is complete in itself, so no consent is needed."""
VENDOR_DEPENDENT = {"definer of a view dropped"}
"""MySQL reads such a view."""


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    _run(site, _CONTENT)
    async with backup_bench(site) as bench:
        yield bench


@pytest.mark.parametrize("name", DAMAGES)
async def test_a_damaged_database_is_restored(bench: BackupBench, name: str) -> None:
    before = bench.checksums()
    backup = await _create_backup(bench)
    DAMAGES[name](bench.site)
    dry_run = await bench.run(DryRunRestore(name=backup))
    assert dry_run["state"] == "succeeded", dry_run["error"]
    required = json.loads(dry_run["result"])["required_consents"]
    announced = Consent.INCOMPLETE_SAFETY_BACKUP in required
    if name not in VENDOR_DEPENDENT:
        assert announced == (name not in HARMLESS)
    if announced:
        row = await bench.run(RestoreBackup(name=backup, accept=_all_but_the_safety_backup()))
        assert (row["state"], row["error_code"]) == ("failed", "safety_backup_failed")
        assert "--accept incomplete_safety_backup" in row["error"]
        assert scratch_schemas(bench.site) == []
    result = await _restore(bench, backup)
    assert bench.checksums() == before
    assert bool(result["missing_from_safety_backup"] or not result["safety_backup"]) == announced
    await _check_sound(bench)


@pytest.mark.parametrize("name", [one for one in DAMAGES if "dropped" in one])
async def test_the_restore_of_a_damaged_database_can_be_undone(
    bench: BackupBench, name: str
) -> None:
    backup = await _create_backup(bench)
    DAMAGES[name](bench.site)
    damaged = bench.checksums()
    await _restore(bench, backup)
    row = await bench.run(UndoRestore())
    assert row["state"] == "succeeded", row["error"]
    assert bench.checksums() == damaged
    if name.startswith("function"):
        (warning,) = json.loads(row["result"])["warnings"]
        assert "view v2 was already unusable" in warning
    await _restore(bench, backup)


async def test_the_safety_backup_holds_what_can_be_read(bench: BackupBench) -> None:
    await _create_backup(bench)
    (manifest,) = bench.store.manifests()
    _run(bench.site, "ALTER TABLE `{app}`.base DISCARD TABLESPACE;\nDROP FUNCTION `{app}`.f")
    _run(bench.site, "INSERT INTO `{app}`.`user` (user_name, email) VALUES ('late', 'l@x')")
    result = await _restore(bench, manifest.name)
    safety = bench.store.manifest(result["safety_backup"])
    assert safety.kind is BackupKind.PRE_RESTORE
    missing = {(one.kind, one.name): one for one in safety.incomplete}
    assert set(missing) == {("table", "base"), ("view", "v2")}
    assert "1814" in missing["table", "base"].reason
    assert "`id`" in (missing["view", "v2"].definition or "")
    assert safety.table_count == manifest.table_count
    assert safety.rows_per_table["base"] == 0
    assert safety.rows_per_table["user"] == manifest.rows_per_table["user"] + 1
    # It can be restored, like any other backup.
    await _restore(bench, safety.name)
    app = bench.site.app
    assert bench.site.server.execute(f"SELECT user_name FROM `{app}`.`user`") == (("late",),)
    assert bench.site.server.execute(f"SELECT COUNT(*) FROM `{app}`.of_of_base") == ((0,),)


async def test_no_consent_replaces_readable_tables_without_a_copy(
    bench: BackupBench, tmp_path: Path
) -> None:
    backup = await _create_backup(bench)
    live = bench.checksums()
    for script in (
        "echo no >&2; exit 1",
        # A client that continues after errors, and leaves out a table.
        '"{real}" "$@" --ignore-table={app}.base; exit 2',
    ):
        tools = with_dump_script(bench, tmp_path, script.replace("{app}", bench.site.app))
        row = await bench.run(RestoreBackup(name=backup, accept=tuple(Consent)), tools)
        assert (row["state"], row["error_code"]) == ("failed", "safety_backup_failed"), script
        assert bench.checksums() == live
    assert [one.name for one in bench.store.manifests()] == [backup]


DAMAGED_FILES = ("file removed", "file emptied", "page overwritten", "page at the end overwritten")


@pytest.fixture
def own_server_site(
    redis_server: TestRedis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """A site on a server of its own, which may not start again with damaged files."""
    with start_database(tmp_path / "server") as server:
        yield from make_site(server, redis_server, tmp_path, monkeypatch)


@pytest.mark.parametrize("damage", DAMAGED_FILES)
async def test_a_damaged_tablespace_file_does_not_prevent_a_restore(
    own_server_site: Site, damage: str
) -> None:
    site = own_server_site
    _run(site, _CONTENT)
    async with backup_bench(site) as bench:
        before = bench.checksums()
        backup = await _create_backup(bench)
    file = _file(site, "base.ibd")
    # A clean stop, because the redo log would repair the file.
    site.server.execute("SET GLOBAL innodb_fast_shutdown = 0")
    # Loading the list of cached pages would read the damaged one before anybody asks for it.
    site.server.execute("SET GLOBAL innodb_buffer_pool_dump_at_shutdown = OFF")
    site.server.stop()
    _damage_file(file, damage)
    site.server.start()
    async with backup_bench(site) as bench, _restarted(site.server):
        result = await _restore(bench, backup)
        assert bench.checksums() == before
        assert "base" in [one["name"] for one in result["missing_from_safety_backup"]]
        await _check_sound(bench)


@contextlib.asynccontextmanager
async def _restarted(server: DatabaseServer) -> AsyncIterator[None]:
    """Start the server again whenever it stops, as a service manager does."""
    assert server.process is not None
    process = server.process

    async def watch() -> None:
        while True:
            if not process.is_running():
                process.start()
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()


def _damage_file(file: Path, damage: str) -> None:
    size = file.stat().st_size
    if damage == "file removed":
        file.unlink()
    elif damage == "file emptied":
        file.write_bytes(b"")
    else:
        with file.open("r+b") as pages:
            pages.seek(5 * 16384 if damage == "page overwritten" else size - 3 * 16384)
            pages.write(b"\xa5" * 16384)


def _all_but_the_safety_backup() -> tuple[Consent, ...]:
    return tuple(one for one in Consent if one is not Consent.INCOMPLETE_SAFETY_BACKUP)


async def _create_backup(bench: BackupBench) -> str:
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]
    return str(json.loads(row["result"])["name"])


async def _restore(bench: BackupBench, name: str) -> dict[str, Any]:
    row = await bench.run(RestoreBackup(name=name, accept=tuple(Consent)))
    assert row["state"] == "succeeded", row["error"]
    result: dict[str, Any] = json.loads(row["result"])
    return result


async def _check_sound(bench: BackupBench) -> None:
    """Check that the restored database is complete: a strict backup of it succeeds."""
    await _create_backup(bench)
    (retained,) = scratch_schemas(bench.site)
    assert "_before_" in retained
    # A foreign key of the replaced tables must not restrict the restored ones.
    assert (
        bench.site.server.execute(
            "SELECT table_schema, table_name FROM information_schema.key_column_usage"
            " WHERE LEFT(table_schema, %s) = %s AND referenced_table_schema <> table_schema",
            (len(bench.site.app), bench.site.app),
        )
        == ()
    )


async def test_a_locked_table_is_not_unreadable(bench: BackupBench) -> None:
    with bench.site.server.connect(bench.site.app) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLES base WRITE")
        assert await find_unreadable(bench.database, bench.site.app) == ()
