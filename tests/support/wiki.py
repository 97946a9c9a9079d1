"""A site whose tables somebody else made, and the processes of the platform on it."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.servers import DatabaseServer, TestRedis
from tests.support.site import REPOSITORY, Site, site_environ
from tests.support.workers import PACKAGES

Run = Callable[..., subprocess.CompletedProcess[str]]

# The shapes that MediaWiki gives to tables with names of ours, and a zero date as WordPress has.
TABLES = (
    "CREATE TABLE `user` (user_id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, user_name VARBINARY(255)"
    " NOT NULL, user_email TINYBLOB NOT NULL, user_editcount INT)",
    "CREATE TABLE job (job_id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, job_cmd VARBINARY(60)"
    " NOT NULL)",
    "CREATE TABLE page (page_id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, page_title VARBINARY(255)"
    " NOT NULL, page_latest INT UNSIGNED NOT NULL)",
    "CREATE TABLE searchindex (si_page INT UNSIGNED NOT NULL, si_text MEDIUMTEXT NOT NULL,"
    " UNIQUE KEY (si_page), FULLTEXT KEY (si_text)) ENGINE = MyISAM",
    "CREATE VIEW titles AS SELECT page_title FROM page",
    "INSERT INTO `user` (user_name, user_email) VALUES ('Anna', 'anna@wiki.example')",
    "INSERT INTO page (page_title, page_latest) VALUES ('Main_Page', 1), ('Help', 2)",
    "INSERT INTO searchindex VALUES (1, 'main page'), (2, 'help')",
)


@pytest.fixture
def wiki(
    database_server: DatabaseServer, redis_server: TestRedis, tmp_path: Path
) -> Iterator[Site]:
    """A site that is not attached: a schema of a wiki, and no platform schema."""
    name = f"wiki_{secrets.token_hex(4)}"
    backups = tmp_path / "wiki-backups"
    backups.mkdir()
    database_server.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    for statement in TABLES:
        database_server.execute(statement, schema=name)
    migrations = tmp_path / "wiki-migrations"
    migrations.mkdir()
    environ = site_environ(database_server, redis_server, backups, name=name)
    yield Site(database_server, environ | {"MIGRATIONS_DIR": str(migrations)}, backups)
    for (schema,) in database_server.execute(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s",
        (f"{name}%",),
    ):
        database_server.execute(f"DROP DATABASE `{schema}`")


@pytest.fixture
def run() -> Run:
    """Run a program of the platform on a site until it ends."""

    def run(site: Site, module: str, *arguments: str, **changes: str) -> object:
        paths = os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES)
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, **site.environ, **changes, "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run  # type: ignore[return-value]  # the result of subprocess.run


def contents(site: Site) -> dict[str, object]:
    """Return the definition and the rows of every table and view of the application schema."""
    names = site.server.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s ORDER BY 1",
        (site.app,),
    )
    return {
        name: (
            site.server.execute(f"SHOW CREATE TABLE `{site.app}`.`{name}`")[0][1],
            site.server.execute(f"SELECT * FROM `{site.app}`.`{name}`"),
        )
        for (name,) in names
    }
