"""Live: create, verify and restore a backup and undo the restore, in temporary schemas.

The schemas are named ``<DB_NAME>_shadow_pf…``, because the accounts of migrator and backup worker
have privileges there, and the load account in their shadow schemas. A second backup worker is
started with the settings of the deployment, a temporary backup directory and an unused Redis
database. In a temporary project, the check uses the application schema through the API.
"""

import asyncio
import contextlib
import json
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiomysql
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sysndd_core.settings.database import DatabaseSettings
from sysndd_preflight import programs
from sysndd_preflight.catalog import Phase, Problem, Skipped, check
from sysndd_preflight.checks.database import fetch_row, open_connection
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.runner import last_lines
from sysndd_preflight.service_settings import (
    api_settings,
    backup_worker_settings,
    database_accounts,
)

_MAX_SCHEMA_LENGTH = 48
_ROWS = 20
_REMEDY = (
    "Repeat the steps on a test system with sysndd-admin backup, verify, restore and undo-restore;"
    " docs/runbooks/restore.md explains the error codes."
)


@dataclass(frozen=True)
class TemporarySite:
    """Temporary schemas, and the settings of the programs that use them."""

    name: str
    environment: Mapping[str, str]
    worker_log: Path
    password: Path
    database: DatabaseSettings

    async def admin(self, *arguments: str) -> dict[str, Any]:
        """Run one command of sysndd-admin and return its JSON output."""
        program = programs.find("sysndd-admin")
        assert program is not None
        done = await programs.run([program, *arguments, "--json"], self.environment, seconds=120)
        if done.returncode != 0:
            errors = [line for line in done.stdout.splitlines() if line.startswith("sysndd-admin")]
            raise Problem(
                " ".join(errors) or f"sysndd-admin {arguments[0]} ended with {done.returncode}",
                log=last_lines(self.worker_log),
            )
        document = json.loads(done.stdout[done.stdout.index("{") :])
        assert isinstance(document, dict)
        return document

    async def count(self) -> int:
        """Return the number of rows in the test table."""
        async with open_connection(self.database) as connection:
            found = await fetch_row(
                connection, f"SELECT COUNT(*) AS n FROM `{self.name}`.preflight"
            )
        return int(found["n"])


@check(
    "backup.cycle",
    Phase.LIVE,
    "A backup can be created, verified and restored, and the restore undone.",
    remedy=_REMEDY,
    seconds=300,
    logs=("backup-worker",),
)
async def cycle(deployment: Deployment) -> str:
    """Create a backup, delete rows, restore, and undo the restore; count the rows each time."""
    if deployment.project is not None:
        finding: str = await asyncio.to_thread(deployment.project.backup_cycle, deployment)
        return finding
    async with _site(deployment) as site:
        async with open_connection(site.database) as connection, connection.cursor() as cursor:
            await _fill(cursor, site.name)
        # A backup without an administrator cannot be restored.
        await site.admin(
            *("create-admin", "--user-name", "preflight"),
            *("--email", "preflight@localhost.localdomain"),
            *("--password-file", str(site.password)),
        )
        backup = await site.admin("backup")
        result = backup.get("result") or {}
        name = result["name"]
        verification = result.get("verification")
        if verification != "verified":
            verification = (await site.admin("verify", name))["result"].get(
                "verification", "verified"
            )
        async with open_connection(site.database) as connection, connection.cursor() as cursor:
            await cursor.execute(f"DELETE FROM `{site.name}`.preflight")
        await site.admin("restore", name, "--confirm", "RESTORE")
        restored = await site.count()
        if restored != _ROWS:
            raise Problem(f"{restored} of {_ROWS} rows exist after the restore")
        await site.admin("undo-restore", "--confirm", "UNDO")
        undone = await site.count()
        if undone != 0:
            raise Problem(
                f"after the undo, {undone} rows exist that did not exist before the restore"
            )
    return (
        f"{result['table_count']} tables, {result['row_count']} rows: created, {verification},"
        " restored,"
        " restore undone"
    )


async def _fill(cursor: aiomysql.Cursor, schema: str) -> None:
    await cursor.execute(
        f"CREATE TABLE `{schema}`.preflight (id INT PRIMARY KEY, text VARCHAR(80) NOT NULL)"
    )
    await cursor.executemany(
        f"INSERT INTO `{schema}`.preflight VALUES (%s, %s)",
        [(number, f"Zoë's {number}. \\ row; ‘quoted’") for number in range(_ROWS)],
    )


