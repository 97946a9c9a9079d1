"""Reads a schema that may not be ours, and the platform's table ``site``."""

from sysndd_api.site.models import FoundTable
from sysndd_core.db.database import Database, Transaction
from sysndd_core.db.site import Site, read_site

_OBJECTS = {
    "triggers": "SELECT COUNT(*) AS n FROM information_schema.triggers WHERE trigger_schema = %s",
    "routines": "SELECT COUNT(*) AS n FROM information_schema.routines WHERE routine_schema = %s",
    "events": "SELECT COUNT(*) AS n FROM information_schema.events WHERE event_schema = %s",
}


class SiteStore:
    """Queries without the platform schema, which may not exist yet, and changes of its record."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._schema = database.settings.name
        self._site = f"{database.ops}.site"

    async def server(self) -> str:
        """Return the version of the server, which names its vendor."""
        row = await self._database.fetch_one("SELECT VERSION() AS version")
        assert row is not None
        version = str(row["version"])
        return f"MariaDB {version}" if "mariadb" in version.lower() else f"MySQL {version}"

    async def server_uuid(self) -> str:
        """Return MySQL's server_uuid; empty on MariaDB, which has none."""
        row = await self._database.fetch_one("SHOW VARIABLES LIKE 'server_uuid'")
        return str(row["Value"]) if row is not None else ""

    async def exists(self) -> bool:
        """Return whether the application schema exists and this account may see it."""
        row = await self._database.fetch_one(
            "SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", (self._schema,)
        )
        return row is not None

    async def tables(self) -> list[FoundTable]:
        """Return the tables and views of the application schema by name."""
        rows = await self._database.fetch_all(
            "SELECT table_name AS name, engine AS engine, table_rows AS row_count,"
            " table_type AS kind FROM information_schema.tables WHERE table_schema = %s"
            " ORDER BY table_name",
            (self._schema,),
        )
        return [
            FoundTable(
                name=row["name"],
                engine=row["engine"],
                rows=row["row_count"],
                is_view=row["kind"] == "VIEW",
            )
            for row in rows
        ]

    async def objects(self) -> dict[str, int]:
        """Return the number of triggers, routines and events that this account may see."""
        found = {}
        for kind, query in _OBJECTS.items():
            row = await self._database.fetch_one(query, (self._schema,))
            found[kind] = int(row["n"]) if row is not None else 0
        return found

    async def grants(self) -> list[str]:
        """Return the privileges of this account."""
        rows = await self._database.fetch_all("SHOW GRANTS")
        return [str(next(iter(row.values()))) for row in rows]

    async def lock_site(self, tx: Transaction) -> Site | None:
        """Return the record of the site, and lock it until the transaction ends."""
        await tx.fetch_all(f"SELECT id FROM {self._site} FOR UPDATE")
        return await read_site(tx, self._database.settings.ops_name)

    async def rebind(self, tx: Transaction, *, site_id: str, app_schema: str, server: str) -> None:
        """Bind the platform schema to an application schema, a server and a site's ID."""
        await tx.execute(
            f"UPDATE {self._site} SET id = %s, app_schema = %s, server = %s,"
            " bound_at = UTC_TIMESTAMP(6)",
            (site_id, app_schema, server),
        )
