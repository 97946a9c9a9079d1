"""The ``user`` table of the application."""

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
