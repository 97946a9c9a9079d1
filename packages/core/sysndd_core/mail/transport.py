"""The state of the mailers' circuit breakers: written by mailers, read by the health check."""

from dataclasses import dataclass
from datetime import datetime

from sysndd_core.db.database import Database, utc


@dataclass(frozen=True)
class OpenBreaker:
    """An open circuit breaker.

    Attributes:
        name: Worker name of the mailer.
        since: When the breaker opened, in UTC.
        code: SMTP reply code that opened the breaker, if there was one.
        reason: One sentence for the operator.
    """

    name: str
    since: datetime
    code: int | None
    reason: str | None


class TransportRows:
    """The table ``mail_transport``: the circuit breaker of each mailer.

    Args:
        database: Connection pool of the process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.mail_transport"

    async def write(self, name: str, state: str, code: int | None, reason: str | None) -> None:
        """Write the state of a mailer's circuit breaker.

        Args:
            name: Worker name of the mailer.
            state: ``open`` or ``closed``.
            code: SMTP reply code that opened the breaker, if there was one.
            reason: One sentence for the operator; never a credential.
        """
        await self._database.execute(
            f"INSERT INTO {self._table} (name, state, since, seen_at, code, reason)"
            " VALUES (%s, %s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), %s, %s)"
            # MySQL assigns from left to right, so ``since`` must come before ``state``.
            " ON DUPLICATE KEY UPDATE since = IF(state = %s, since, UTC_TIMESTAMP(6)),"
            " state = %s, seen_at = UTC_TIMESTAMP(6), code = %s, reason = %s",
            (
                name,
                state,
                code,
                (reason or "")[:500] or None,
                state,
                state,
                code,
                (reason or "")[:500] or None,
            ),
        )

    async def remove(self, name: str) -> None:
        """Delete the row of a mailer that stops, and rows that are older than an hour."""
        await self._database.execute(
            f"DELETE FROM {self._table}"
            " WHERE name = %s OR seen_at < UTC_TIMESTAMP(6) - INTERVAL 1 HOUR",
            (name,),
        )

    async def open_breakers(self, seen_within: int = 180) -> list[OpenBreaker]:
        """Return the open circuit breakers, the one that opened first comes first.

        Args:
            seen_within: Seconds within which a mailer must have reported.
        """
        rows = await self._database.fetch_all(
            f"SELECT name, since, code, reason FROM {self._table} WHERE state = 'open'"
            " AND seen_at > UTC_TIMESTAMP(6) - INTERVAL %s SECOND ORDER BY since",
            (seen_within,),
        )
        return [OpenBreaker(**row | {"since": utc(row["since"])}) for row in rows]
