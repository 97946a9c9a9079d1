"""What the mailers have found out about the mail server: written by them, read by health."""

from sysndd_core.db.database import Database, Row


class TransportRows:
    """The ``mail_transport`` table: the breaker of each mailer.

    Args:
        database: the process's pool.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.mail_transport"

    async def write(self, name: str, state: str, code: int | None, reason: str | None) -> None:
        """Note a mailer's breaker.

        Args:
            name: the mailer's name among the workers.
            state: ``open`` or ``closed``.
            code: the SMTP reply code that opened it, if there was one.
            reason: one sentence for the operator; never a credential.
        """
        await self._database.execute(
            f"INSERT INTO {self._table} (name, state, since, seen_at, code, reason)"
            " VALUES (%s, %s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), %s, %s)"
            # The order matters: MySQL assigns from left to right.
            " ON DUPLICATE KEY UPDATE since = IF(state = %s, since, UTC_TIMESTAMP(6)),"
            " state = %s, seen_at = UTC_TIMESTAMP(6), code = %s, reason = %s",
            (name, state, code, (reason or "")[:500] or None,
             state, state, code, (reason or "")[:500] or None),
        )  # fmt: skip

    async def remove(self, name: str) -> None:
        """Forget a mailer that stops in an orderly way, and those not heard of for an hour."""
        await self._database.execute(
            f"DELETE FROM {self._table}"
            " WHERE name = %s OR seen_at < UTC_TIMESTAMP(6) - INTERVAL 1 HOUR",
            (name,),
        )

    async def open_ones(self, seen_within: int = 180) -> list[Row]:
        """List open breakers of mailers that were heard of within so many seconds."""
        return await self._database.fetch_all(
            f"SELECT name, since, code, reason FROM {self._table} WHERE state = 'open'"
            " AND seen_at > UTC_TIMESTAMP(6) - INTERVAL %s SECOND ORDER BY since",
            (seen_within,),
        )
