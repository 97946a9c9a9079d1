"""Live: an API with the deployment's settings must call itself not ready when it is not.

The running API is left alone: one of our own starts beside it on a free port, with a copy of the
migrations, and reaches the database through a relay that can be cut.
"""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysndd_core.db.schema_version import list_migrations
from sysndd_preflight import programs
from sysndd_preflight.catalog import NotHere, Phase, Problem, check
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.http import ask_now
from sysndd_preflight.relay import Relay
from sysndd_preflight.runner import tail
from sysndd_preflight.service_settings import api

_PATIENCE = 30.0


@dataclass(frozen=True)
class OwnApi:
    """An API of ours: where it is, its migrations, its way to the database, its log."""

    base: str
    migrations: Path
    relay: Relay
    log: Path


@contextlib.asynccontextmanager
async def own_api(deployment: Deployment) -> AsyncIterator[OwnApi]:
    """Start one, and wait until it is ready."""
    settings = api(deployment)
    program = programs.find("sysndd-api")
    if program is None:
        raise NotHere("sysndd-api is not installed here")
    port = programs.free_port()
    with tempfile.TemporaryDirectory(prefix="sysndd-preflight-") as folder:
        migrations = Path(folder) / "migrations"
        shutil.copytree(settings.migrations.directory, migrations)
        async with Relay(settings.database).serving() as relay:
            changes = {
                "API_HOST": programs.LOOPBACK,
                "API_PORT": str(port),
                "API_WORKERS": "1",
                "DB_POOL_SIZE": "2",
                "DB_HOST": programs.LOOPBACK,
                "DB_PORT": str(relay.port),
                "DB_SOCKET": "",
                "MIGRATIONS_DIR": str(migrations),
                "MIGRATE_ON_START": "false",
                "API_START_TIMEOUT": "20",
            }
            environment = {**deployment.services["api"].environment, **changes}
            async with programs.running([program], environment) as (process, log):
                base = f"http://{programs.LOOPBACK}:{port}"
                await programs.wait_until(
                    lambda: _status(deployment, base) == 200, process, log,
                    what="an API of our own with these settings does not get ready",
                    seconds=_PATIENCE,
                )  # fmt: skip
                yield OwnApi(base, migrations, relay, log)


@check(
    "ready.pending",
    Phase.LIVE,
    "With a migration pending, the API is not ready and says which.",
    mend="Readiness compares MIGRATIONS_DIR with the ledger: check that the API's own copy is complete.",
    seconds=90,
)
async def pending(deployment: Deployment) -> str:
    """Add a file to the copy of an API of ours; in a project of ours, take a row out of the ledger."""
    if deployment.project is not None:
        with deployment.project.pending_migration():
            reason = await _until_not_ready(deployment, deployment.project.api_urls()[0])
        return f"503: {reason}"
    async with own_api(deployment) as ours:
        number = max(file.number for file in list_migrations(ours.migrations).files) + 1
        added = ours.migrations / f"{number:03}_preflight.sql"
        added.write_text("SELECT 1;\n", encoding="utf-8")
        reason = await _until_not_ready(deployment, ours.base, ours.log)
        if added.name not in reason:
            raise Problem(f"not ready, but for another reason: {reason}")
        added.unlink()
        await _until_ready(deployment, ours.base, ours.log)
    return f"503: {reason}"


@check(
    "ready.database_down",
    Phase.LIVE,
    "Without its database the API is not ready, lives on, and comes back by itself.",
    mend="/api/health/live must not ask the database; /api/health/ready must, within its deadline.",
    seconds=90,
)
async def database_down(deployment: Deployment) -> str:
    """Cut the way to the database of an API of ours; in a project of ours, freeze the server."""
    if deployment.project is not None:
        base = deployment.project.api_urls()[0]
        with deployment.project.frozen("db"):
            reason = await _until_not_ready(deployment, base)
        await _until_ready(deployment, base)
        return f"503: {reason}; ready again afterwards"
    async with own_api(deployment) as ours:
        ours.relay.cut()
        reason = await _until_not_ready(deployment, ours.base, ours.log)
        live = _status(deployment, ours.base, "/health/live")
        if live != 200:
            raise Problem(f"without the database even /health/live answers {live}")
        ours.relay.mend()
        await _until_ready(deployment, ours.base, ours.log)
    return f"503: {reason}; ready again afterwards"


def _status(deployment: Deployment, base: str, path: str = "/health/ready") -> int:
    try:
        return ask_now(deployment, path, base=base, timeout=5).status
    except Problem:
        return 0


async def _until_not_ready(deployment: Deployment, base: str, log: Path | None = None) -> str:
    found: dict[str, Any] = {}

    def not_ready() -> bool:
        try:
            answer = ask_now(deployment, "/health/ready", base=base, timeout=5)
        except Problem:
            return False
        found.update(answer.json())
        return answer.status == 503

    if not await _eventually(not_ready):
        raise Problem("/health/ready goes on answering 200", log=_tail(log))
    reason = str(found.get("reason") or "")
    if not reason:
        raise Problem("/health/ready answers 503 without a reason", log=_tail(log))
    return reason


async def _until_ready(deployment: Deployment, base: str, log: Path | None = None) -> None:
    if not await _eventually(lambda: _status(deployment, base) == 200):
        raise Problem("it does not get ready again", log=_tail(log))


async def _eventually(is_true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if await asyncio.to_thread(is_true):
            return True
        await asyncio.sleep(0.2)
    return False


def _tail(log: Path | None) -> list[str]:
    return tail(log) if log is not None else []
