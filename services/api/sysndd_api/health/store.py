"""What health asks of the platform schema."""

from sysndd_core.db.database import Database, Row


class WorkerStore:
    """The ``worker`` table: each worker process signs on every ten seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seen_within(self, seconds: int) -> list[Row]:
        """List workers that were seen lately, by queue: ``queue`` and ``n``."""
        return await self._database.fetch_all(
            f"SELECT queue, COUNT(*) AS n FROM {self._database.ops}.worker"
            " WHERE seen_at > UTC_TIMESTAMP(6) - INTERVAL %s SECOND GROUP BY queue",
            (seconds,),
        )
