"""Sessions, joined with their accounts, and the known clients of accounts."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sysndd_api.security.access import Account, OperatorRole, Role
from sysndd_api.sessions.models import OpenSession, SessionOwner
from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.db.database import Connection, Database, Row, Transaction
from sysndd_core.mail.link_tokens import fingerprint

_TOUCH_SECONDS = 60
"""Resolution of ``last_seen_at``, so that not every request causes a write."""

_KNOWN_CLIENT_DAYS = 90

_ID = "LOWER(LEFT(HEX(s.token_hash), 32))"
"""Public ID of a session: half of the hash of a 256-bit token, which is unique and not usable."""

_LOGINS = "(u.user_name COLLATE utf8mb4_unicode_ci, u.email COLLATE utf8mb4_unicode_ci)"
"""What a site user can sign in with, in the collation of the operators' columns."""


class SessionStore:
    """Sessions by the hash of their token.

    A valid session has not reached its absolute end, was used recently, and belongs to an active
    account that is older than the session. After a restore, the ID of a site user may be assigned
    to another account, which is newer than the session.

    Args:
        database: The connection pool.
        idle_minutes: Minutes after which an unused session ends.
    """

    def __init__(self, database: Database, *, idle_minutes: int) -> None:
        self._database = database
        self._table = f"{database.ops}.`session`"
        self._operators = f"{database.ops}.`operator`"
        self._users = f"{database.app}.`user`"
        self._valid = (
            "s.expires_at > UTC_TIMESTAMP(6)"
            f" AND s.last_seen_at > UTC_TIMESTAMP(6) - INTERVAL {int(idle_minutes)} MINUTE"
        )
        self._idle_minutes = int(idle_minutes)

    async def insert(
        self,
        tx: Transaction,
        token_hash: str,
        key: AccountKey,
        *,
        hours: int,
        remote: str | None,
        user_agent: str | None,
    ) -> datetime:
        """Insert a session; return its end (UTC, by the server's clock)."""
        await tx.execute(
            f"INSERT INTO {self._table} (token_hash, realm, user_id, created_at,"
            " last_seen_at, expires_at, remote, user_agent) VALUES (UNHEX(%s), %s, %s,"
            " UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL %s HOUR, %s, %s)",
            (token_hash, *key, hours, remote, user_agent[:255] if user_agent else None),
        )
        row = await tx.fetch_one(
            f"SELECT expires_at FROM {self._table} WHERE token_hash = UNHEX(%s)", (token_hash,)
        )
        if row is None:
            raise LookupError("the inserted session does not exist")
        expires_at: datetime = row["expires_at"].replace(tzinfo=UTC)
        return expires_at

    async def find(self, token_hash: str) -> SessionOwner | None:
        """Return the active account of a valid session, and update when it was last seen.

        The session of an operator is found without the application schema.
        """
        async with self._database.connection() as connection:
            row = await connection.fetch_one(
                f"SELECT s.realm, s.user_id, s.created_at, {_ID} AS session_id,"
                f" s.last_seen_at < UTC_TIMESTAMP(6) - INTERVAL {_TOUCH_SECONDS} SECOND AS stale,"
                f" o.user_name, o.role FROM {self._table} AS s LEFT JOIN {self._operators} AS o"
                " ON s.realm = 'operator' AND o.operator_id = s.user_id AND o.state = 'active'"
                f" WHERE {self._valid} AND s.token_hash = UNHEX(%s)",
                (token_hash,),
            )
            owner = await self._owner(connection, row) if row is not None else None
            if owner is not None and row is not None and row["stale"]:
                await connection.execute(
                    f"UPDATE {self._table} SET last_seen_at = UTC_TIMESTAMP(6)"
                    " WHERE token_hash = UNHEX(%s)",
                    (token_hash,),
                )
        return owner

    async def _owner(self, connection: Connection, row: Row) -> SessionOwner | None:
        key, session_id = AccountKey(Realm(row["realm"]), row["user_id"]), row["session_id"]
        if key.realm is Realm.OPERATOR:
            if row["user_name"] is None:
                return None
            return SessionOwner(key, row["user_name"], OperatorRole(row["role"]), session_id)
        user = await connection.fetch_one(
            f"SELECT u.user_name, u.role, EXISTS (SELECT 1 FROM {self._operators} AS o"
            f" WHERE o.user_name IN {_LOGINS} OR o.email IN {_LOGINS}) AS also_operator"
            f" FROM {self._users} AS u"
            " WHERE u.user_id = %s AND u.state = 'active' AND u.created_at <= %s",
            (key.id, row["created_at"]),
        )
        if user is None:
            return None
        return SessionOwner(
            key, user["user_name"], Role(user["role"]), session_id, bool(user["also_operator"])
        )

    async def of_account(self, account: Account) -> list[OpenSession]:
        """Return the valid sessions of an account, newest first."""
        rows = await self._database.fetch_all(
            f"SELECT {_ID} AS id, s.created_at, s.last_seen_at, s.expires_at, s.remote,"
            f" s.user_agent FROM {self._table} AS s WHERE {self._valid}"
            " AND s.realm = %s AND s.user_id = %s AND s.created_at >= %s"
            " ORDER BY s.created_at DESC, id",
            (*account.key, account.created_at),
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

    async def delete_one(self, tx: Transaction, key: AccountKey, session_id: str) -> int:
        """End one session of an account by its public ID; return the number of deleted rows."""
        return await tx.execute(
            f"DELETE FROM {self._table} WHERE realm = %s AND user_id = %s"
            " AND LEFT(HEX(token_hash), 32) = UPPER(%s)",
            (*key, session_id),
        )

    async def delete_of(
        self, tx: Transaction, key: AccountKey, *, except_token_hash: str | None = None
    ) -> int:
        """End the sessions of an account; return their number.

        Args:
            tx: The transaction.
            key: The account.
            except_token_hash: Hash of the token whose session remains; None to end all.
        """
        others = "" if except_token_hash is None else " AND token_hash <> UNHEX(%s)"
        return await tx.execute(
            f"DELETE FROM {self._table} WHERE realm = %s AND user_id = %s{others}",
            key if except_token_hash is None else (*key, except_token_hash),
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

    async def note(self, tx: Transaction, key: AccountKey, client: str) -> None:
        """Record a client of an account, and delete clients not seen for a long time."""
        await tx.execute(
            f"INSERT INTO {self._table} (realm, user_id, client, seen_at)"
            " VALUES (%s, %s, UNHEX(%s), UTC_TIMESTAMP(6))"
            " ON DUPLICATE KEY UPDATE seen_at = UTC_TIMESTAMP(6)",
            (*key, fingerprint(client)),
        )
        await tx.execute(
            f"DELETE FROM {self._table} WHERE seen_at < UTC_TIMESTAMP(6) - INTERVAL"
            f" {_KNOWN_CLIENT_DAYS} DAY"
        )

    async def knows(self, accounts: Sequence[Account | None], client: str) -> bool:
        """Return whether one of these accounts has signed in from a client.

        Runs one query for any number of accounts, so that its duration reveals nothing.
        """
        # After a restore, an ID may be assigned again; its account is then newer than the row.
        known = [found for found in accounts if found is not None]
        one = "(realm = %s AND user_id = %s AND seen_at >= %s)"
        values = [value for found in known for value in (*found.key, found.created_at)]
        row = await self._database.fetch_one(
            f"SELECT 1 FROM {self._table} WHERE client = UNHEX(%s)"
            f" AND ({' OR '.join([one] * len(known)) or 'FALSE'}) LIMIT 1",
            (fingerprint(client), *values),
        )
        return row is not None
