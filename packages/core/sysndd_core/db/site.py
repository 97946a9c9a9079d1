"""The site that a platform schema belongs to.

Two sites on one server that differ only in ``DB_NAME`` would otherwise share jobs, sessions and
operators. Every process compares the record in the platform schema with its settings.
"""

from dataclasses import dataclass

from sysndd_core.db.schema_version import LEDGER, QueryRunner, says_no_such_table
from sysndd_core.errors import ForeignPlatformSchema, SchemaNotAttached
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import qualified_name

SITE_TABLE = "site"
_FORMER_DEFAULT = "sysndd_ops"
_LISTED = 5


@dataclass(frozen=True, slots=True)
class Site:
    """The row of the platform's table ``site``.

    Attributes:
        id: UUID, generated once for each site; backups carry it.
        app_schema: Name of the application schema.
        server: Identity of the database server, or empty; see ``server_identity``.
        has_accounts: Whether the application schema has SysNDD's table of users.
        has_curation: Whether it has SysNDD's tables of genes and entities.
    """

    id: str
    app_schema: str
    server: str
    has_accounts: bool
    has_curation: bool


@dataclass(frozen=True, slots=True)
class Features:
    """Which tables of SysNDD an application schema has, recognised by their columns."""

    accounts: bool
    curation: bool


_ACCOUNTS = {
    "user": frozenset(
        {"user_id", "user_name", "email", "password_hash", "role", "state", "created_at"}
        | {"confirmed_at", "last_login_at", "first_name", "family_name", "orcid", "comment"}
    )
}
_CURATION = {
    "gene": frozenset({"hgnc_id", "symbol", "name"}),
    "disease": frozenset({"disease_id", "name"}),
    "mode_of_inheritance": frozenset({"inheritance_id", "term"}),
    "entity": frozenset({"entity_id", "hgnc_id", "disease_id", "inheritance_id", "is_active"}),
}


async def detect_features(runner: QueryRunner, application: str) -> Features:
    """Return which tables of SysNDD a schema has; a table of the same name alone is not enough.

    Args:
        runner: Runs the query.
        application: Name of the application schema.

    Raises:
        SysnddError: The query failed.
    """
    names = sorted(_ACCOUNTS | _CURATION)
    rows = await runner.fetch_all(
        "SELECT table_name AS table_name, column_name AS column_name"
        " FROM information_schema.columns WHERE table_schema = %s"
        f" AND table_name IN ({', '.join(['%s'] * len(names))})",
        (application, *names),
    )
    found: dict[str, set[str]] = {name: set() for name in names}
    for row in rows:
        found.setdefault(str(row["table_name"]), set()).add(str(row["column_name"]).lower())

    def has(tables: dict[str, frozenset[str]]) -> bool:
        return all(columns <= found[table] for table, columns in tables.items())

    return Features(accounts=has(_ACCOUNTS), curation=has(_CURATION))


async def read_site(runner: QueryRunner, platform: str) -> Site | None:
    """Return the record of the site; None if the migrator has not written it yet.

    Args:
        runner: Runs the query.
        platform: Name of the platform schema.

    Raises:
        SysnddError: The query failed.
    """
    table = qualified_name(platform, SITE_TABLE)
    try:
        rows = await runner.fetch_all(
            f"SELECT id, app_schema, server, has_accounts, has_curation FROM {table}"
        )
    except Exception as error:
        if says_no_such_table(error):
            return None
        raise
    if not rows:
        return None
    (row,) = rows
    return Site(
        id=str(row["id"]),
        app_schema=str(row["app_schema"]),
        server=str(row["server"]),
        has_accounts=bool(row["has_accounts"]),
        has_curation=bool(row["has_curation"]),
    )


async def check_site(runner: QueryRunner, settings: DatabaseSettings) -> Site | None:
    """Compare the record of the site, and what the application schema has, with the settings.

    Every process calls it when it starts.

    Args:
        runner: Runs the queries.
        settings: Names of the two schemas, and the mode.

    Returns:
        The record; None if the migrator has not written it yet.

    Raises:
        ForeignPlatformSchema: The platform schema belongs to another application schema.
        SchemaNotAttached: The application schema has tables that the migrator did not create, and
            ``SCHEMA_MODE`` does not say what to do with them.
        SysnddError: A query failed.
    """
    site = await check_owner(runner, settings)
    # A recorded site is attached: without its ledger, it is damaged, and a backup restores it.
    if site is None:
        await check_attached(runner, settings)
    return site


