"""Queries of the health report."""

from sysndd_core.db.database import Database


class HealthStore:
    """Reads the server's version and the table ``worker``.

    Each worker process updates its row every ten seconds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def server_version(self) -> str | None:
        """Return the version of the database server."""
        row = await self._database.fetch_one("SELECT VERSION() AS version")
        return row["version"] if row else None

    async def workers_seen_within(self, seconds: int) -> dict[str, int]:
        """Count the workers seen within a number of seconds, by queue."""
        rows = await self._database.fetch_all(
            f"SELECT queue, COUNT(*) AS n FROM {self._database.ops}.worker"
            " WHERE seen_at > UTC_TIMESTAMP(6) - INTERVAL %s SECOND GROUP BY queue",
            (seconds,),
        )
        return {row["queue"]: row["n"] for row in rows}
