"""A site for one test: new schemas, filled by the real migrator, and settings for them."""

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from sysndd_core.db.database import Database
from sysndd_core.settings.base import Settings, load
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.settings.redis import RedisSettings
from sysndd_migrator.cli.main import main as migrator
from tests.support.servers import DatabaseServer, TestRedis

REPOSITORY = Path(__file__).resolve().parents[2]
MIGRATIONS = REPOSITORY / "db" / "migrations"

SettingsT = TypeVar("SettingsT", bound=Settings)


class _CoreSettings(Settings):
    database: DatabaseSettings
    redis: RedisSettings


@dataclass(frozen=True)
class Site:
    """One application schema and one platform schema with all migrations.

    Attributes:
        environ: the environment with which every service connects to them.
        backup_dir: an empty directory for backups.
    """

    server: DatabaseServer
    environ: dict[str, str]
    backup_dir: Path

    @property
    def app(self) -> str:
        """Name of the application schema."""
        return self.environ["DB_NAME"]

    @property
    def ops(self) -> str:
        """Name of the platform schema."""
        return self.environ["OPS_DB_NAME"]

    def load(self, settings: type[SettingsT], **changes: str) -> SettingsT:
        """Build the settings of a service, with some variables changed."""
        return load(settings, self.environ | changes)

    @property
    def database(self) -> DatabaseSettings:
        """Settings of the database only."""
        return self.load(_CoreSettings).database

    @property
    def redis(self) -> RedisSettings:
        """Settings of Redis only."""
        return self.load(_CoreSettings).redis

    def waiting_for_a_table(self) -> int | None:
        """Return a session of the server that waits for a table lock, if there is one."""
        rows = self.server.execute(
            "SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for table%'"
        )
        return int(rows[0][0]) if rows else None


@pytest.fixture
def site(
    database_server: DatabaseServer,
    redis_server: TestRedis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    """A newly migrated site on the servers of the test session."""
    yield from make_site(database_server, redis_server, tmp_path, monkeypatch)


def make_site(
    server: DatabaseServer, redis: TestRedis, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """Migrate new schemas; drop them and their scratch schemas at the end."""
    name = f"site_{secrets.token_hex(4)}"
    backup_dir = directory / "backups"
    backup_dir.mkdir()
    environ = site_environ(server, redis, backup_dir, name=name)
    with monkeypatch.context() as patched:
        for variable, value in environ.items():
            patched.setenv(variable, value)
        assert migrator(["up"]) == 0
    try:
        yield Site(server, environ, backup_dir)
    finally:
        for (schema,) in server.execute(
            "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s",
            (f"{name}%",),
        ):
            drop_schema(server, schema)


def drop_schema(server: DatabaseServer, schema: str) -> None:
    """Drop a schema, even if tables of another one refer to its tables."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET foreign_key_checks = 0")
        cursor.execute(f"DROP DATABASE `{schema}`")


def site_environ(
    server: DatabaseServer, redis: TestRedis, backup_dir: Path, *, name: str
) -> dict[str, str]:
    """Return the environment with which every service connects to a site's schemas."""
    return server.environ(name=name, ops_name=f"{name}_ops") | {
        "REDIS_URL": redis.url,
        "BACKUP_DIR": str(backup_dir),
        "MIGRATIONS_DIR": str(MIGRATIONS),
        "ENVIRONMENT": "development",
        "PUBLIC_URL": "http://sysndd.example",
        "MAIL_FROM": "SysNDD <noreply@sysndd.example>",
        "TOKEN_KEY": "canary-token-key-0123456789abcdef",
    }


@pytest.fixture
async def database(site: Site) -> AsyncIterator[Database]:
    """An open connection pool for the site."""
    async with Database(site.database) as pool:
        yield pool
