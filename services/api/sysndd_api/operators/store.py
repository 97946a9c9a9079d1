"""The platform's table ``operator``, as administrators read and change it."""

from sysndd_api.accounts.operator_store import OPERATOR_COLUMNS, operator_account
from sysndd_api.operators.models import OperatorQuery, OperatorView
from sysndd_api.security.access import Account, OperatorRole
from sysndd_api.web.search import build_filter
from sysndd_core.db.database import Database, Transaction

_SEARCHED = ("user_name", "email")


class OperatorAdministrationStore:
    """Lists operators and writes the changes that only administrators make."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.`operator`"

    async def page(self, query: OperatorQuery) -> tuple[list[OperatorView], int]:
        """Return one page of operators by name, and the number of all that match."""
        condition, arguments = build_filter(
            {"role": query.role and query.role.value, "state": query.state},
            search=query.search,
            columns=_SEARCHED,
        )
        async with self._database.connection() as connection:
            total = await connection.fetch_one(
                f"SELECT COUNT(*) AS n FROM {self._table} WHERE {condition}", arguments
            )
            rows = await connection.fetch_all(
                f"SELECT * FROM {self._table} WHERE {condition} ORDER BY user_name, operator_id"
                " LIMIT %s OFFSET %s",
                (*arguments, query.page_size, query.offset),
            )
        return [OperatorView.from_row(row) for row in rows], int(total["n"]) if total else 0

    async def get(self, operator_id: int) -> OperatorView | None:
        """Return one operator, or None."""
        row = await self._database.fetch_one(
            f"SELECT * FROM {self._table} WHERE operator_id = %s", (operator_id,)
        )
        return OperatorView.from_row(row) if row is not None else None

    async def lock_by_name(self, tx: Transaction, user_name: str, email: str) -> Account | None:
        """Return an operator by name or address, and lock the row until the transaction ends."""
        row = await tx.fetch_one(
            f"SELECT {OPERATOR_COLUMNS} FROM {self._table} WHERE user_name IN (%s, %s)"
            " OR email IN (%s, %s) LIMIT 1 FOR UPDATE",
            (user_name, email, user_name, email),
        )
        return operator_account(row) if row is not None else None

    async def insert(
        self,
        tx: Transaction,
        *,
        user_name: str,
        email: str,
        role: OperatorRole,
        password_hash: str | None,
    ) -> int:
        """Insert an operator, who is invited without a password and active with one.

        Returns:
            The ID.

        Raises:
            pymysql.err.IntegrityError: The name or address was taken concurrently.
        """
        return await tx.insert(
            f"INSERT INTO {self._table} (user_name, email, password_hash, role, state, created_at)"
            " VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6))",
            (
                user_name,
                email,
                password_hash,
                role.value,
                "invited" if password_hash is None else "active",
            ),
        )

    async def set_role(self, tx: Transaction, operator_id: int, role: OperatorRole) -> None:
        """Change the role of an operator."""
        await tx.execute(
            f"UPDATE {self._table} SET role = %s WHERE operator_id = %s", (role.value, operator_id)
        )

    async def disable(self, tx: Transaction, operator_id: int) -> None:
        """Disable an operator."""
        await tx.execute(
            f"UPDATE {self._table} SET state = 'disabled' WHERE operator_id = %s", (operator_id,)
        )

    async def enable(self, tx: Transaction, operator_id: int) -> None:
        """Enable an operator, who is invited again without a password."""
        await tx.execute(
            f"UPDATE {self._table} SET state = IF(password_hash IS NULL, 'invited', 'active')"
            " WHERE operator_id = %s",
            (operator_id,),
        )

    async def set_email(self, tx: Transaction, operator_id: int, email: str) -> None:
        """Change the address of an operator.

        Raises:
            pymysql.err.IntegrityError: The address belongs to another operator.
        """
        await tx.execute(
            f"UPDATE {self._table} SET email = %s WHERE operator_id = %s", (email, operator_id)
        )

    async def administrators(self, tx: Transaction) -> list[Account]:
        """Return the active administrators."""
        rows = await tx.fetch_all(
            f"SELECT {OPERATOR_COLUMNS} FROM {self._table}"
            " WHERE role = 'administrator' AND state = 'active' ORDER BY operator_id"
        )
        return [operator_account(row) for row in rows]
