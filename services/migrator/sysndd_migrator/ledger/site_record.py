"""The platform's table ``site``: which application schema the platform schema belongs to."""

import uuid

import pymysql.err

from sysndd_core.db.site import (
    SITE_TABLE,
    Features,
    Site,
    check_attached,
    check_owner,
    detect_features,
)
from sysndd_core.sql.identifiers import qualified_name
from sysndd_migrator.server.session import Session, has_table, not_permitted


class SiteRecord:
    """Checks, writes and updates the record of the site.

    Args:
        session: The connection that holds the lock.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._application = session.settings.name
        self._table = qualified_name(session.settings.ops_name, SITE_TABLE)

    async def check(self) -> Site | None:
        """Return the record; None before the first run has written it.

        Raises:
            ForeignPlatformSchema: The platform schema belongs to another application schema.
            NotPermitted: The account may not read it.
        """
        try:
            return await check_owner(self._session, self._session.settings)
        except pymysql.err.Error as error:
            raise not_permitted(error, f"read {self._table}") or error from error

    async def check_attached(self) -> None:
        """Check the application schema before the first run.

        Raises:
            SchemaNotAttached: It has tables of somebody else, and SCHEMA_MODE is not set.
        """
        await check_attached(self._session, self._session.settings)

    async def features(self) -> Features:
        """Return which tables of SysNDD the application schema has now."""
        return await detect_features(self._session, self._application)

    async def write(self, before: Features) -> None:
        """Write the record, or update what the site has.

        A feature is recorded when its tables are there, and removed only if this run removed them:
        tables that were lost in any other way are damage.

        Args:
            before: What the application schema had before this run.
        """
        if not await has_table(self._session, self._table):
            return  # in a scratch schema, only some of the platform's files may be applied
        site, now = await self.check(), await self.features()
        if site is not None and site.app_schema != self._application:
            return
        if site is None:
            await self._session.execute(
                f"INSERT INTO {self._table} (id, app_schema, server, has_accounts, has_curation,"
                " created_at, bound_at)"
                " VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
                (
                    str(uuid.uuid4()),
                    self._application,
                    await self._server(),
                    now.accounts,
                    now.curation,
                ),
            )
            return
        accounts = now.accounts or (site.has_accounts and not before.accounts)
        curation = now.curation or (site.has_curation and not before.curation)
        if (accounts, curation) != (site.has_accounts, site.has_curation):
            await self._session.execute(
                f"UPDATE {self._table} SET has_accounts = %s, has_curation = %s",
                (accounts, curation),
            )

    async def _server(self) -> str:
        """Return the identity of the server: MySQL's server_uuid; MariaDB has none."""
        if self._session.is_mariadb:
            return ""
        rows = await self._session.fetch_all("SELECT @@server_uuid AS server")
        return str(rows[0]["server"])
