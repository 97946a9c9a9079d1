"""The ``user`` table of the application and the ``session`` table of the platform."""

from datetime import datetime

from sysndd_core.database import Database, Row, Transaction


class UserStore:
    """Reads and writes accounts. The collation ignores case, as people do in addresses."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.app}.`user`"

    async def by_login(self, login: str) -> Row | None:
        """Find an account by user name or e-mail address."""
        return await self._database.fetch_one(
            "SELECT user_id, user_name, email, password_hash, role, state"
            f" FROM {self._table} WHERE user_name = %s OR email = %s LIMIT 1",
            (login, login),
        )

    async def by_id(self, user_id: int) -> Row | None:
        """Find an account by its id."""
        return await self._database.fetch_one(
            f"SELECT user_id, user_name, email, role, state FROM {self._table} WHERE user_id = %s",
            (user_id,),
        )

    async def lock_by_name(self, tx: Transaction, user_name: str, email: str) -> Row | None:
        """Find an account by name or address and lock its row until the transaction ends."""
        return await tx.fetch_one(
            f"SELECT user_id, user_name, email, role, state FROM {self._table}"
            " WHERE user_name = %s OR email = %s LIMIT 1 FOR UPDATE",
            (user_name, email),
        )

    async def insert_administrator(
        self, tx: Transaction, *, user_name: str, email: str, password_hash: str
    ) -> int:
        """Write a new, active Administrator; return its id."""
        return await tx.insert(
            f"INSERT INTO {self._table} (user_name, email, password_hash, role, state,"
            " created_at, confirmed_at) VALUES"
            " (%s, %s, %s, 'Administrator', 'active', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
            (user_name, email, password_hash),
        )

    async def set_password(self, tx: Transaction, user_id: int, password_hash: str) -> None:
        """Replace the password of an account."""
        await tx.execute(
            f"UPDATE {self._table} SET password_hash = %s WHERE user_id = %s",
            (password_hash, user_id),
        )

    async def touch_login(self, tx: Transaction, user_id: int) -> None:
        """Note the time of a sign-in."""
        await tx.execute(
            f"UPDATE {self._table} SET last_login_at = UTC_TIMESTAMP(6) WHERE user_id = %s",
            (user_id,),
        )


class SessionStore:
    """Sessions by the hash of their token."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.`session`"

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
        """Write a session; return when it ends (UTC, by the server's clock)."""
        await tx.execute(
            f"INSERT INTO {self._table} (token_hash, user_id, created_at, last_seen_at,"
            " expires_at, remote, user_agent) VALUES (UNHEX(%s), %s, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6),"
            " UTC_TIMESTAMP(6) + INTERVAL %s HOUR, %s, %s)",
            (token_hash, user_id, hours, remote, user_agent[:255] if user_agent else None),
        )
        row = await tx.fetch_one(
            f"SELECT expires_at FROM {self._table} WHERE token_hash = UNHEX(%s)", (token_hash,)
        )
        if row is None:
            raise LookupError("the session just written is gone")
        expires_at: datetime = row["expires_at"]
        return expires_at

    async def find(self, token_hash: str) -> Row | None:
        """Find the active account behind a living session."""
        return await self._database.fetch_one(
            f"SELECT u.user_id, u.user_name, u.email, u.role, u.state FROM {self._table} AS s"
            f" JOIN {self._database.app}.`user` AS u ON u.user_id = s.user_id"
            " WHERE s.token_hash = UNHEX(%s) AND s.expires_at > UTC_TIMESTAMP(6) AND u.state = 'active'",
            (token_hash,),
        )

    async def delete(self, tx: Transaction, token_hash: str) -> None:
        """End one session."""
        await tx.execute(f"DELETE FROM {self._table} WHERE token_hash = UNHEX(%s)", (token_hash,))

    async def delete_of_user(self, tx: Transaction, user_id: int) -> None:
        """End every session of an account."""
        await tx.execute(f"DELETE FROM {self._table} WHERE user_id = %s", (user_id,))

    async def delete_expired(self, tx: Transaction) -> None:
        """Remove sessions that have ended by themselves."""
        await tx.execute(f"DELETE FROM {self._table} WHERE expires_at < UTC_TIMESTAMP(6)")
