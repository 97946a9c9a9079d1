"""The ``inspection`` table of the platform; the worker writes it."""

from sysndd_core.db.database import Database, Row


class InspectionStore:
    """Reads which schemas hold a table for inspection."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Row]:
        """List them, newest first."""
        return await self._database.fetch_all(
            f"SELECT * FROM {self._database.ops}.inspection WHERE live = %s"
            " ORDER BY created_at DESC, schema_name",
            (self._database.settings.name,),
        )

    async def exists(self, schema: str) -> bool:
        """Tell whether a schema was made for an inspection."""
        row = await self._database.fetch_one(
            f"SELECT 1 FROM {self._database.ops}.inspection WHERE schema_name = %s AND live = %s",
            (schema, self._database.settings.name),
        )
        return row is not None
