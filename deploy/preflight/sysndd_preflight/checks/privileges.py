"""Connect: each account holds what deploy/accounts/accounts.sql gives it, no less and no more."""

from collections.abc import AsyncIterator

from sysndd_core.settings.database import DatabaseSettings
from sysndd_preflight.catalog import Phase, Problem, check
from sysndd_preflight.checks.database import row, session
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.grants import Rights, expected, held
from sysndd_preflight.service_settings import databases, load_account

_ROLES = {"migrator": "migrator", "api": "api", "backup-worker": "backup", "mailer": "mailer"}
_MEND = "Run deploy/accounts/accounts.sql; REVOKE what is named as too much."


@check(
    "privileges.sufficient",
    Phase.CONNECT,
    "Each account may do its work.",
    mend=_MEND,
)
async def sufficient(deployment: Deployment) -> str:
    """Compare what is missing."""
    problems, told = [], []
    async for account, wanted, found in _accounts(deployment):
        if _everything(found):
            told.append(account)
            continue
        missing = wanted.without(found)
        if missing:
            problems.append(f"{account} lacks {', '.join(missing)}")
        told.append(account)
    if problems:
        raise Problem("; ".join(problems))
    return f"{', '.join(told)}"


@check(
    "privileges.minimal",
    Phase.CONNECT,
    "No account may do more than its work takes.",
    mend=_MEND,
)
async def minimal(deployment: Deployment) -> str:
    """Compare what is too much."""
    problems, told = [], []
    async for account, wanted, found in _accounts(deployment):
        excess = found.without(wanted)
        if excess:
            shown = excess if len(excess) < 6 else [*excess[:5], f"and {len(excess) - 5} more"]
            problems.append(f"{account} has {', '.join(shown)}")
        told.append(account)
    if problems:
        raise Problem("too much: " + "; ".join(problems))
    return f"{', '.join(told)}"


def _everything(rights: Rights) -> bool:
    return "ALL PRIVILEGES" in rights.by_scope.get("*.*", set())


async def _accounts(deployment: Deployment) -> AsyncIterator[tuple[str, Rights, Rights]]:
    """Yield (account, what it should have, what it has)."""
    template = deployment.repository / "deploy" / "accounts" / "accounts.sql"
    accounts = {_ROLES[name]: settings for name, settings in databases(deployment)}
    loading = load_account(deployment)
    if loading is not None:
        accounts["load"] = loading
    main = accounts.get("api") or next(iter(accounts.values()))
    for role, settings in accounts.items():
        lines, mariadb, known = await _ask(settings)
        wanted = expected(
            template, schema=main.name, ops_schema=main.ops_name, mariadb=mariadb, known=known
        )
        yield settings.user, wanted.get(role, Rights()), held(lines)


async def _ask(settings: DatabaseSettings) -> tuple[list[str], bool, set[str]]:
    async with session(settings) as connection:
        version = str((await row(connection, "SELECT VERSION() AS v"))["v"])
        async with connection.cursor() as cursor:
            await cursor.execute("SHOW GRANTS")
            lines = [str(value) for found in await cursor.fetchall() for value in found.values()]
            await cursor.execute("SHOW PRIVILEGES")
            known = {
                str(found["Privilege"]).upper().replace(" ", "_")
                for found in await cursor.fetchall()
            }
    return lines, "mariadb" in version.lower(), known
