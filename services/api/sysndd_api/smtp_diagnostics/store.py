"""The table ``smtp_test``: recent tests of the mail server by all workers."""

from sysndd_core.db.database import Database, Transaction


class SmtpTestStore:
    """Counts tests; the caller holds ``lock`` while it decides."""

    def __init__(self, database: Database) -> None:
        self._table = f"{database.ops}.smtp_test"
        self._guard = f"{database.ops}.transaction_guard"

    async def lock(self, tx: Transaction) -> None:
        """Serialise decisions until the transaction ends."""
        await tx.fetch_one(f"SELECT 1 FROM {self._guard} WHERE name = 'smtp_test' FOR UPDATE")

    async def recent(self, tx: Transaction) -> tuple[int, int]:
        """Count the tests started within the last minute, and those that are running."""
        row = await tx.fetch_one(
            "SELECT COUNT(*) AS begun, COALESCE(SUM(finished_at IS NULL"
            f" AND lease_until > UTC_TIMESTAMP(6)), 0) AS running FROM {self._table}"
            " WHERE started_at > UTC_TIMESTAMP(6) - INTERVAL 60 SECOND"
        )
        assert row is not None
        return int(row["begun"]), int(row["running"])

    async def begin(self, tx: Transaction, *, lease_seconds: int) -> int:
        """Insert a running test, and delete old ones; return its number."""
        await tx.execute(
            f"DELETE FROM {self._table} WHERE started_at < UTC_TIMESTAMP(6) - INTERVAL 1 HOUR"
        )
        return await tx.insert(
            f"INSERT INTO {self._table} (started_at, lease_until) VALUES"
            " (UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL %s SECOND)",
            (lease_seconds,),
        )

    async def end(self, tx: Transaction, number: int) -> None:
        """Record that a test ended."""
        await tx.execute(
            f"UPDATE {self._table} SET finished_at = UTC_TIMESTAMP(6) WHERE id = %s", (number,)
        )
