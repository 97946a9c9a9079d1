"""The application's table ``user``, as administrators read and change it."""

from sysndd_api.accounts.store import ACCOUNT_COLUMNS, site_account
from sysndd_api.security.access import Account
from sysndd_api.users.models import AccountView, UserQuery
from sysndd_api.web.search import build_filter
from sysndd_core.db.database import Database, Transaction

_SEARCHED = ("user_name", "email", "first_name", "family_name")
# The only expressions that reach ORDER BY.
_ORDER = {"user_name": "user_name", "created_at": "created_at", "email": "email"}


class AdministrationStore:
    """Lists accounts and writes the changes that only administrators make."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.app}.`user`"
        self._operators = f"{database.ops}.`operator`"
        self._guard = f"{database.ops}.transaction_guard"

    async def lock_by_name(self, tx: Transaction, user_name: str, email: str) -> Account | None:
        """Return an account by name or address, and lock its row until the transaction ends."""
        row = await tx.fetch_one(
            f"SELECT {ACCOUNT_COLUMNS} FROM {self._table}"
            " WHERE user_name = %s OR email = %s LIMIT 1 FOR UPDATE",
            (user_name, email),
        )
        return site_account(row) if row is not None else None

    async def set_state(self, tx: Transaction, user_id: int, state: str) -> None:
        """Change the state of an account."""
        await tx.execute(
            f"UPDATE {self._table} SET state = %s WHERE user_id = %s", (state, user_id)
        )

    async def reactivate(self, tx: Transaction, user_id: int) -> str:
        """Reactivate an account; return its new state, which depends on its confirmation."""
        await tx.execute(
            f"UPDATE {self._table} SET state = IF(confirmed_at IS NULL, 'unconfirmed', 'active')"
            " WHERE user_id = %s",
            (user_id,),
        )
        row = await tx.fetch_one(f"SELECT state FROM {self._table} WHERE user_id = %s", (user_id,))
        assert row is not None
        return str(row["state"])

    async def set_role(self, tx: Transaction, user_id: int, role: str) -> None:
        """Change the role of an account."""
        await tx.execute(f"UPDATE {self._table} SET role = %s WHERE user_id = %s", (role, user_id))

    async def lock_administrators(self, tx: Transaction) -> None:
        """Serialise decisions about administrators until the transaction ends."""
        row = await tx.fetch_one(
            f"SELECT name FROM {self._guard} WHERE name = 'administrators' FOR UPDATE"
        )
        if row is None:
            raise LookupError("the row 'administrators' of transaction_guard is missing")

    async def administrators(self, tx: Transaction) -> list[Account]:
        """Return the active administrators."""
        rows = await tx.fetch_all(
            f"SELECT {ACCOUNT_COLUMNS} FROM {self._table}"
            " WHERE role = 'Administrator' AND state = 'active' ORDER BY user_id"
        )
        return [site_account(row) for row in rows]

    async def operator_administrators(self, tx: Transaction) -> list[str]:
        """Return the addresses of the active operators with the role administrator."""
        rows = await tx.fetch_all(
            f"SELECT email FROM {self._operators} WHERE role = 'administrator'"
            " AND state = 'active' ORDER BY operator_id"
        )
        return [str(row["email"]) for row in rows]

    async def get(self, user_id: int) -> AccountView | None:
        """Return one account, or None."""
        row = await self._database.fetch_one(
            f"SELECT * FROM {self._table} WHERE user_id = %s", (user_id,)
        )
        return AccountView.from_row(row) if row is not None else None

    async def page(self, query: UserQuery) -> tuple[list[AccountView], int]:
        """Return one page of accounts and the number of all that match."""
        condition, arguments = build_filter(
            {"role": query.role and query.role.value, "state": query.state},
            search=query.search,
            columns=_SEARCHED,
        )
        direction = "DESC" if query.sort.startswith("-") else "ASC"
        order = f"{_ORDER[query.sort.removeprefix('-')]} {direction}, user_id"
        async with self._database.connection() as connection:
            total = await connection.fetch_one(
                f"SELECT COUNT(*) AS n FROM {self._table} WHERE {condition}", arguments
            )
            rows = await connection.fetch_all(
                f"SELECT * FROM {self._table} WHERE {condition} ORDER BY {order}"
                " LIMIT %s OFFSET %s",
                (*arguments, query.page_size, query.offset),
            )
        return [AccountView.from_row(row) for row in rows], int(total["n"]) if total else 0
