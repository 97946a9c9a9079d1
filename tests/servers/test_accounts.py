"""The restricted accounts of deploy/accounts have all privileges that the services need."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from sysndd_backup.load.confined_account import LoadAccount
from sysndd_core.jobs.models import Consent, CreateBackup, RestoreBackup
from sysndd_local.accounts import Account, DatabaseAccess, create_accounts
from sysndd_migrator.cli.main import main as migrator
from tests.support.servers import DatabaseServer, TestRedis
from tests.support.site import MIGRATIONS, REPOSITORY, Site
from tests.support.workers import backup_bench, checksums

TEMPLATE = REPOSITORY / "deploy" / "accounts" / "accounts.sql"
ACCOUNTS = {
    role: Account(user, f"Password4{role}")
    for role, user in {
        "operator": "sysndd",
        "api": "sysndd_api",
        "migrator": "sysndd_migrator",
        "backup": "sysndd_backup",
        "mailer": "sysndd_mailer",
        "load": "sysndd_load",
    }.items()
}


@pytest.fixture
def access(database_server: DatabaseServer) -> Iterator[DatabaseAccess]:
    """Schemas and accounts, created by the template, which runs twice."""
    with database_server.temporary_schema("owned") as schema:
        access = DatabaseAccess(
            database_server.host, database_server.port, None, schema, f"{schema}_ops", **ACCOUNTS
        )
        with database_server.connect() as root:
            create_accounts(root, TEMPLATE, access)
            create_accounts(root, TEMPLATE, access)
        yield access
        for account in ACCOUNTS.values():
            database_server.execute(f"DROP USER '{account.user}'@'%'")


@pytest.fixture
def migrated(access: DatabaseAccess, monkeypatch: pytest.MonkeyPatch) -> DatabaseAccess:
    """The schemas, migrated with the migrator's account."""
    environ = access.environment(access.migrator) | {"MIGRATIONS_DIR": str(MIGRATIONS)}
    with monkeypatch.context() as patched:
        for variable, value in environ.items():
            patched.setenv(variable, value)
        assert migrator(["up"]) == 0
    return access


async def test_backup_and_restore_work_with_the_accounts_of_the_services(
    database_server: DatabaseServer,
    redis_server: TestRedis,
    migrated: DatabaseAccess,
    tmp_path: Path,
) -> None:
    environ = migrated.environment(migrated.backup) | {
        "REDIS_URL": redis_server.url,
        "BACKUP_DIR": str(tmp_path),
    }
    site = Site(database_server, environ, tmp_path)
    with migrated.connect(migrated.api) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO `{site.app}`.`user` (user_name, email) VALUES ('one', 'one@x.example')"
        )
    load = LoadAccount(ACCOUNTS["load"].user, SecretStr(ACCOUNTS["load"].password))
    async with backup_bench(site) as bench:
        bench.tools = dataclasses.replace(bench.tools, load_account=load)
        before, triggers = checksums(site, site.app), definers(site)
        assert triggers
        made = await bench.run(CreateBackup())
        assert made["state"] == "succeeded", made["error"]
        database_server.execute(f"DELETE FROM `{site.app}`.`user`")
        (manifest,) = bench.store.manifests()
        restored = await bench.run(RestoreBackup(name=manifest.name, accept=tuple(Consent)))
        assert restored["state"] == "succeeded", restored["error"]
        assert checksums(site, site.app) == before
        # A dump may name any definer: restored objects belong to the account that restores them.
        owner = f"{migrated.backup.user}@%"
        assert definers(site) == tuple((name, owner) for name, _ in triggers)


def definers(site: Site) -> tuple[tuple[object, ...], ...]:
    """Triggers and views with their definers."""
    return site.server.execute(
        "SELECT trigger_name, definer FROM information_schema.triggers WHERE trigger_schema = %s"
        " UNION ALL SELECT table_name, definer FROM information_schema.views"
        " WHERE table_schema = %s ORDER BY 1",
        (site.app, site.app),
    )
