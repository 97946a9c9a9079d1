"""The site that a platform schema belongs to.

Two sites on one server that differ only in ``DB_NAME`` would otherwise share jobs, sessions and
operators. Every process compares the record in the platform schema with its settings.
"""

from dataclasses import dataclass

from sysndd_core.db.schema_version import QueryRunner, says_no_such_table
from sysndd_core.errors import ForeignPlatformSchema
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.sql.identifiers import qualified_name

SITE_TABLE = "site"


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
    """Compare the record of the site with the settings.

    Args:
        runner: Runs the query.
        settings: Names of the two schemas.

    Returns:
        The record; None if the migrator has not written it yet.

    Raises:
        ForeignPlatformSchema: The platform schema belongs to another application schema.
        SysnddError: The query failed.
    """
    site = await read_site(runner, settings.ops_name)
    if site is not None and site.app_schema != settings.name:
        raise ForeignPlatformSchema(
            f"The platform schema {settings.ops_name} belongs to the application schema"
            f" {site.app_schema}, but DB_NAME is {settings.name}. If this is another site, give it"
            f" a platform schema of its own: set OPS_DB_NAME, such as {settings.name}_ops. If"
            f" {site.app_schema} was renamed to {settings.name}, run: sysndd-admin rebind-site",
            platform_schema=settings.ops_name,
            belongs_to=site.app_schema,
            application_schema=settings.name,
        )
    return site
