"""Live: a backup, its proof, a restore and an undo, on schemas of our own.

The schemas are named ``<DB_NAME>_shadow_pf…``: the accounts of migrator and backup worker may use
them, and the account that loads backups may use their shadows. Their worker is one of our own, with
the deployment's settings, a backup directory beside the real one and a Redis database that nobody
uses. A project of ours has only schemas of our own: there it is done through the API.
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
from sysndd_preflight.catalog import NotHere, Phase, Problem, check
from sysndd_preflight.checks.database import row, session
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.runner import tail
from sysndd_preflight.service_settings import api, backup_worker, databases

_LONGEST_SCHEMA = 48
_ROWS = 20
_MEND = (
    "Repeat it by hand on a test system: sysndd-admin backup, verify, restore, undo-restore;"
    " docs/runbooks/restore.md explains each error code."
)


@dataclass(frozen=True)
class Site:
    """Schemas of our own, and how programs of ours find them."""

    name: str
    environment: Mapping[str, str]
    worker_log: Path
    password: Path
    database: DatabaseSettings

    async def admin(self, *arguments: str) -> dict[str, Any]:
        """Run one command of sysndd-admin and return what it printed."""
        program = programs.find("sysndd-admin")
        assert program is not None
        done = await programs.run([program, *arguments, "--json"], self.environment, seconds=120)
        if done.returncode != 0:
            said = [line for line in done.stdout.splitlines() if line.startswith("sysndd-admin")]
            raise Problem(
                " ".join(said) or f"sysndd-admin {arguments[0]} ended with {done.returncode}",
                log=tail(self.worker_log),
            )
        document = json.loads(done.stdout[done.stdout.index("{"):])  # fmt: skip
        assert isinstance(document, dict)
        return document

    async def count(self) -> int:
        """Return how many rows our table has."""
        async with session(self.database) as connection:
            found = await row(connection, f"SELECT COUNT(*) AS n FROM `{self.name}`.preflight")
        return int(found["n"])


@check(
    "backup.cycle",
    Phase.LIVE,
    "A backup is taken, proven, restored and undone.",
    mend=_MEND,
    seconds=300,
    logs=("backup-worker",),
)
async def cycle(deployment: Deployment) -> str:
    """Take a backup, lose rows, restore, see them; undo, see them gone again."""
    if deployment.project is not None:
        told: str = await asyncio.to_thread(deployment.project.backup_cycle, deployment)
        return told
    async with _site(deployment) as site:
        async with session(site.database) as connection, connection.cursor() as cursor:
            await _fill(cursor, site.name)
        # A backup without an administrator is not restored.
        await site.admin(
            *("create-admin", "--user-name", "preflight"),
            *("--email", "preflight@localhost.localdomain"),
            *("--password-file", str(site.password)),
        )
        backup = await site.admin("backup")
        result = backup.get("result") or {}
        name = result["name"]
        proof = result.get("proof")
        if proof != "proven":
            proof = (await site.admin("verify", name))["result"].get("proof", "proven")
        async with session(site.database) as connection, connection.cursor() as cursor:
            await cursor.execute(f"DELETE FROM `{site.name}`.preflight")
        await site.admin("restore", name, "--confirm", "RESTORE")
        restored = await site.count()
        if restored != _ROWS:
            raise Problem(f"{restored} of {_ROWS} rows are there after the restore")
        await site.admin("undo-restore", "--confirm", "UNDO")
        undone = await site.count()
        if undone != 0:
            raise Problem(f"the undo left {undone} rows that were not there before the restore")
    return f"{result['table_count']} tables, {result['row_count']} rows: taken, {proof}, restored, undone"


async def _fill(cursor: aiomysql.Cursor, schema: str) -> None:
    await cursor.execute(
        f"CREATE TABLE `{schema}`.preflight (id INT PRIMARY KEY, text VARCHAR(80) NOT NULL)"
    )
    await cursor.executemany(
        f"INSERT INTO `{schema}`.preflight VALUES (%s, %s)",
        [(number, f"Zoë's {number}. \\ row; ‘quoted’") for number in range(_ROWS)],
    )


@contextlib.asynccontextmanager
async def _site(deployment: Deployment) -> AsyncIterator[Site]:
    accounts = dict(databases(deployment))
    if "migrator" not in accounts:
        raise NotHere("the settings of migrator and backup-worker are not known")
    worker = backup_worker(deployment)
    name = f"{worker.database.name}_shadow_pf{secrets.token_hex(3)}"
    if len(f"{name}_ops") > _LONGEST_SCHEMA:
        raise NotHere(f"DB_NAME {worker.database.name} is too long for schemas beside it")
    program = programs.find("sysndd-backup-worker")
    if program is None:
        raise NotHere("sysndd-backup-worker is not installed here")
    with tempfile.TemporaryDirectory(prefix="sysndd-preflight-") as folder:
        async with _own_redis(deployment) as redis_url:
            changes = {
                "DB_NAME": name,
                "OPS_DB_NAME": f"{name}_ops",
                "BACKUP_DIR": str(Path(folder) / "backups"),
                "BACKUP_SCHEDULE": "",
                "BACKUP_PROOF": "always",
                "REDIS_URL": redis_url,
                "LOG_FORMAT": "console",
            }
            environment = {
                **deployment.services["api"].environment,
                **deployment.services["backup-worker"].environment,
                **_without_copies(changes),
            }
            environment = {k: v for k, v in environment.items() if not _leads_away(k, environment)}
            try:
                await _migrate(deployment, changes)
                password = Path(folder) / ".password"
                password.write_text(secrets.token_urlsafe(24), encoding="utf-8")
                async with programs.running([program], environment) as (_, log):
                    yield Site(name, environment, log, password, worker.database)
            finally:
                await _drop(accounts["migrator"], name)


def _leads_away(name: str, environment: Mapping[str, str]) -> bool:
    """Tell which settings our worker does without: copies elsewhere, and keys nobody here can open."""
    if name.startswith("BACKUP_S3_"):
        return True
    readable = any(environment.get(f"BACKUP_ENCRYPTION_IDENTITY{end}") for end in ("", "_FILE"))
    return name.startswith("BACKUP_ENCRYPTION_") and not readable


def _without_copies(changes: Mapping[str, str]) -> dict[str, str]:
    """Let a value count although the deployment hands the setting over as a file."""
    return {**changes, **{f"{name}_FILE": "" for name in changes}}


async def _migrate(deployment: Deployment, changes: Mapping[str, str]) -> None:
    program = programs.find("sysndd-migrator")
    if program is None:
        raise NotHere("sysndd-migrator is not installed here")
    environment = {**deployment.services["migrator"].environment, **_without_copies(changes)}
    done = await programs.run([program, "up"], environment, seconds=120)
    if done.returncode != 0:
        raise Problem(
            f"the migrator ends with {done.returncode} on an empty schema",
            log=done.stdout.splitlines()[-50:],
        )


async def _drop(settings: DatabaseSettings, name: str) -> None:
    """Drop our schemas and everything that was made beside them."""
    async with session(settings) as connection, connection.cursor() as cursor:
        await cursor.execute(
            "SELECT schema_name AS name FROM information_schema.schemata"
            " WHERE schema_name = %s OR LEFT(schema_name, %s) = %s",
            (name, len(name) + 1, f"{name}_"),
        )
        for found in await cursor.fetchall():
            await cursor.execute(f"DROP DATABASE IF EXISTS `{found['name']}`")


@contextlib.asynccontextmanager
async def _own_redis(deployment: Deployment) -> AsyncIterator[str]:
    """Yield the address of a database of the deployment's Redis that nobody uses."""
    parts = urlsplit(api(deployment).redis.url.get_secret_value())
    for number in range(15, 0, -1):
        url = urlunsplit(parts._replace(path=f"/{number}"))
        try:
            async with Redis.from_url(url, socket_timeout=5) as client:
                if await client.dbsize() == 0:
                    try:
                        yield url
                    finally:
                        # It was empty: what is in it is ours.
                        await client.flushdb()
                    return
        except RedisError as error:
            raise Problem(f"Redis: {error}", "See redis.durable.") from error
    raise NotHere("every database of Redis is in use")
