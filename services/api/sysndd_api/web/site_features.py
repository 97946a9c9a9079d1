"""What this site's application schema has, as the migrator recorded it."""

import asyncio
from enum import StrEnum

from sysndd_core.db.database import Database
from sysndd_core.db.site import Features, Site, detect_features, read_site
from sysndd_core.errors import SiteAccountsOff, SiteCurationOff

_SECONDS = 5.0
"""How long a record is used before it is read again."""


class Feature(StrEnum):
    """A feature that depends on tables of SysNDD, which another site does not have."""

    ACCOUNTS = "accounts"
    """Site users: registration, sign-in and their administration."""

    CURATION = "curation"
    """Genes and entities."""


class SiteFeatures:
    """Tells which optional features the site has.

    A feature that the migrator has recorded stays when its table is lost: that is damage, which
    must not look like another kind of site. One that is not recorded is there if its tables are.

    Args:
        database: The connection pool.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._site: Site | None = None
        self._found = Features(accounts=False, curation=False)
        self._read_at = float("-inf")

    async def has(self, feature: Feature) -> bool:
        """Return whether the site has a feature."""
        await self.site()
        found = self._found
        return found.accounts if feature is Feature.ACCOUNTS else found.curation

    async def require(self, feature: Feature) -> None:
        """Check that the site has a feature.

        Raises:
            SiteAccountsOff: It has no users.
            SiteCurationOff: It has no genes and entities.
        """
        if not await self.has(feature):
            raise SiteAccountsOff() if feature is Feature.ACCOUNTS else SiteCurationOff()

    async def site(self) -> Site | None:
        """Return the record of the site; None before the migrator has written it."""
        now = asyncio.get_running_loop().time()
        if now - self._read_at > _SECONDS:
            self._site = await read_site(self._database, self._database.settings.ops_name)
            self._found = await self._features(self._site)
            self._read_at = now
        return self._site

    async def site_id(self) -> str | None:
        """Return the ID of the site; None before the migrator has written it."""
        site = await self.site()
        return site.id if site is not None else None

    async def _features(self, site: Site | None) -> Features:
        recorded = Features(
            accounts=site is not None and site.has_accounts,
            curation=site is not None and site.has_curation,
        )
        if recorded.accounts and recorded.curation:
            return recorded
        there = await detect_features(self._database, self._database.settings.name)
        return Features(
            accounts=recorded.accounts or there.accounts,
            curation=recorded.curation or there.curation,
        )
