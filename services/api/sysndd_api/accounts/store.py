"""The ``user`` table of the application: accounts, and what their owners change."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sysndd_api.security.access import Role
from sysndd_core.db.database import Database, Row, Transaction

ACCOUNT_COLUMNS = "user_id, user_name, email, password_hash, role, state, created_at, confirmed_at"


@dataclass(frozen=True)
class Account:
    """One account; times are UTC without a zone, as the server gives them.

    Attributes:
        password_hash: encoded with its parameters; None while no password is good.
        state: ``unconfirmed``, ``awaiting_approval``, ``active`` or ``deactivated``.
    """

    user_id: int
    user_name: str
    email: str
    password_hash: str | None
    role: Role
    state: str
    created_at: datetime
    confirmed_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> "Account":
        """Build it from ``ACCOUNT_COLUMNS``."""
        return cls(**row | {"role": Role(row["role"])})


class UserStore:
    """Reads and writes accounts. The collation ignores case, as people do in addresses."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.app}.`user`"

    async def by_login(self, login: str) -> Account | None:
        """Find an account by user name or e-mail address."""
        return _account(
            await self._database.fetch_one(
                f"SELECT {ACCOUNT_COLUMNS} FROM {self._table}"
                " WHERE user_name = %s OR email = %s LIMIT 1",
                (login, login),
            )
        )

    async def by_email(self, email: str) -> Account | None:
        """Find an account by its address."""
        return _account(
            await self._database.fetch_one(
                f"SELECT {ACCOUNT_COLUMNS} FROM {self._table} WHERE email = %s", (email,)
            )
        )

    async def by_id(self, user_id: int) -> Account | None:
        """Find an account by its id."""
        return _account(
            await self._database.fetch_one(
                f"SELECT {ACCOUNT_COLUMNS} FROM {self._table} WHERE user_id = %s", (user_id,)
            )
        )

    async def lock(self, tx: Transaction, user_id: int) -> Account | None:
        """Find an account by its id and lock its row until the transaction ends."""
        return _account(
            await tx.fetch_one(
                f"SELECT {ACCOUNT_COLUMNS} FROM {self._table} WHERE user_id = %s FOR UPDATE",
                (user_id,),
            )
        )

    async def lock_by_email(self, tx: Transaction, email: str) -> Account | None:
        """Find an account by its address and lock its row until the transaction ends."""
        return _account(
            await tx.fetch_one(
                f"SELECT {ACCOUNT_COLUMNS} FROM {self._table} WHERE email = %s FOR UPDATE", (email,)
            )
        )

    async def has_name(self, tx: Transaction, user_name: str) -> bool:
        """Tell whether an account has a user name; the unique key decides about later ones."""
        row = await tx.fetch_one(f"SELECT 1 FROM {self._table} WHERE user_name = %s", (user_name,))
        return row is not None

    async def insert(self, tx: Transaction, values: dict[str, Any]) -> int:
        """Write a new account that nobody has confirmed; return its id.

        Args:
            values: by column: user_name, email, password_hash, first_name, family_name, orcid,
                comment.

        Raises:
            pymysql.err.IntegrityError: name or address have just been taken.
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
        """Replace the password of an account; return how many rows that changed.

        Args:
            password_hash: None for no password at all.
            expected_hash: only when this is the stored hash; empty for any.
        """
        return await tx.execute(
            f"UPDATE {self._table} SET password_hash = %s WHERE user_id = %s"
            " AND (%s = '' OR password_hash = %s)",
            (password_hash, user_id, expected_hash, expected_hash),
        )

    async def set_email(self, tx: Transaction, user_id: int, email: str) -> None:
        """Replace the address of an account.

        Raises:
            pymysql.err.IntegrityError: it belongs to another account.
        """
        await tx.execute(
            f"UPDATE {self._table} SET email = %s WHERE user_id = %s", (email, user_id)
        )

    async def confirm(self, tx: Transaction, user_id: int, state: str) -> None:
        """Note that the address was confirmed, and the state that follows."""
        await tx.execute(
            f"UPDATE {self._table} SET state = %s, confirmed_at = UTC_TIMESTAMP(6)"
            " WHERE user_id = %s",
            (state, user_id),
        )

    async def touch_login(self, tx: Transaction, user_id: int) -> None:
        """Note the time of a sign-in."""
        await tx.execute(
            f"UPDATE {self._table} SET last_login_at = UTC_TIMESTAMP(6) WHERE user_id = %s",
            (user_id,),
        )


async def pad_statement_count(tx: Transaction, statements: int) -> None:
    """Ask the database for nothing, as often as another course of the same request asks for more.

    On a machine that is busy each statement takes a turn of the scheduler, which can be counted
    from outside.
    """
    for _ in range(statements):
        await tx.execute("DO 0")


def _account(row: Row | None) -> Account | None:
    return Account.from_row(row) if row is not None else None
