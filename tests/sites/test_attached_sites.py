"""The platform attached to WordPress and MediaWiki, beside SysNDD on one database server."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from sysndd_backup.context import SiteHoldConfig
from sysndd_core.jobs.models import CreateBackup, RestoreBackup, UndoRestore, VerifyBackup
from sysndd_core.settings.site_hold import SiteHoldSettings
from tests.support.local_run import LocalRun
from tests.support.releases import up
from tests.support.servers import DatabaseServer, TestRedis
from tests.support.site import Site, site_environ
from tests.support.sites.mediawiki import MediaWiki
from tests.support.sites.models import ForeignSite, SiteDatabase, SiteKind
from tests.support.sites.traffic import running_traffic, stored_numbers
from tests.support.sites.wordpress import WordPress
from tests.support.workers import backup_bench

WRITES = 30
MINUTES = 10 * 60


@dataclass(frozen=True)
class AttachedSites:
    """Two foreign sites with their platforms, and SysNDD without one of them being involved."""

    foreign: dict[SiteKind, ForeignSite]
    platforms: dict[SiteKind, Site]
    sysndd: SiteDatabase

    @property
    def databases(self) -> dict[SiteKind, SiteDatabase]:
        """The databases of all three sites."""
        found = {kind: site.database for kind, site in self.foreign.items()}
        return found | {SiteKind.SYSNDD: self.sysndd}


@pytest.fixture
def foreign(wordpress: WordPress, mediawiki: MediaWiki) -> dict[SiteKind, ForeignSite]:
    """Two sites that were there before the platform."""
    return {SiteKind.WORDPRESS: wordpress, SiteKind.MEDIAWIKI: mediawiki}


@pytest.fixture
def attached(
    foreign: dict[SiteKind, ForeignSite],
    sysndd: SiteDatabase,
    redis_server: TestRedis,
    database_server: DatabaseServer,
    tmp_path: Path,
) -> Iterator[AttachedSites]:
    """Attach a platform to each foreign site, in the mode that leaves its schema alone."""
    platforms = {}
    for kind, site in foreign.items():
        backups = tmp_path / f"backups-{kind}"
        backups.mkdir()
        environ = site_environ(database_server, redis_server, backups, name=site.schema)
        platforms[kind] = Site(database_server, environ | {"SCHEMA_MODE": "observe"}, backups)
        done = up(platforms[kind])
        assert done.returncode == 0, done.stderr
    yield AttachedSites(foreign, platforms, sysndd)
    for site in foreign.values():
        drop_schemas_of(database_server, site.schema)


def drop_schemas_of(server: DatabaseServer, schema: str) -> None:
    """Drop the platform schema and the scratch schemas of a site."""
    for (name,) in server.execute("SELECT schema_name FROM information_schema.schemata"):
        if name.startswith(f"{schema}_"):
            server.execute(f"DROP DATABASE `{name}`")


def contents(site: Site) -> dict[str, int]:
    """Return the checksum of each table of the application schema."""
    tables = site.server.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1",
        (site.app,),
    )
    return {
        name: site.server.execute(f"CHECKSUM TABLE `{site.app}`.`{name}` EXTENDED")[0][1]
        for (name,) in tables
    }


@pytest.mark.parametrize("kind", [SiteKind.WORDPRESS, SiteKind.MEDIAWIKI])
async def test_backup_restore_and_undo_are_exact(
    attached: AttachedSites, kind: SiteKind, tmp_path: Path
) -> None:
    site, foreign = attached.platforms[kind], attached.foreign[kind]
    foreign.publish("Before the backup", "It is kept.")
    before = contents(site)
    async with backup_bench(site) as bench:
        row = await bench.run(CreateBackup())
        assert row["state"] == "succeeded", row["error"]
        (manifest,) = bench.store.manifests()
        row = await bench.run(VerifyBackup(name=manifest.name))
        assert row["state"] == "succeeded", row["error"]
        assert contents(site) == before
        foreign.publish("After the backup", "A restore removes it.")
        with running_traffic(foreign.database, tmp_path, writes=WRITES) as traffic:
            traffic.wait()
        changed = contents(site)
        row = await bench.run(RestoreBackup(name=manifest.name))
        assert row["state"] == "succeeded", row["error"]
        assert contents(site) == before
        assert foreign.read("Before the backup") == "It is kept."
        row = await bench.run(UndoRestore())
        assert row["state"] == "succeeded", row["error"]
        assert contents(site) == changed
        assert foreign.read("After the backup") == "A restore removes it."


@pytest.mark.parametrize("held", [False, True], ids=["not held", "accounts locked"])
@pytest.mark.parametrize("kind", [SiteKind.WORDPRESS, SiteKind.MEDIAWIKI])
async def test_a_restore_under_traffic_mixes_nothing_and_loses_no_write(
    attached: AttachedSites, kind: SiteKind, held: bool, tmp_path: Path
) -> None:
    """Programs write to all three sites, while one is backed up, restored and restored back."""
    site = attached.platforms[kind]
    with ExitStack() as stack:
        traffic = {
            name: stack.enter_context(running_traffic(database, tmp_path))
            for name, database in attached.databases.items()
        }
        restored = traffic[kind]
        restored.wait_for_writes(WRITES)
        async with backup_bench(site) as bench:
            tools = bench.tools
            if held:
                account = attached.foreign[kind].account.user
                hold = SiteHoldSettings(
                    lock_accounts=account,
                    lock_user=site.database.user,
                    lock_password=site.database.password,
                )
                tools = replace(tools, site_hold=SiteHoldConfig(hold, own_users=frozenset()))
            backup_started = time.time()
            row = await bench.run(CreateBackup())
            assert row["state"] == "succeeded", row["error"]
            restored.wait_for_writes(WRITES)
            restore_started = time.time()
            row = await bench.run(RestoreBackup(name=bench.store.manifests()[0].name), tools)
            restore_ended = time.time()
            assert row["state"] == "succeeded", row["error"]
            restored.wait_for_writes(WRITES)
            report = restored.stop()
            after_restore = stored_numbers(attached.databases[kind])
            row = await bench.run(UndoRestore(), tools)
            assert row["state"] == "succeeded", row["error"]
            after_undo = stored_numbers(attached.databases[kind])
        others = {name: one.stop() for name, one in traffic.items() if name is not kind}
    assert report.broken == ()
    # Errors are announced: they fall into the restore, and there are some only if accounts are
    # locked or a table is missing for a moment.
    assert report.errors_outside(restore_started, restore_ended) == ()
    assert report.acknowledged_before(backup_started) <= after_restore
    assert report.acknowledged_after(restore_ended) <= after_restore
    # The replaced tables have what was written until the swap, and the undo brings them back.
    assert report.acknowledged_before(restore_started) <= after_undo
    assert report.acknowledged <= after_restore | after_undo
    for name, untouched in others.items():
        assert untouched.errors == (), name
        assert untouched.broken == (), name
        assert stored_numbers(attached.databases[name]) == untouched.acknowledged, name


def test_from_clone_to_the_first_verified_backup(
    wordpress: WordPress, database_server: DatabaseServer, tmp_path: Path
) -> None:
    """The commands of the runbook, on an existing server, in less than ten minutes."""
    started = time.monotonic()
    environ = database_server.environ(name=wordpress.schema, ops_name=f"{wordpress.schema}_ops")
    del environ["OPS_DB_NAME"]
    run = LocalRun(tmp_path / "run", environ | {"SITE_NAME": "My WordPress"})
    wordpress.publish("Hello", "World")
    refused = run.command("up")
    assert refused.returncode != 0
    assert "SCHEMA_MODE" in refused.stdout
    try:
        run.up(SCHEMA_MODE="observe")
        done = run.admin("backup")
        assert done.returncode == 0, done.stdout
        listed = run.admin("list")
        assert "verified" in listed.stdout, listed.stdout
        seconds = time.monotonic() - started
        system = run.system
        with httpx.Client(base_url=system["base_url"], timeout=30) as client:
            page = client.get("/account/sign-in").text
            assert "My WordPress" in page
            assert "SysNDD" not in page
        assert seconds < MINUTES
    finally:
        run.command("down")
        drop_schemas_of(database_server, wordpress.schema)
