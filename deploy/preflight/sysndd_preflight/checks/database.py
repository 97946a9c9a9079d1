"""Connect: the database server, asked with each service's own account."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiomysql

from sysndd_core.db.database import RECYCLE_SECONDS, Database, connect
from sysndd_core.db.schema_version import pending
from sysndd_core.settings.database import DatabaseSettings
from sysndd_preflight.catalog import NotHere, Phase, Problem, Severity, check
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.service_settings import api, built, databases, load_account

_MIGRATOR_CONNECTIONS = 4
_LOCK = "sysndd-preflight"


@contextlib.asynccontextmanager
async def session(settings: DatabaseSettings) -> AsyncIterator[aiomysql.Connection]:
    """Open a connection of our own, with no default schema."""
    connection = await connect(settings, timeout=8)
    try:
        yield connection
    finally:
        connection.close()


async def row(connection: aiomysql.Connection, sql: str, arguments: Any = None) -> dict[str, Any]:
    """Run one query and return its first row, with names in lower case."""
    async with connection.cursor() as cursor:
        await cursor.execute(sql, arguments)
        found = await cursor.fetchone()
    return {str(name).lower(): value for name, value in (found or {}).items()}


@check(
    "database.sign_in",
    Phase.CONNECT,
    "The server lets in each service's account.",
    mend="Check DB_HOST, DB_PORT, DB_USER and the password file; run deploy/accounts/accounts.sql.",
    logs=("mariadb", "db"),
)
async def sign_in(deployment: Deployment) -> str:
    """Sign in once with each."""
    told, problems = [], []
    accounts = list(databases(deployment))
    loading = load_account(deployment)
    if loading is not None:
        accounts.append(("loading", loading))
    for name, settings in accounts:
        try:
            async with session(settings) as connection:
                version = (await row(connection, "SELECT VERSION() AS v"))["v"]
            told.append(name)
        except Exception as error:  # noqa: BLE001 - told, for every account
            cause = error.__cause__ or error
            problems.append(f"{name} as {settings.user}: {cause.args[-1] if cause.args else error}")
    if problems:
        raise Problem("; ".join(problems))
    return f"{version}: {', '.join(told)}"


@check(
    "database.connections",
    Phase.CONNECT,
    "All pools together fit into the server's max_connections.",
    mend="Raise max_connections of the server, or lower DB_POOL_SIZE or API_WORKERS.",
)
async def connections(deployment: Deployment) -> str:
    """Add up the budget: replicas x (workers + 1) x pool + workers' pools + migrator + reserve."""
    settings = api(deployment)
    pool, workers = settings.database.pool_size, settings.server.workers
    others = 0
    for name in ("backup-worker", "mailer"):
        if name in deployment.services:
            others += getattr(built(deployment, name), "database").pool_size  # noqa: B009 - typed as its base
    replicas, reserve = deployment.replicas, deployment.reserve
    needed = replicas * (workers + 1) * pool + others + _MIGRATOR_CONNECTIONS + reserve
    async with session(settings.database) as connection:
        live = int((await row(connection, "SELECT @@max_connections AS n"))["n"])
    told = (
        f"{replicas} × ({workers} + 1) × {pool} + {others} for the workers"
        f" + {_MIGRATOR_CONNECTIONS} for the migrator + {reserve} in reserve = {needed}"
    )
    if needed > live:
        raise Problem(f"{told}, but max_connections is {live}: error 1040 under load")
    return f"{told} ≤ max_connections {live}"


@check(
    "database.character_set",
    Phase.CONNECT,
    "Server and schemas speak utf8mb4.",
    mend="Set character-set-server=utf8mb4 in the server's configuration;"
    " ALTER DATABASE … CHARACTER SET utf8mb4.",
)
async def character_set(deployment: Deployment) -> str:
    """Look at the server's default and at both schemas."""
    settings = api(deployment).database
    async with session(settings) as connection:
        server = (await row(connection, "SELECT @@GLOBAL.character_set_server AS c"))["c"]
        found = {"the server": server}
        for name in (settings.name, settings.ops_name):
            schema = await row(
                connection,
                "SELECT default_character_set_name AS c FROM information_schema.schemata"
                " WHERE schema_name = %s",
                (name,),
            )
            if not schema:
                raise Problem(f"there is no schema {name}", "Run `sysndd-migrator up`.")
            found[name] = schema["c"]
    wrong = [f"{what} has {value}" for what, value in found.items() if value != "utf8mb4"]
    if wrong:
        raise Problem("; ".join(wrong))
    return f"utf8mb4: {', '.join(found)}"