async def check_owner(runner: QueryRunner, settings: DatabaseSettings) -> Site | None:
    """Compare the record of the site with the settings.

    Args:
        runner: Runs the query.
        settings: Names of the two schemas.

    Returns:
        The record; None if the migrator has not written it yet.

    Raises:
        ForeignPlatformSchema: The platform schema belongs to another application schema.
        SysnddError: A query failed.
    """
    site = await read_site(runner, settings.ops_name)
    if site is None:
        await _check_default(runner, settings)
    elif site.app_schema != settings.name and not is_shadow_of(settings.name, site.app_schema):
        raise ForeignPlatformSchema(
            f"The platform schema {settings.ops_name} belongs to the application schema"
            f" {site.app_schema}, but DB_NAME is {settings.name}. If this is another site, give it"
            f" a platform schema of its own: set OPS_DB_NAME, such as {settings.name}_ops. If"
            f" {site.app_schema} was renamed to {settings.name}, run: sysndd-admin rebind-site"
            f" --from {site.app_schema}",
            platform_schema=settings.ops_name,
            belongs_to=site.app_schema,
            application_schema=settings.name,
        )
    return site


async def check_attached(runner: QueryRunner, settings: DatabaseSettings) -> None:
    """Check that the application schema is empty, or ours, or that its mode is set.

    Args:
        runner: Runs the queries.
        settings: Name of the application schema, and the mode.

    Raises:
        SchemaNotAttached: It has tables that the migrator did not create, and no mode.
        SysnddError: A query failed.
    """
    if settings.schema_mode is not None:
        return
    # Tables first: a migrator that starts at the same time creates the ledger before its tables.
    tables = await table_names(runner, settings.name)
    if tables and not await has_ledger(runner, settings.name):
        raise SchemaNotAttached(
            f"The schema {settings.name} has {_count(tables)}, such as"
            f" {', '.join(tables[:_LISTED])}, which no migration of this platform created. Nothing"
            " was changed. Set SCHEMA_MODE to observe (back it up and restore it) or manage"
            " (migrate it as well). To see what was found and what each mode needs, run:"
            " sysndd-admin attach",
            schema=settings.name,
            tables=len(tables),
        )


async def has_ledger(runner: QueryRunner, schema: str) -> bool:
    """Return whether a schema has the migrator's ledger, or the earlier one that it takes over.

    A table of that name with other columns belongs to somebody else.
    """
    rows = await runner.fetch_all(
        "SELECT column_name AS column_name FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = %s",
        (schema, LEDGER),
    )
    return {"filename", "applied_at", "success"} <= {
        str(row["column_name"]).lower() for row in rows
    }


async def table_names(runner: QueryRunner, schema: str) -> list[str]:
    """Return the names of a schema's tables and views."""
    rows = await runner.fetch_all(
        "SELECT table_name AS table_name FROM information_schema.tables WHERE table_schema = %s"
        " ORDER BY table_name",
        (schema,),
    )
    return [str(row["table_name"]) for row in rows]


def is_shadow_of(name: str, application: str) -> bool:
    """Return whether a schema is one that a restore loads a backup of ``application`` into.

    The migrator applies pending migrations there, with the platform schema of the site.
    """
    return name.startswith(f"{application}_shadow_")


def _count(tables: list[str]) -> str:
    return "one table" if len(tables) == 1 else f"{len(tables)} tables"


async def _check_default(runner: QueryRunner, settings: DatabaseSettings) -> None:
    """Refuse the derived name of the platform schema while the one of release 0.9.0 may be meant.

    That release had the default ``sysndd_ops`` for every application schema.
    """
    derived = f"{settings.name}_ops"
    if settings.ops_name != derived or derived == _FORMER_DEFAULT:
        return
    if await table_names(runner, derived):
        return
    former = await table_names(runner, _FORMER_DEFAULT)
    # A later version has recorded there which site it belongs to.
    if LEDGER in former and SITE_TABLE not in former:
        raise ForeignPlatformSchema(
            f"OPS_DB_NAME is not set. Its default was {_FORMER_DEFAULT} in release 0.9.0 and is"
            f" {derived} now, because each site needs a platform schema of its own. The schema"
            f" {_FORMER_DEFAULT} exists. If it belongs to this site, set"
            f" OPS_DB_NAME={_FORMER_DEFAULT}. If it belongs to another site, upgrade that site"
            " first.",
            platform_schema=derived,
            belongs_to=None,
            application_schema=settings.name,
        )
