"""Connect: each account has exactly the privileges of deploy/accounts/accounts.sql."""

from collections.abc import AsyncIterator

from sysndd_core.settings.database import DatabaseSettings
from sysndd_preflight.catalog import Phase, Problem, check
from sysndd_preflight.checks.database import fetch_row, open_connection
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.grants import Privileges, expected, held
from sysndd_preflight.service_settings import database_accounts, load_account

_ROLES = {"migrator": "migrator", "api": "api", "backup-worker": "backup", "mailer": "mailer"}
_REMEDY = (
    "Run deploy/accounts/accounts.sql, which grants missing privileges; REVOKE excess privileges."
)


@check(
    "privileges.sufficient",
    Phase.CONNECT,
    "Every account has the privileges it needs.",
    remedy=_REMEDY,
)
async def sufficient(deployment: Deployment) -> str:
    """Report missing privileges."""
    problems, passed = [], []
    async for account, needed, found in _accounts(deployment):
        missing = [] if _has_all(found) else needed.without(found)
        if missing:
            problems.append(f"{account} lacks {', '.join(missing)}")
        passed.append(account)
    if problems:
        raise Problem("; ".join(problems))
    return f"sufficient for {', '.join(passed)}"


@check(
    "privileges.minimal",
    Phase.CONNECT,
    "No account has more privileges than it needs.",
    remedy=_REMEDY,
)
async def minimal(deployment: Deployment) -> str:
    """Report excess privileges."""
    problems, passed = [], []
    async for account, needed, found in _accounts(deployment):
        excess = found.without(needed)
        if excess:
            shown = excess if len(excess) < 6 else [*excess[:5], f"and {len(excess) - 5} more"]
            problems.append(f"{account} has {', '.join(shown)}")
        passed.append(account)
    if problems:
        raise Problem("excess privileges: " + "; ".join(problems))
    return f"no excess privileges for {', '.join(passed)}"


def _has_all(privileges: Privileges) -> bool:
    return "ALL PRIVILEGES" in privileges.by_scope.get("*.*", set())


async def _accounts(deployment: Deployment) -> AsyncIterator[tuple[str, Privileges, Privileges]]:
    """Yield (account, privileges it needs, privileges it has)."""
    template = deployment.repository / "deploy" / "accounts" / "accounts.sql"
    accounts = {_ROLES[name]: settings for name, settings in database_accounts(deployment)}
    load = load_account(deployment)
    if load is not None:
        accounts["load"] = load
    main = accounts.get("api") or next(iter(accounts.values()))
    for role, settings in accounts.items():
        lines, mariadb, known = await _read_privileges(settings)
        needed = expected(
            template, schema=main.name, ops_schema=main.ops_name, mariadb=mariadb, known=known
        )
        yield settings.user, needed.get(role, Privileges()), held(lines)


async def _read_privileges(settings: DatabaseSettings) -> tuple[list[str], bool, set[str]]:
    async with open_connection(settings) as connection:
        version = str((await fetch_row(connection, "SELECT VERSION() AS v"))["v"])
        async with connection.cursor() as cursor:
            await cursor.execute("SHOW GRANTS")
            lines = [str(value) for found in await cursor.fetchall() for value in found.values()]
            await cursor.execute("SHOW PRIVILEGES")
            known = {
                str(found["Privilege"]).upper().replace(" ", "_")
                for found in await cursor.fetchall()
            }
    return lines, "mariadb" in version.lower(), known