@check(
    "database.sql_mode",
    Phase.CONNECT,
    "A value that does not fit is an error, never a silent change.",
    mend="Add STRICT_TRANS_TABLES to sql-mode in the server's configuration.",
)
async def sql_mode(deployment: Deployment) -> str:
    """Look at what a new session gets."""
    async with session(api(deployment).database) as connection:
        modes = str((await row(connection, "SELECT @@GLOBAL.sql_mode AS m"))["m"]).split(",")
    if not {"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES"} & set(modes):
        raise Problem(f"sql_mode is not strict: {','.join(modes) or '(empty)'}")
    odd = {"ANSI_QUOTES", "NO_BACKSLASH_ESCAPES", "PIPES_AS_CONCAT"} & set(modes)
    if odd:
        raise Problem(f"sql_mode has {', '.join(sorted(odd))}", "Take it out of sql-mode.")
    return "strict"


@check(
    "database.time_zone",
    Phase.CONNECT,
    "The server's clock says UTC.",
    mend="Set default-time-zone=+00:00 in the server's configuration.",
    severity=Severity.WARNING,
)
async def time_zone(deployment: Deployment) -> str:
    """Look at the default of new sessions (our own services set theirs to UTC)."""
    async with session(api(deployment).database) as connection:
        found = await row(
            connection, "SELECT @@GLOBAL.time_zone AS zone, @@system_time_zone AS machine"
        )
    zone = found["machine"] if found["zone"] == "SYSTEM" else found["zone"]
    if zone not in ("+00:00", "UTC", "Etc/UTC", "GMT"):
        raise Problem(f"time_zone is {zone}: people at a client would read shifted times")
    return str(zone)


@check(
    "database.wait_timeout",
    Phase.CONNECT,
    "The server hangs up later than our pools do.",
    mend=f"Set wait_timeout above {2 * RECYCLE_SECONDS} s in the server's configuration.",
)
async def wait_timeout(deployment: Deployment) -> str:
    """Compare it with the pools' recycle time."""
    async with session(api(deployment).database) as connection:
        seconds = int((await row(connection, "SELECT @@GLOBAL.wait_timeout AS s"))["s"])
    if seconds <= RECYCLE_SECONDS:
        raise Problem(
            f"wait_timeout is {seconds} s, pools keep connections {RECYCLE_SECONDS} s: requests"
            " would meet connections that the server has closed"
        )
    return f"{seconds} s > recycle {RECYCLE_SECONDS} s"


@check(
    "database.lock",
    Phase.CONNECT,
    "GET_LOCK keeps a second connection out, and lets go with its connection.",
    mend="Connect to the server itself: a proxy that shares connections between sessions breaks this.",
)
async def lock(deployment: Deployment) -> str:
    """Take a lock of our own on two connections."""
    for name in ("migrator", "api"):
        if name in deployment.services:
            settings = dict(databases(deployment))[name]
            break
    else:
        raise NotHere("the settings of the migrator are not known")
    async with session(settings) as second:
        async with session(settings) as first:
            if (await row(first, "SELECT GET_LOCK(%s, 5) AS l", (_LOCK,)))["l"] != 1:
                raise Problem("GET_LOCK is refused, or another preflight runs")
            if (await row(second, "SELECT GET_LOCK(%s, 0) AS l", (_LOCK,)))["l"] != 0:
                raise Problem("two connections hold the same lock")
        if (await row(second, "SELECT GET_LOCK(%s, 5) AS l", (_LOCK,)))["l"] != 1:
            raise Problem("a lock outlives its connection")
        await row(second, "SELECT RELEASE_LOCK(%s) AS l", (_LOCK,))
    return "held by one connection at a time, gone with it"


@check(
    "database.schema",
    Phase.CONNECT,
    "No migration is pending.",
    mend="Run `sysndd-migrator up`, and look at `sysndd-migrator status`.",
    logs=("migrator",),
)
async def schema(deployment: Deployment) -> str:
    """Compare files and ledger, as the API's readiness does."""
    settings = api(deployment)
    names = settings.database
    async with Database(names) as database:
        state = await pending(
            database,
            settings.migrations.directory,
            application=names.name,
            platform=names.ops_name,
        )
    if not state.is_current:
        behind = [*state.pending, *(["the platform's own"] if state.platform_behind else [])]
        raise Problem(f"pending: {', '.join(behind[:5])}")
    return f"{state.current}, platform {state.platform}"
