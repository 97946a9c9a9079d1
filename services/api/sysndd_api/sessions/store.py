"""Sessions, joined with their accounts, and the known clients of accounts."""

from datetime import UTC, datetime

from sysndd_api.security.access import Role
from sysndd_api.sessions.models import OpenSession, SessionOwner
from sysndd_core.db.database import Database, Transaction
from sysndd_core.mail.link_tokens import fingerprint

_TOUCH_SECONDS = 60
"""Resolution of ``last_seen_at``, so that not every request causes a write."""

_KNOWN_CLIENT_DAYS = 90

_ID = "LOWER(LEFT(HEX(s.token_hash), 32))"
"""Public ID of a session: half of the hash of a 256-bit token, which is unique and not usable."""


class SessionStore:
    """Sessions by the hash of their token.

    A valid session has not reached its absolute end, was used recently, and belongs to an active
    account that is older than the session. After a restore, the same ``user_id`` may be assigned to
    another account, which is newer than the session.

    Args:
        database: The connection pool.
        idle_minutes: Minutes after which an unused session ends.
    """

    def __init__(self, database: Database, *, idle_minutes: int) -> None:
        self._database = database
        self._table = f"{database.ops}.`session`"
        self._valid = (
            f"FROM {self._table} AS s JOIN {database.app}.`user` AS u ON u.user_id = s.user_id"
            " WHERE s.expires_at > UTC_TIMESTAMP(6)"
            f" AND s.last_seen_at > UTC_TIMESTAMP(6) - INTERVAL {int(idle_minutes)} MINUTE"
            " AND u.state = 'active' AND u.created_at <= s.created_at"
        )
        self._idle_minutes = int(idle_minutes)

    async def insert(
        self,
        tx: Transaction,
        token_hash: str,
        user_id: int,
        *,
        hours: int,
        remote: str | None,
        user_agent: str | None,
    ) -> datetime:
        """Insert a session; return its end (UTC, by the server's clock)."""
        await tx.execute(
            f"INSERT INTO {self._table} (token_hash, user_id, created_at, last_seen_at,"
            " expires_at, remote, user_agent) VALUES (UNHEX(%s), %s, UTC_TIMESTAMP(6),"
            " UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL %s HOUR, %s, %s)",
            (token_hash, user_id, hours, remote, user_agent[:255] if user_agent else None),
        )
        row = await tx.fetch_one(
            f"SELECT expires_at FROM {self._table} WHERE token_hash = UNHEX(%s)", (token_hash,)
        )
        if row is None:
            raise LookupError("the inserted session does not exist")
        expires_at: datetime = row["expires_at"].replace(tzinfo=UTC)
        return expires_at

    async def find(self, token_hash: str) -> SessionOwner | None:
        """Return the active account of a valid session, and update when it was last seen."""
        async with self._database.connection() as connection:
            row = await connection.fetch_one(
                f"SELECT u.user_id, u.user_name, u.role, {_ID} AS session_id,"
                f" s.last_seen_at < UTC_TIMESTAMP(6) - INTERVAL {_TOUCH_SECONDS} SECOND AS stale"
                f" {self._valid} AND s.token_hash = UNHEX(%s)",
                (token_hash,),
            )
            if row is not None and row["stale"]:
                await connection.execute(
                    f"UPDATE {self._table} SET last_seen_at = UTC_TIMESTAMP(6)"
                    " WHERE token_hash = UNHEX(%s)",
                    (token_hash,),
                )
        if row is None:
            return None
        return SessionOwner(row["user_id"], row["user_name"], Role(row["role"]), row["session_id"])

    async def of_user(self, user_id: int) -> list[OpenSession]:
        """Return the valid sessions of an account, newest first."""
        rows = await self._database.fetch_all(
            f"SELECT {_ID} AS id, s.created_at, s.last_seen_at, s.expires_at, s.remote,"
            f" s.user_agent {self._valid} AND s.user_id = %s ORDER BY s.created_at DESC, id",
            (user_id,),
        )
        times = ("created_at", "last_seen_at", "expires_at")
        return [
            OpenSession(**row | {name: row[name].replace(tzinfo=UTC) for name in times})
            for row in rows
        ]

    async def delete(self, tx: Transaction, token_hash: str) -> int:
        """End the session of a token; return the number of deleted rows."""
        return await tx.execute(
            f"DELETE FROM {self._table} WHERE token_hash = UNHEX(%s)", (token_hash,)
        )

    async def delete_one(self, tx: Transaction, user_id: int, session_id: str) -> int:
        """End one session of an account by its public ID; return the number of deleted rows."""
        return await tx.execute(
            f"DELETE FROM {self._table} WHERE user_id = %s"
            " AND LEFT(HEX(token_hash), 32) = UPPER(%s)",
            (user_id, session_id),
        )

    async def delete_of_user(
        self, tx: Transaction, user_id: int, *, except_token_hash: str | None = None
    ) -> int:
        """End the sessions of an account; return their number.

        Args:
            tx: The transaction.
            user_id: The account.
            except_token_hash: Hash of the token whose session remains; None to end all.
        """
        if except_token_hash is None:
            return await tx.execute(f"DELETE FROM {self._table} WHERE user_id = %s", (user_id,))
        return await tx.execute(
            f"DELETE FROM {self._table} WHERE user_id = %s AND token_hash <> UNHEX(%s)",
            (user_id, except_token_hash),
        )

    async def delete_expired(self, tx: Transaction) -> None:
        """Delete expired and idle sessions."""
        await tx.execute(
            f"DELETE FROM {self._table} WHERE expires_at < UTC_TIMESTAMP(6) OR last_seen_at <"
            f" UTC_TIMESTAMP(6) - INTERVAL {self._idle_minutes} MINUTE"
        )


class KnownClientStore:
    """Clients that an account has signed in from."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.known_client"
        # After a restore, an ID may be assigned again; its account is then newer than the row.
        self._users = f"{database.app}.`user`"

    async def note(self, tx: Transaction, user_id: int, client: str) -> None:
        """Record a client of an account, and delete clients not seen for a long time."""
        await tx.execute(
            f"INSERT INTO {self._table} (user_id, client, seen_at)"
            " VALUES (%s, UNHEX(%s), UTC_TIMESTAMP(6))"
            " ON DUPLICATE KEY UPDATE seen_at = UTC_TIMESTAMP(6)",
            (user_id, fingerprint(client)),
        )
        await tx.execute(
            f"DELETE FROM {self._table} WHERE seen_at < UTC_TIMESTAMP(6) - INTERVAL"
            f" {_KNOWN_CLIENT_DAYS} DAY"
        )

    async def knows(self, user_id: int | None, client: str) -> bool:
        """Return whether an account has signed in from a client; False without an account."""
        row = await self._database.fetch_one(
            f"SELECT 1 FROM {self._table} AS c JOIN {self._users} AS u ON u.user_id = c.user_id"
            " WHERE c.user_id = %s AND c.client = UNHEX(%s) AND c.seen_at >= u.created_at",
            (user_id or 0, fingerprint(client)),
        )
        return row is not None
