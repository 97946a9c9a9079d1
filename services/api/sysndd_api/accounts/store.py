"""The ``user`` table of the application; tokens, changes of address and known clients beside it."""

import uuid
from typing import Any

from pydantic import SecretStr

from sysndd_core.db.database import Database, Row, Transaction
from sysndd_core.mail.link_tokens import TokenPurpose, derive, fingerprint

_COLUMNS = "user_id, user_name, email, password_hash, role, state, created_at, confirmed_at"
_KNOWN_CLIENT_DAYS = 90
_TOKEN_DAYS = 30


class UserStore:
    """Reads and writes accounts. The collation ignores case, as people do in addresses."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.app}.`user`"
        self._guard = f"{database.ops}.account_guard"

    async def by_login(self, login: str) -> Row | None:
        """Find an account by user name or e-mail address."""
        return await self._database.fetch_one(
            "SELECT user_id, user_name, email, password_hash, role, state"
            f" FROM {self._table} WHERE user_name = %s OR email = %s LIMIT 1",
            (login, login),
        )

    async def by_email(self, email: str) -> Row | None:
        """Find an account by its address."""
        return await self._database.fetch_one(
            f"SELECT {_COLUMNS} FROM {self._table} WHERE email = %s", (email,)
        )

    async def by_id(self, user_id: int) -> Row | None:
        """Find an account by its id."""
        return await self._database.fetch_one(
            f"SELECT {_COLUMNS} FROM {self._table} WHERE user_id = %s", (user_id,)
        )

    async def lock(self, tx: Transaction, user_id: int) -> Row | None:
        """Find an account by its id and lock its row until the transaction ends."""
        return await tx.fetch_one(
            f"SELECT {_COLUMNS} FROM {self._table} WHERE user_id = %s FOR UPDATE", (user_id,)
        )

    async def lock_by_email(self, tx: Transaction, email: str) -> Row | None:
        """Find an account by its address and lock its row until the transaction ends."""
        return await tx.fetch_one(
            f"SELECT {_COLUMNS} FROM {self._table} WHERE email = %s FOR UPDATE", (email,)
        )

    async def has_name(self, tx: Transaction, user_name: str) -> bool:
        """Tell whether an account has a user name; the unique key decides about later ones."""
        row = await tx.fetch_one(f"SELECT 1 FROM {self._table} WHERE user_name = %s", (user_name,))
        return row is not None

    async def lock_by_name(self, tx: Transaction, user_name: str, email: str) -> Row | None:
        """Find an account by name or address and lock its row until the transaction ends."""
        return await tx.fetch_one(
            f"SELECT {_COLUMNS} FROM {self._table}"
            " WHERE user_name = %s OR email = %s LIMIT 1 FOR UPDATE",
            (user_name, email),
        )

    async def insert(self, tx: Transaction, values: dict[str, Any]) -> int:
        """Write a new account that nobody has confirmed; return its id.

        Args:
            values: by column: user_name, email, password_hash, first_name, family_name, orcid,
                comment.

        Raises:
            pymysql.err.IntegrityError: name or address have just been taken.
        """
        columns = ("user_name", "email", "password_hash", "first_name", "family_name", "orcid",
                   "comment")  # fmt: skip
        return await tx.insert(
            f"INSERT INTO {self._table} ({', '.join(columns)}, role, state, created_at)"
            f" VALUES ({', '.join(['%s'] * len(columns))}, 'Viewer', 'unconfirmed',"
            " UTC_TIMESTAMP(6))",
            tuple(values[column] for column in columns),
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

    async def set_password(
        self, tx: Transaction, user_id: int, password_hash: str | None, *, instead_of: str = ""
    ) -> int:
        """Replace the password of an account; return how many rows that changed.

        Args:
            password_hash: None for no password at all.
            instead_of: only when this is the stored hash; empty for any.
        """
        return await tx.execute(
            f"UPDATE {self._table} SET password_hash = %s WHERE user_id = %s"
            " AND (%s = '' OR password_hash = %s)",
            (password_hash, user_id, instead_of, instead_of),
        )

    async def set_email(self, tx: Transaction, user_id: int, email: str) -> None:
        """Replace the address of an account.

        Raises:
            pymysql.err.IntegrityError: it belongs to another account.
        """
        await tx.execute(
            f"UPDATE {self._table} SET email = %s WHERE user_id = %s", (email, user_id)
        )

    async def set_state(self, tx: Transaction, user_id: int, state: str) -> None:
        """Change the state of an account."""
        await tx.execute(
            f"UPDATE {self._table} SET state = %s WHERE user_id = %s", (state, user_id)
        )

    async def set_role(self, tx: Transaction, user_id: int, role: str) -> None:
        """Change the role of an account."""
        await tx.execute(f"UPDATE {self._table} SET role = %s WHERE user_id = %s", (role, user_id))

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

    async def lock_administrators(self, tx: Transaction) -> None:
        """Let nobody else decide about Administrators until the transaction ends."""
        row = await tx.fetch_one(
            f"SELECT name FROM {self._guard} WHERE name = 'administrators' FOR UPDATE"
        )
        if row is None:
            raise LookupError("account_guard has lost its row")

    async def administrators(self, tx: Transaction) -> list[Row]:
        """Read the active Administrators."""
        return await tx.fetch_all(
            f"SELECT {_COLUMNS} FROM {self._table}"
            " WHERE role = 'Administrator' AND state = 'active' ORDER BY user_id"
        )

    async def page(
        self, where: tuple[str, tuple[Any, ...]], order: str, *, limit: int, offset: int
    ) -> tuple[list[Row], int]:
        """Read one page of accounts and the number of all that match."""
        condition, arguments = where
        async with self._database.connection() as connection:
            total = await connection.fetch_one(
                f"SELECT COUNT(*) AS n FROM {self._table} WHERE {condition}", arguments
            )
            rows = await connection.fetch_all(
                f"SELECT * FROM {self._table} WHERE {condition} ORDER BY {order}"
                " LIMIT %s OFFSET %s",
                (*arguments, limit, offset),
            )
        return rows, int(total["n"]) if total else 0


async def as_often(tx: Transaction, statements: int) -> None:
    """Ask the database for nothing, as often as another course of the same request asks for more.

    On a machine that is busy each statement takes a turn of the scheduler, which can be counted
    from outside.
    """
    for _ in range(statements):
        await tx.execute("DO 0")


class TokenStore:
    """Tokens of links in mails: stored hashed, used once.

    Args:
        key: ``TOKEN_KEY``; without it none can be issued.
    """

    def __init__(self, database: Database, key: SecretStr | None) -> None:
        self._database = database
        self._table = f"{database.ops}.account_token"
        self._key = key

    @property
    def can_issue(self) -> bool:
        """Whether there is a key to make tokens with."""
        return self._key is not None

    async def issue(
        self, tx: Transaction, purpose: TokenPurpose, user_id: int, *, minutes: int
    ) -> str:
        """Write a token's row; return its id, from which the mailer derives the token."""
        assert self._key is not None
        token_id = str(uuid.uuid4())
        await tx.execute(
            f"INSERT INTO {self._table} (id, purpose, user_id, token_hash, created_at, expires_at)"
            " VALUES (%s, %s, %s, UNHEX(%s), UTC_TIMESTAMP(6),"
            " UTC_TIMESTAMP(6) + INTERVAL %s MINUTE)",
            (token_id, purpose.value, user_id, fingerprint(derive(self._key, purpose, token_id)),
             minutes),
        )  # fmt: skip
        return token_id

    async def delete_old(self, tx: Transaction) -> None:
        """Remove tokens that expired long ago."""
        await tx.execute(
            f"DELETE FROM {self._table} WHERE expires_at < UTC_TIMESTAMP(6) - INTERVAL"
            f" {_TOKEN_DAYS} DAY"
        )

    async def is_good(self, token: str, purpose: TokenPurpose) -> bool:
        """Tell whether a token would be taken, without using it."""
        row = await self._database.fetch_one(
            f"SELECT 1 FROM {self._table} WHERE token_hash = UNHEX(%s) AND purpose = %s"
            " AND used_at IS NULL AND revoked_at IS NULL AND expires_at > UTC_TIMESTAMP(6)",
            (fingerprint(token), purpose.value),
        )
        return row is not None

    async def is_pending(self, tx: Transaction, token_id: str) -> bool:
        """Tell whether the token with this id would be taken."""
        row = await tx.fetch_one(
            f"SELECT 1 FROM {self._table} WHERE id = %s AND used_at IS NULL"
            " AND revoked_at IS NULL AND expires_at > UTC_TIMESTAMP(6)",
            (token_id,),
        )
        return row is not None

    async def use(self, tx: Transaction, token: str, purpose: TokenPurpose) -> bool:
        """Use a token up, by one UPDATE that only one of any number of requests can win."""
        return bool(
            await tx.execute(
                f"UPDATE {self._table} SET used_at = UTC_TIMESTAMP(6)"
                " WHERE token_hash = UNHEX(%s) AND purpose = %s"
                " AND used_at IS NULL AND revoked_at IS NULL AND expires_at > UTC_TIMESTAMP(6)",
                (fingerprint(token), purpose.value),
            )
        )

    async def find(self, tx: Transaction, token: str, purpose: TokenPurpose) -> Row | None:
        """Read a token's row, whatever became of it."""
        return await tx.fetch_one(
            f"SELECT id, user_id, created_at, used_at FROM {self._table}"
            " WHERE token_hash = UNHEX(%s) AND purpose = %s",
            (fingerprint(token), purpose.value),
        )

    async def revoke(
        self, tx: Transaction, user_id: int, purpose: TokenPurpose | None = None
    ) -> None:
        """Make every token of an account useless, or those of one purpose."""
        only = "" if purpose is None else " AND purpose = %s"
        await tx.execute(
            f"UPDATE {self._table} SET revoked_at = UTC_TIMESTAMP(6)"
            f" WHERE user_id = %s AND used_at IS NULL AND revoked_at IS NULL{only}",
            (user_id,) if purpose is None else (user_id, purpose.value),
        )


