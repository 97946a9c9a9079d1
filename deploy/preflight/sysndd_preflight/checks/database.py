"""Connect: the database server, with the account of each service."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiomysql

from sysndd_core.db.database import RECYCLE_SECONDS, Database, connect
from sysndd_core.db.schema_version import pending
from sysndd_core.settings.database import DatabaseSettings
from sysndd_preflight.catalog import Phase, Problem, Severity, Skipped, check
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.service_settings import (
    api_settings,
    database_accounts,
    load_account,
    load_settings,
)

_MIGRATOR_CONNECTIONS = 4
_LOCK = "sysndd-preflight"


@contextlib.asynccontextmanager
async def open_connection(settings: DatabaseSettings) -> AsyncIterator[aiomysql.Connection]:
    """Open a connection without a default schema."""
    connection = await connect(settings, timeout=8)
    try:
        yield connection
    finally:
        connection.close()


async def fetch_row(
    connection: aiomysql.Connection, sql: str, arguments: Any = None
) -> dict[str, Any]:
    """Run one query and return its first row, with lower-case column names."""
    async with connection.cursor() as cursor:
        await cursor.execute(sql, arguments)
        found = await cursor.fetchone()
    return {str(name).lower(): value for name, value in (found or {}).items()}


@check(
    "database.sign_in",
    Phase.CONNECT,
    "The server accepts the account of each service.",
    remedy="Check DB_HOST, DB_PORT, DB_USER and the password file; run"
    " deploy/accounts/accounts.sql.",
    logs=("mariadb", "db"),
)
async def sign_in(deployment: Deployment) -> str:
    """Sign in with each account."""
    passed, problems = [], []
    accounts = list(database_accounts(deployment))
    load = load_account(deployment)
    if load is not None:
        accounts.append(("load account", load))
    for name, settings in accounts:
        try:
            async with open_connection(settings) as connection:
                version = (await fetch_row(connection, "SELECT VERSION() AS v"))["v"]
            passed.append(name)
        except Exception as error:  # noqa: BLE001 - reported for every account
            cause = error.__cause__ or error
            problems.append(f"{name} as {settings.user}: {cause.args[-1] if cause.args else error}")
    if problems:
        raise Problem("; ".join(problems))
    return f"{version}: {', '.join(passed)}"


@check(
    "database.connections",
    Phase.CONNECT,
    "max_connections is large enough for all connection pools.",
    remedy="Raise max_connections of the server, or lower DB_POOL_SIZE or API_WORKERS.",
)
async def connections(deployment: Deployment) -> str:
    """Compare with replicas x (API workers + 1) x pool + other pools + migrator + reserve."""
    settings = api_settings(deployment)
    pool, workers = settings.database.pool_size, settings.server.workers
    others = 0
    for name in ("backup-worker", "mailer"):
        if name in deployment.services:
            others += getattr(load_settings(deployment, name), "database").pool_size  # noqa: B009 - typed as its base
    replicas, reserve = deployment.replicas, deployment.reserve
    needed = replicas * (workers + 1) * pool + others + _MIGRATOR_CONNECTIONS + reserve
    async with open_connection(settings.database) as connection:
        limit = int((await fetch_row(connection, "SELECT @@max_connections AS n"))["n"])
    budget = (
        f"{replicas} × ({workers} + 1) × {pool} (API) + {others} (worker and mailer)"
        f" + {_MIGRATOR_CONNECTIONS} (migrator) + {reserve} (reserve) = {needed}"
    )
    if needed > limit:
        raise Problem(
            f"{budget}, but max_connections is {limit}; under load, connections would fail with"
            " error 1040"
        )
    return f"{budget} ≤ max_connections {limit}"


@check(
    "database.character_set",
    Phase.CONNECT,
    "Server and schemas use utf8mb4.",
    remedy="Set character-set-server=utf8mb4 in the configuration of the server; for a schema, run"
    " ALTER DATABASE … CHARACTER SET utf8mb4.",
)
async def character_set(deployment: Deployment) -> str:
    """Check the default of the server and of both schemas."""
    settings = api_settings(deployment).database
    async with open_connection(settings) as connection:
        server = (await fetch_row(connection, "SELECT @@GLOBAL.character_set_server AS c"))["c"]
        found = {"the server": server}
        for name in (settings.name, settings.ops_name):
            schema = await fetch_row(
                connection,
                "SELECT default_character_set_name AS c FROM information_schema.schemata"
                " WHERE schema_name = %s",
                (name,),
            )
            if not schema:
                raise Problem(f"the schema {name} does not exist", "Run `sysndd-migrator up`.")
            found[name] = schema["c"]
    wrong = [f"{what} uses {value}" for what, value in found.items() if value != "utf8mb4"]
    if wrong:
        raise Problem("; ".join(wrong))
    return f"utf8mb4: {', '.join(found)}"


@check(
    "database.sql_mode",
    Phase.CONNECT,
    "sql_mode is strict: a value that does not fit is an error.",
    remedy="Add STRICT_TRANS_TABLES to sql-mode in the configuration of the server.",
)
async def sql_mode(deployment: Deployment) -> str:
    """Check the default of new sessions."""
    async with open_connection(api_settings(deployment).database) as connection:
        modes = str((await fetch_row(connection, "SELECT @@GLOBAL.sql_mode AS m"))["m"]).split(",")
    if not {"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"} & set(modes):
        raise Problem(f"sql_mode is not strict: {','.join(modes) or '(empty)'}")
    unsupported = {"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT"} & set(modes)
    if unsupported:
        raise Problem(
            f"sql_mode contains {', '.join(sorted(unsupported))}",
            "Remove it from sql-mode in the configuration of the server.",
        )
    return "strict"


@check(
    "database.time_zone",
    Phase.CONNECT,
    "The time zone of the server is UTC.",
    remedy="Set default-time-zone=+00:00 in the configuration of the server.",
    severity=Severity.WARNING,
)
async def time_zone(deployment: Deployment) -> str:
    """Check the default of new sessions (the services set theirs to UTC)."""
    async with open_connection(api_settings(deployment).database) as connection:
        found = await fetch_row(
            connection, "SELECT @@GLOBAL.time_zone AS zone, @@system_time_zone AS machine"
        )
    zone = found["machine"] if found["zone"] == "SYSTEM" else found["zone"]
    if zone not in ("+00:00", "UTC", "Etc/UTC", "GMT"):
        raise Problem(f"time_zone is {zone}, so other clients show times in that zone")
    return str(zone)


@check(
    "database.wait_timeout",
    Phase.CONNECT,
    "wait_timeout is longer than the lifetime of pooled connections.",
    remedy=f"Set wait_timeout to more than {2 * RECYCLE_SECONDS} s in the configuration of the"
    " server.",
)
async def wait_timeout(deployment: Deployment) -> str:
    """Compare it with the recycle time of the pools."""
    async with open_connection(api_settings(deployment).database) as connection:
        seconds = int((await fetch_row(connection, "SELECT @@GLOBAL.wait_timeout AS s"))["s"])
    if seconds <= RECYCLE_SECONDS:
        raise Problem(
            f"wait_timeout is {seconds} s, but pools keep connections for {RECYCLE_SECONDS} s:"
            " requests could use connections that the server has closed"
        )
    return f"{seconds} s > recycle {RECYCLE_SECONDS} s"


@check(
    "database.lock",
    Phase.CONNECT,
    "GET_LOCK excludes other connections and is released with its connection.",
    remedy="Connect to the server directly: a database proxy that shares connections breaks locks.",
)
async def lock(deployment: Deployment) -> str:
    """Request a lock on two connections."""
    for name in ("migrator", "api"):
        if name in deployment.services:
            settings = dict(database_accounts(deployment))[name]
            break
    else:
        raise Skipped(
            "the settings of the migrator are unknown; use --system or --env migrator=FILE"
        )
    async with open_connection(settings) as second:
        async with open_connection(settings) as first:
            if (await fetch_row(first, "SELECT GET_LOCK(%s, 5) AS l", (_LOCK,)))["l"] != 1:
                raise Problem(
                    "the lock was not granted: another preflight is running, or GET_LOCK fails"
                )
            if (await fetch_row(second, "SELECT GET_LOCK(%s, 0) AS l", (_LOCK,)))["l"] != 0:
                raise Problem("two connections hold the same lock at the same time")
        if (await fetch_row(second, "SELECT GET_LOCK(%s, 5) AS l", (_LOCK,)))["l"] != 1:
            raise Problem("a lock is not released when its connection ends")
        await fetch_row(second, "SELECT RELEASE_LOCK(%s) AS l", (_LOCK,))
    return "held by one connection at a time and released with it"


@check(
    "database.schema",
    Phase.CONNECT,
    "No migration is pending.",
    remedy="Run `sysndd-migrator up`; `sysndd-migrator status` shows what is pending.",
    logs=("migrator",),
)
async def schema(deployment: Deployment) -> str:
    """Compare files and ledger, as the readiness of the API does."""
    settings = api_settings(deployment)
    names = settings.database
    async with Database(names) as database:
        state = await pending(
            database,
            settings.migrations.directory,
            application=names.name,
            platform=names.ops_name,
            managed=names.is_managed,
        )
    if not state.is_current:
        behind = [
            *state.pending,
            *(["those of the platform schema"] if state.platform_behind else []),
        ]
        raise Problem(f"pending: {', '.join(behind[:5])}")
    application = state.current if state.managed else "migrations: not managed"
    return f"{application}, platform {state.platform}"
