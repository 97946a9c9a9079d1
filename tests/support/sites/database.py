"""The database and the account of one site."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.servers import DatabaseServer
from tests.support.site import Site
from tests.support.sites.models import SiteAccount, SiteDatabase, SiteKind


@contextmanager
def create_site_database(
    server: DatabaseServer, kind: SiteKind, privileges: str, *, prefix: str = ""
) -> Iterator[SiteDatabase]:
    """Create an empty database and its account; drop both afterwards.

    Args:
        server: where to create them.
        kind: the program that will own the tables.
        privileges: a GRANT statement of the program's manual, with ``{database}`` and ``{account}``
            in place of the names.
        prefix: what the site puts before the name of each table.
    """
    with server.temporary_schema(kind.value) as schema, _account(server, schema) as account:
        server.execute(_grant(privileges, schema, account))
        yield SiteDatabase(kind, server.host, server.port, schema, account, prefix)


@contextmanager
def sysndd_database(site: Site) -> Iterator[SiteDatabase]:
    """Return the database of a SysNDD site, with an account that may read and write its rows.

    These are the privileges of ``sysndd_api`` in deploy/accounts/accounts.sql.
    """
    with _account(site.server, site.app) as account:
        privileges = "GRANT SELECT, INSERT, UPDATE, DELETE, SHOW VIEW ON {database}.* TO {account}"
        site.server.execute(_grant(privileges, site.app, account))
        server = site.server
        yield SiteDatabase(SiteKind.SYSNDD, server.host, server.port, site.app, account)


@contextmanager
def _account(server: DatabaseServer, schema: str) -> Iterator[SiteAccount]:
    # From any host: the server listens on the loopback address only and does not resolve names.
    account = SiteAccount(f"{schema[:20]}_web", secrets.token_urlsafe(16))
    server.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (account.user, account.password))
    try:
        yield account
    finally:
        server.execute("DROP USER %s@'%%'", (account.user,))


def _grant(privileges: str, schema: str, account: SiteAccount) -> str:
    # In GRANT, _ matches any character.
    database = schema.replace("_", r"\_")
    return privileges.format(database=f"`{database}`", account=f"'{account.user}'@'%'")
