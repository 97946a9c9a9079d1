"""What an installation of a release left behind: both schemas, backups, email, a restore to undo.

``python -m tests.releases VERSION`` records it with the code of that release;
``tests/integration/upgrades`` puts it under the code of today.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sysndd_api.context import open_context
from sysndd_api.operators.service import Operators
from sysndd_api.security.access import OperatorRole
from sysndd_api.settings import ApiSettings
from sysndd_backup.server.clients import find_clients
from sysndd_core.jobs.models import CreateBackup, Job, RestoreBackup
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.mail.outbox import MailRows, NewMail
from tests.support.http import PASSWORD
from tests.support.servers import DatabaseServer, TestRedis
from tests.support.site import REPOSITORY, Site, site_environ
from tests.support.workers import BackupBench, backup_bench

RELEASES = REPOSITORY / "tests" / "data" / "releases"
"""One folder for each release and, in it, each vendor."""

APP = "sysndd"
"""The application schema; the platform schema and those of a restore begin with it."""

ADMINISTRATOR = "admin"
RECIPIENT = "person@sysndd.example"
QUEUED_AT = "2026-11-30 12:00"
"""What the queued email says."""

_DATABASE, _BACKUPS = "database.sql", "backups"
_CENTURY = 100 * 365 * 24 * 3600
"""Seconds. A queued email must not expire before the release is tested."""

_OBJECTS = r"""
CREATE TABLE `a table` (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, parent INT NULL, title VARCHAR(100), body LONGBLOB,
  doubled INT GENERATED ALWAYS AS (CHAR_LENGTH(title) * 2) STORED, document JSON,
  CONSTRAINT up FOREIGN KEY (parent) REFERENCES `a table` (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
--
INSERT INTO `a table` (id, parent, title, body, document) VALUES
  (1, NULL, 'line\nbreak),\n(''quote', x'00010A0D1A22275C7FFF', '{"a": "),("}'),
  (2, 1, 'back\\slash 🧬 é', '', NULL)
--
CREATE FUNCTION twice(x INT) RETURNS INT DETERMINISTIC RETURN x * 2
--
CREATE VIEW doubled AS SELECT id, title, twice(id) AS n FROM `a table`
--
CREATE TRIGGER title_is_set BEFORE INSERT ON `a table` FOR EACH ROW
BEGIN
  IF NEW.title IS NULL THEN SET NEW.title = 'no; title'; END IF;
END
--
INSERT INTO gene (hgnc_id, symbol, name) VALUES
  ('HGNC:1', 'BACKED_UP', 'in the backup'), ('HGNC:2', 'BOTH', 'in the backup as well')
"""
_AFTER_THE_BACKUP = (
    "INSERT INTO gene (hgnc_id, symbol, name) VALUES ('HGNC:3', 'REPLACED', 'not in the backup')"
)


async def record(server: DatabaseServer, redis: TestRedis, folder: Path) -> None:
    """Use this release as a site does, and write what it leaves to a folder.

    Args:
        server: A database server without the schemas of a site.
        redis: Its Redis server.
        folder: Is replaced.
    """
    shutil.rmtree(folder, ignore_errors=True)
    (folder / _BACKUPS).mkdir(parents=True)
    site = _site(server, redis, folder / _BACKUPS)
    done = up(site)
    assert done.returncode == 0, done.stderr
    async with open_context(site.load(ApiSettings)) as context:
        await context[Operators].create(
            ADMINISTRATOR, "admin@sysndd.example", OperatorRole.ADMINISTRATOR, PASSWORD
        )
    with server.connect(APP) as connection, connection.cursor() as cursor:
        for statement in _OBJECTS.split("\n--\n"):
            cursor.execute(statement)
    async with backup_bench(site) as bench:
        await _succeed(bench, CreateBackup())
        server.execute(_AFTER_THE_BACKUP, schema=APP)
        await _succeed(bench, RestoreBackup(name=bench.store.manifests()[0].name))
        await _enqueue(bench)
        clients = await find_clients(bench.tools.server)
        _dump(server, clients.dump, folder / _DATABASE)


@contextmanager
def installation(
    version: str, server: DatabaseServer, redis: TestRedis, backup_dir: Path
) -> Iterator[Site]:
    """Put the data of a release onto a server, under its own names; drop it at the end.

    Args:
        version: The release.
        server: A database server without these schemas.
        redis: The site's Redis server.
        backup_dir: Is created, with the release's backups.
    """
    folder = RELEASES / version / ("mariadb" if server.is_mariadb else "mysql")
    shutil.copytree(folder / _BACKUPS, backup_dir)
    try:
        with (folder / _DATABASE).open("rb") as dump:
            subprocess.run(
                server.client_command(), stdin=dump, check=True, env=server.client_environ
            )
        yield _site(server, redis, backup_dir)
    finally:
        for name in _schemas(server):
            server.execute(f"DROP DATABASE `{name}`")


def releases() -> list[str]:
    """Return the recorded releases."""
    return sorted(folder.name for folder in RELEASES.iterdir())


def up(site: Site) -> "subprocess.CompletedProcess[str]":
    """Run ``sysndd-migrator up``, in a process of its own because it has its own event loop."""
    return subprocess.run(
        [sys.executable, "-m", "sysndd_migrator", "up"],
        env=os.environ | site.environ,
        capture_output=True,
        text=True,
        check=False,
    )


def _site(server: DatabaseServer, redis: TestRedis, backup_dir: Path) -> Site:
    return Site(server, site_environ(server, redis, backup_dir, name=APP), backup_dir)


async def _succeed(bench: BackupBench, job: Job) -> None:
    row = await bench.run(job)
    assert row["state"] == "succeeded", row["error"]


async def _enqueue(bench: BackupBench) -> None:
    wake_up = WakeUp(bench.site.redis)
    rows = MailRows(bench.database, wake_up, domain="sysndd.example")
    mail = NewMail("test", RECIPIENT, "test", {"requested_at": QUEUED_AT}, expires_after=_CENTURY)
    async with bench.database.transaction() as tx:
        await rows.enqueue(tx, mail, requested_by=None)
    await wake_up.close()


def _dump(server: DatabaseServer, client: str, target: Path) -> None:
    """Dump both schemas and those with the tables that the restore replaced."""
    options = ["--single-transaction", "--routines", "--triggers", "--events", "--skip-dump-date"]
    if not server.is_mariadb:
        options.append("--set-gtid-purged=OFF")
    with target.open("wb") as file:
        subprocess.run(
            [*server.client_command(client), *options, "--databases", *_schemas(server)],
            stdout=file,
            check=True,
            env=server.client_environ,
        )


def _schemas(server: DatabaseServer) -> list[str]:
    rows = server.execute(
        "SELECT schema_name FROM information_schema.schemata"
        " WHERE schema_name = %s OR schema_name LIKE %s ORDER BY 1",
        (APP, f"{APP}\\_%"),
    )
    return [name for (name,) in rows]
