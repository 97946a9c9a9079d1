"""Live: an API with the settings of the deployment reports correctly whether it is ready.

The running API is not touched: a second one is started on a free port, with a copy of the
migrations and with a relay to the database that can be interrupted.
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
from sysndd_preflight.catalog import Phase, Problem, Skipped, check
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.http import send_request
from sysndd_preflight.relay import Relay
from sysndd_preflight.runner import last_lines
from sysndd_preflight.service_settings import api_settings

_TIMEOUT = 30.0


@dataclass(frozen=True)
class SecondApi:
    """The API that was started for a check."""

    base: str
    migrations: Path
    relay: Relay
    log: Path


@contextlib.asynccontextmanager
async def start_second_api(deployment: Deployment) -> AsyncIterator[SecondApi]:
    """Start an API with the settings of the deployment, and wait until it is ready."""
    settings = api_settings(deployment)
    program = programs.find("sysndd-api")
    if program is None:
        raise Skipped("sysndd-api is not installed on this machine")
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
                    lambda: _status(deployment, base) == 200,
                    process,
                    log,
                    what="an API with these settings does not become ready",
                    seconds=_TIMEOUT,
                )
                yield SecondApi(base, migrations, relay, log)


@check(
    "ready.pending",
    Phase.LIVE,
    "With a pending migration, the API is not ready and names the migration.",
    remedy="Readiness compares MIGRATIONS_DIR with the ledger: check that the API has all"
    " migration files.",
    seconds=90,
)
async def pending(deployment: Deployment) -> str:
    """Add a migration to a second API; in a temporary project, mark one as not applied."""
    if deployment.project is not None:
        with deployment.project.pending_migration():
            reason = await _until_not_ready(deployment, deployment.project.api_urls()[0])
        return f"503: {reason}"
    async with start_second_api(deployment) as second:
        number = max(file.number for file in list_migrations(second.migrations).files) + 1
        added = second.migrations / f"{number:03}_preflight.sql"
        added.write_text("SELECT 1;\n", encoding="utf-8")
        reason = await _until_not_ready(deployment, second.base, second.log)
        if added.name not in reason:
            raise Problem(f"the reason does not name the pending migration {added.name}: {reason}")
        added.unlink()
        await _until_ready(deployment, second.base, second.log)
    return f"503: {reason}"


@check(
    "ready.database_down",
    Phase.LIVE,
    "Without the database, the API is live but not ready, and it recovers by itself.",
    remedy="/api/health/live must not use the database; /api/health/ready must, within its time"
    " limit.",
    seconds=90,
)
async def database_down(deployment: Deployment) -> str:
    """Interrupt the connection of a second API; in a temporary project, pause the server."""
    if deployment.project is not None:
        base = deployment.project.api_urls()[0]
        with deployment.project.paused("db"):
            reason = await _until_not_ready(deployment, base)
        await _until_ready(deployment, base)
        return f"503: {reason}; ready again afterwards"
    async with start_second_api(deployment) as second:
        second.relay.cut()
        reason = await _until_not_ready(deployment, second.base, second.log)
        live = _status(deployment, second.base, "/health/live")
        if live != 200:
            raise Problem(f"without the database, /health/live answers with {live} instead of 200")
        second.relay.restore()
        await _until_ready(deployment, second.base, second.log)
    return f"503: {reason}; ready again afterwards"


def _status(deployment: Deployment, base: str, path: str = "/health/ready") -> int:
    try:
        return send_request(deployment, path, base=base, timeout=5).status
    except Problem:
        return 0


async def _until_not_ready(deployment: Deployment, base: str, log: Path | None = None) -> str:
    found: dict[str, Any] = {}

    def not_ready() -> bool:
        try:
            response = send_request(deployment, "/health/ready", base=base, timeout=5)
        except Problem:
            return False
        found.update(response.json())
        return response.status == 503

    if not await _becomes_true(not_ready):
        raise Problem("/health/ready still answers with 200", log=last_lines(log))
    reason = str(found.get("reason") or "")
    if not reason:
        raise Problem("/health/ready answers with 503 without a reason", log=last_lines(log))
    return reason


async def _until_ready(deployment: Deployment, base: str, log: Path | None = None) -> None:
    if not await _becomes_true(lambda: _status(deployment, base) == 200):
        raise Problem("the API does not become ready again", log=last_lines(log))


async def _becomes_true(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _TIMEOUT
    while time.monotonic() < deadline:
        if await asyncio.to_thread(condition):
            return True
        await asyncio.sleep(0.2)
    return False