class EmailChangeStore:
    """Changes of address that wait for one or both confirmations."""

    def __init__(self, database: Database) -> None:
        self._table = f"{database.ops}.email_change"

    async def insert(
        self, tx: Transaction, user_id: int, new_email: str, *, old_token: str, new_token: str
    ) -> None:
        """Write a change; the tokens are given by their ids."""
        await tx.execute(
            f"INSERT INTO {self._table} (id, user_id, new_email, old_token, new_token, created_at)"
            " VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6))",
            (str(uuid.uuid4()), user_id, new_email, old_token, new_token),
        )

    async def lock(self, tx: Transaction, token_id: str) -> Row | None:
        """Find a change by the id of one of its tokens and lock it."""
        return await tx.fetch_one(
            f"SELECT * FROM {self._table} WHERE old_token = %s OR new_token = %s FOR UPDATE",
            (token_id, token_id),
        )

    async def confirm(self, tx: Transaction, change: Row, token_id: str) -> bool:
        """Note one confirmation; return whether the other is there, too."""
        side, other = ("old", "new") if change["old_token"] == token_id else ("new", "old")
        await tx.execute(
            f"UPDATE {self._table} SET {side}_confirmed_at = UTC_TIMESTAMP(6) WHERE id = %s",
            (change["id"],),
        )
        return change[f"{other}_confirmed_at"] is not None

    async def finish(self, tx: Transaction, change_id: str) -> None:
        """Note that the address was changed."""
        await tx.execute(
            f"UPDATE {self._table} SET finished_at = UTC_TIMESTAMP(6) WHERE id = %s", (change_id,)
        )


class KnownClientStore:
    """Clients that an account has signed in from."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.known_client"
        # An id is given out again after a restore; who then has it is younger than the row.
        self._users = f"{database.app}.`user`"

    async def note(self, tx: Transaction, user_id: int, client: str) -> None:
        """Remember a client, and forget those not seen for long."""
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

    async def knows(self, user_id: Any | None, client: str) -> bool:
        """Tell whether an account has signed in from a client before; None is no account."""
        row = await self._database.fetch_one(
            f"SELECT 1 FROM {self._table} AS c JOIN {self._users} AS u ON u.user_id = c.user_id"
            " WHERE c.user_id = %s AND c.client = UNHEX(%s) AND c.seen_at >= u.created_at",
            (user_id or 0, fingerprint(client)),
        )
        return row is not None
