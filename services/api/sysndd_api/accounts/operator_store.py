"""The platform's table ``operator``: accounts of operators, and what their owners change."""

from sysndd_api.security.access import Account, OperatorRole
from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.db.database import Database, Row, Transaction

OPERATOR_COLUMNS = "operator_id, user_name, email, password_hash, role, state, created_at"


def operator_account(row: Row) -> Account:
    """Build an operator's account from ``OPERATOR_COLUMNS``."""
    rest = {name: value for name, value in row.items() if name != "operator_id"}
    key = AccountKey(Realm.OPERATOR, row["operator_id"])
    return Account(**rest | {"key": key, "role": OperatorRole(row["role"])})


class OperatorStore:
    """Reads and writes operators. The collation ignores case in names and addresses."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.`operator`"

    async def by_login(self, login: str) -> Account | None:
        """Return an operator by user name or email address, or None."""
        return _account(
            await self._database.fetch_one(
                f"SELECT {OPERATOR_COLUMNS} FROM {self._table}"
                " WHERE user_name = %s OR email = %s LIMIT 1",
                (login, login),
            )
        )

    async def by_email(self, email: str) -> Account | None:
        """Return an operator by address, or None."""
        return _account(
            await self._database.fetch_one(
                f"SELECT {OPERATOR_COLUMNS} FROM {self._table} WHERE email = %s", (email,)
            )
        )

    async def by_id(self, operator_id: int) -> Account | None:
        """Return an operator by ID, or None."""
        return _account(
            await self._database.fetch_one(
                f"SELECT {OPERATOR_COLUMNS} FROM {self._table} WHERE operator_id = %s",
                (operator_id,),
            )
        )

    async def lock(self, tx: Transaction, operator_id: int) -> Account | None:
        """Return an operator by ID, and lock the row until the transaction ends."""
        return _account(
            await tx.fetch_one(
                f"SELECT {OPERATOR_COLUMNS} FROM {self._table} WHERE operator_id = %s FOR UPDATE",
                (operator_id,),
            )
        )

    async def lock_by_email(self, tx: Transaction, email: str) -> Account | None:
        """Return an operator by address, and lock the row until the transaction ends."""
        return _account(
            await tx.fetch_one(
                f"SELECT {OPERATOR_COLUMNS} FROM {self._table} WHERE email = %s FOR UPDATE",
                (email,),
            )
        )

    async def set_password(
        self, tx: Transaction, operator_id: int, password_hash: str, *, expected_hash: str = ""
    ) -> int:
        """Replace the password of an operator; return the number of changed rows.

        An invited operator becomes active.

        Args:
            tx: The transaction.
            operator_id: The operator.
            password_hash: The new hash.
            expected_hash: Change it only if this is the stored hash; empty for any.
        """
        return await tx.execute(
            f"UPDATE {self._table} SET password_hash = %s,"
            " state = IF(state = 'invited', 'active', state) WHERE operator_id = %s"
            " AND (%s = '' OR password_hash = %s)",
            (password_hash, operator_id, expected_hash, expected_hash),
        )

    async def touch_login(self, tx: Transaction, operator_id: int) -> None:
        """Record the time of a sign-in."""
        await tx.execute(
            f"UPDATE {self._table} SET last_login_at = UTC_TIMESTAMP(6) WHERE operator_id = %s",
            (operator_id,),
        )


def _account(row: Row | None) -> Account | None:
    return operator_account(row) if row is not None else None
