"""``sysndd-api``: check that the service may start, then serve with N worker processes."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time

import uvicorn

from sysndd_api.asgi import METRICS_DIRECTORY
from sysndd_api.pages.branding import Branding
from sysndd_api.settings import ApiSettings
from sysndd_api.web.supervisor import Connection, Supervisor
from sysndd_core.db.database import Database
from sysndd_core.db.schema_version import pending
from sysndd_core.db.site import check_site, table_names
from sysndd_core.errors import ForeignPlatformSchema, SchemaNotAttached, SysnddError
from sysndd_core.logging import configure, get_logger
from sysndd_core.settings.base import load
from sysndd_core.settings.server import GRACEFUL_SECONDS, KEEP_ALIVE_SECONDS

log = get_logger(__name__)

# A worker that does not answer its parent for this time is replaced. uvicorn's default of 5 s is
# shorter than a start on a busy machine, so workers were killed in a loop while they started.
_HEALTHCHECK_SECONDS = 60


def main() -> int:
    """Read the environment, check it, and serve.

    Every check runs before the workers are spawned: with several workers, uvicorn exits with 0 even
    if the application does not start.

    Returns:
        0 after a clean stop; 1 if the service may not start.
    """
    try:
        settings = load(ApiSettings, os.environ)
        configure(settings.log, service="api")
        Branding.load(settings.appearance)
        if settings.server.migrate_on_start:
            _migrate()
        asyncio.run(_wait_until_current(settings))
    except SysnddError as error:
        print(f"sysndd-api: {error.detail}", file=sys.stderr)
        return 1
    return _serve(settings)


def _migrate() -> None:
    migrator = shutil.which("sysndd-migrator")
    if migrator is None:
        raise SysnddError(
            "MIGRATE_ON_START is set, but sysndd-migrator is not installed here. Run it as a"
            " separate container instead."
        )
    done = subprocess.run([migrator, "up"], check=False)
    if done.returncode != 0:
        raise SysnddError(
            f"sysndd-migrator up failed with exit code {done.returncode}; see its output above."
        )


async def _wait_until_current(settings: ApiSettings) -> None:
    """Wait for the database and its migrations; no service runs on an outdated schema.

    Raises:
        SysnddError: One of them is not ready within ``API_START_TIMEOUT``.
        ForeignPlatformSchema, SchemaNotAttached: The schemas are not this site's.
    """
    deadline = time.monotonic() + settings.server.start_timeout
    async with Database(settings.database) as database:
        while True:
            reason = await _not_current(settings, database)
            if reason is None:
                return
            if time.monotonic() > deadline:
                raise SysnddError(
                    f"Not started after {settings.server.start_timeout:g} s: {reason}"
                )
            log.info("api_start_delayed", reason=reason)
            await asyncio.sleep(1)


async def _not_current(settings: ApiSettings, database: Database) -> str | None:
    names = settings.database
    try:
        site = await check_site(database, names)
        state = await pending(
            database,
            settings.migrations.directory,
            application=names.name,
            platform=names.ops_name,
            managed=names.is_managed,
        )
    except (ForeignPlatformSchema, SchemaNotAttached):
        raise
    except SysnddError as error:
        return error.detail
    except OSError as error:
        raise SysnddError(
            f"MIGRATIONS_DIR {settings.migrations.directory}: {error.strerror}"
        ) from error
    if state.is_current:
        return None
    if site is not None and not state.platform_behind and not await _has_tables(database):
        # Operators sign in and restore a backup. Health and readiness report the loss.
        log.error("application_schema_lost", schema=names.name)
        return None
    if state.pending:
        return f"{len(state.pending)} migration(s) pending, first: {state.pending[0]}."
    return "The platform schema is behind; run sysndd-migrator up."


async def _has_tables(database: Database) -> bool:
    return bool(await table_names(database, database.settings.name))


def _serve(settings: ApiSettings) -> int:
    if settings.server.workers == 1:
        return _run(settings)
    with tempfile.TemporaryDirectory(prefix="sysndd-metrics-") as directory:
        # prometheus-client reads it when the workers import it.
        os.environ[METRICS_DIRECTORY] = directory
        return _run(settings)


def _run(settings: ApiSettings) -> int:
    server = settings.server
    log.info("api_starting", host=server.host, port=server.port, workers=server.workers)
    config = uvicorn.Config(
        "sysndd_api.asgi:build",
        factory=True,
        host=server.host,
        port=server.port,
        workers=server.workers,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=server.trusted_proxies,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        timeout_worker_healthcheck=_HEALTHCHECK_SECONDS,
    )
    supervisor = Supervisor(config, config.bind_socket(), server.drain)
    supervisor.run()
    return 1 if supervisor.failed_to_start else 0


if __name__ == "__main__":
    sys.exit(main())