@contextlib.asynccontextmanager
async def _site(deployment: Deployment) -> AsyncIterator[TemporarySite]:
    accounts = dict(database_accounts(deployment))
    if "migrator" not in accounts:
        raise Skipped(
            "the settings of migrator or backup-worker are unknown; use --system or --env"
        )
    worker = backup_worker_settings(deployment)
    name = f"{worker.database.name}_shadow_pf{secrets.token_hex(3)}"
    if len(f"{name}_ops") > _MAX_SCHEMA_LENGTH:
        raise Skipped(
            f"DB_NAME {worker.database.name} is too long for the names of temporary schemas"
        )
    program = programs.find("sysndd-backup-worker")
    if program is None:
        raise Skipped("sysndd-backup-worker is not installed on this machine")
    with tempfile.TemporaryDirectory(prefix="sysndd-preflight-") as folder:
        async with _unused_redis(deployment) as redis_url:
            changes = {
                "DB_NAME": name,
                "OPS_DB_NAME": f"{name}_ops",
                "SCHEMA_MODE": "",
                "BACKUP_DIR": str(Path(folder) / "backups"),
                "BACKUP_SCHEDULE": "",
                "BACKUP_VERIFY": "always",
                # A pattern could match the test table.
                "BACKUP_EXCLUDE_ROWS": "",
                "REDIS_URL": redis_url,
                "LOG_FORMAT": "console",
            }
            environment = {
                **deployment.services["api"].environment,
                **deployment.services["backup-worker"].environment,
                **_without_files(changes),
            }
            environment = {k: v for k, v in environment.items() if not _is_omitted(k, environment)}
            try:
                await _migrate(deployment, changes)
                password = Path(folder) / ".password"
                password.write_text(secrets.token_urlsafe(24), encoding="utf-8")
                async with programs.running([program], environment) as (_, log):
                    yield TemporarySite(name, environment, log, password, worker.database)
            finally:
                await _drop(accounts["migrator"], name)


def _is_omitted(name: str, environment: Mapping[str, str]) -> bool:
    """Return whether the second worker omits a setting: off-site storage, unreadable encryption."""
    if name.startswith("BACKUP_S3_"):
        return True
    readable = any(environment.get(f"BACKUP_ENCRYPTION_IDENTITY{end}") for end in ("", "_FILE"))
    return name.startswith("BACKUP_ENCRYPTION_") and not readable


def _without_files(changes: Mapping[str, str]) -> dict[str, str]:
    """Clear the NAME_FILE of each setting, which would contradict its value."""
    return {**changes, **{f"{name}_FILE": "" for name in changes}}


async def _migrate(deployment: Deployment, changes: Mapping[str, str]) -> None:
    program = programs.find("sysndd-migrator")
    if program is None:
        raise Skipped("sysndd-migrator is not installed on this machine")
    environment = {**deployment.services["migrator"].environment, **_without_files(changes)}
    done = await programs.run([program, "up"], environment, seconds=120)
    if done.returncode != 0:
        raise Problem(
            f"the migrator failed with exit code {done.returncode} on an empty schema",
            log=done.stdout.splitlines()[-50:],
        )


async def _drop(settings: DatabaseSettings, name: str) -> None:
    """Drop the temporary schemas and their shadow schemas."""
    async with open_connection(settings) as connection, connection.cursor() as cursor:
        await cursor.execute(
            "SELECT schema_name AS name FROM information_schema.schemata"
            " WHERE schema_name = %s OR LEFT(schema_name, %s) = %s",
            (name, len(name) + 1, f"{name}_"),
        )
        for found in await cursor.fetchall():
            await cursor.execute(f"DROP DATABASE IF EXISTS `{found['name']}`")


@contextlib.asynccontextmanager
async def _unused_redis(deployment: Deployment) -> AsyncIterator[str]:
    """Yield the URL of an empty Redis database, and empty it at the end."""
    parts = urlsplit(api_settings(deployment).redis.url.get_secret_value())
    for number in range(15, 0, -1):
        url = urlunsplit(parts._replace(path=f"/{number}"))
        try:
            async with Redis.from_url(url, socket_timeout=5) as client:
                if await client.dbsize() == 0:
                    try:
                        yield url
                    finally:
                        await client.flushdb()
                    return
        except RedisError as error:
            raise Problem(f"Redis: {error}", "See the check redis.durable.") from error
    raise Skipped("all databases of Redis are in use")
