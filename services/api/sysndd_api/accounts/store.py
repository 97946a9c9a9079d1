"""The application's table ``user``: accounts of site users, and what their owners change."""

from typing import Any

from sysndd_api.security.access import Account, Role
from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.db.database import Database, Row, Transaction

ACCOUNT_COLUMNS = "user_id, user_name, email, password_hash, role, state, created_at"


def site_account(row: Row) -> Account:
    """Build a site user's account from ``ACCOUNT_COLUMNS``."""
    rest = {name: value for name, value in row.items() if name != "user_id"}
    return Account(
        **rest | {"key": AccountKey(Realm.SITE, row["user_id"]), "role": Role(row["role"])}
    )


class UserStore:
    """Reads and writes accounts. The collation ignores case in names and addresses."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.app}.`user`"

    async def by_login(self, login: str) -> Account | None:
        """Return an account by user name or email address, or None."""
        return _account(
            await self._database.fetch_one(
                f"SELECT {ACCOUNT_COLUMNS} FROM {self._table}"
                " WHERE user_name = %s OR email = %s LIMIT 1",
                (login, login),
            )
        )

    async def by_email(self, email: str) -> Account | None:
        """Return an account by its address, or None."""
        return _account(
            await self._database.fetch_one(
                f"SELECT {ACCOUNT_COLUMNS} FROM {self._table} WHERE email = %s", (email,)
            )
        )

    async def by_id(self, user_id: int) -> Account | None:
        """Return an account by its ID, or None."""
        return _account(
            await self._database.fetch_one(
                f"SELECT {ACCOUNT_COLUMNS} FROM {self._table} WHERE user_id = %s", (user_id,)
            )
        )

    async def lock(self, tx: Transaction, user_id: int) -> Account | None:
        """Return an account by its ID, and lock its row until the transaction ends."""
        return _account(
            await tx.fetch_one(
                f"SELECT {ACCOUNT_COLUMNS} FROM {self._table} WHERE user_id = %s FOR UPDATE",
                (user_id,),
            )
        )

    async def lock_by_email(self, tx: Transaction, email: str) -> Account | None:
        """Return an account by its address, and lock its row until the transaction ends."""
        return _account(
            await tx.fetch_one(
                f"SELECT {ACCOUNT_COLUMNS} FROM {self._table} WHERE email = %s FOR UPDATE", (email,)
            )
        )

    async def has_name(self, tx: Transaction, user_name: str) -> bool:
        """Return whether a user name is taken; the unique key enforces it."""
        row = await tx.fetch_one(f"SELECT 1 FROM {self._table} WHERE user_name = %s", (user_name,))
        return row is not None

    async def insert(self, tx: Transaction, values: dict[str, Any]) -> int:
        """Insert an unconfirmed account; return its ID.

        Args:
            tx: The transaction.
            values: Values of user_name, email, password_hash, first_name, family_name, orcid and
                comment.

        Raises:
            pymysql.err.IntegrityError: The name or address was taken concurrently.
        """
        columns = (
            "user_name",
            "email",
            "password_hash",
            "first_name",
            "family_name",
            "orcid",
            "comment",
        )
        return await tx.insert(
            f"INSERT INTO {self._table} ({', '.join(columns)}, role, state, created_at)"
            f" VALUES ({', '.join(['%s'] * len(columns))}, 'Viewer', 'unconfirmed',"
            " UTC_TIMESTAMP(6))",
            tuple(values[column] for column in columns),
        )

    async def set_password(
        self, tx: Transaction, user_id: int, password_hash: str | None, *, expected_hash: str = ""
    ) -> int:
        """Replace the password of an account; return the number of changed rows.

        Args:
            tx: The transaction.
            user_id: The account.
            password_hash: The new hash; None to accept no password.
            expected_hash: Change it only if this is the stored hash; empty for any.
        """
        return await tx.execute(
            f"UPDATE {self._table} SET password_hash = %s WHERE user_id = %s"
            " AND (%s = '' OR password_hash = %s)",
            (password_hash, user_id, expected_hash, expected_hash),
        )

    async def set_email(self, tx: Transaction, user_id: int, email: str) -> None:
        """Replace the address of an account.

        Raises:
            pymysql.err.IntegrityError: The address belongs to another account.
        """
        await tx.execute(
            f"UPDATE {self._table} SET email = %s WHERE user_id = %s", (email, user_id)
        )

    async def confirm(self, tx: Transaction, user_id: int, state: str) -> None:
        """Record that the address was confirmed, and set the following state."""
        await tx.execute(
            f"UPDATE {self._table} SET state = %s, confirmed_at = UTC_TIMESTAMP(6)"
            " WHERE user_id = %s",
            (state, user_id),
        )

    async def touch_login(self, tx: Transaction, user_id: int) -> None:
        """Record the time of a sign-in."""
        await tx.execute(
            f"UPDATE {self._table} SET last_login_at = UTC_TIMESTAMP(6) WHERE user_id = %s",
            (user_id,),
        )


async def pad_statement_count(tx: Transaction, statements: int) -> None:
    """Run statements without effect, so that all paths of a request run the same number.

    On a busy machine, each statement waits for the scheduler, so their number could be measured by
    a client.
    """
    for _ in range(statements):
        await tx.execute("DO 0")


def _account(row: Row | None) -> Account | None:
    return site_account(row) if row is not None else None
