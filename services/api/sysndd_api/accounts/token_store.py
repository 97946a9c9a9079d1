"""The platform's table ``account_token``: tokens of emailed links."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.db.database import Database, Transaction
from sysndd_core.mail.link_tokens import TokenPurpose, derive, fingerprint

_TOKEN_DAYS = 30


@dataclass(frozen=True)
class LinkToken:
    """A token's row; times are UTC without a time zone, as the server returns them."""

    id: str
    key: AccountKey
    created_at: datetime
    used_at: datetime | None


class TokenStore:
    """Tokens of emailed links: stored as hashes, used once.

    Args:
        database: The connection pool.
        key: ``TOKEN_KEY``; without it, no token can be issued.
    """

    def __init__(self, database: Database, key: SecretStr | None) -> None:
        self._database = database
        self._table = f"{database.ops}.account_token"
        self._key = key

    @property
    def can_issue(self) -> bool:
        """Whether the key is set."""
        return self._key is not None

    async def issue(
        self, tx: Transaction, purpose: TokenPurpose, key: AccountKey, *, minutes: int
    ) -> str:
        """Insert a token; return its ID, from which the mailer derives the token."""
        assert self._key is not None
        token_id = str(uuid.uuid4())
        await tx.execute(
            f"INSERT INTO {self._table} (id, purpose, realm, user_id, token_hash, created_at,"
            " expires_at) VALUES (%s, %s, %s, %s, UNHEX(%s), UTC_TIMESTAMP(6),"
            " UTC_TIMESTAMP(6) + INTERVAL %s MINUTE)",
            (
                token_id,
                purpose.value,
                *key,
                fingerprint(derive(self._key, purpose, token_id)),
                minutes,
            ),
        )
        return token_id

    async def delete_old(self, tx: Transaction) -> None:
        """Delete tokens that expired a long time ago."""
        await tx.execute(
            f"DELETE FROM {self._table} WHERE expires_at < UTC_TIMESTAMP(6) - INTERVAL"
            f" {_TOKEN_DAYS} DAY"
        )

    async def is_valid(self, token: str, purpose: TokenPurpose) -> bool:
        """Return whether a token would be accepted, without using it."""
        row = await self._database.fetch_one(
            f"SELECT 1 FROM {self._table} WHERE token_hash = UNHEX(%s) AND purpose = %s"
            " AND used_at IS NULL AND revoked_at IS NULL AND expires_at > UTC_TIMESTAMP(6)",
            (fingerprint(token), purpose.value),
        )
        return row is not None

    async def is_pending(self, tx: Transaction, token_id: str) -> bool:
        """Return whether the token with this ID would be accepted."""
        row = await tx.fetch_one(
            f"SELECT 1 FROM {self._table} WHERE id = %s AND used_at IS NULL"
            " AND revoked_at IS NULL AND expires_at > UTC_TIMESTAMP(6)",
            (token_id,),
        )
        return row is not None

    async def use(self, tx: Transaction, token: str, purpose: TokenPurpose) -> bool:
        """Use a token; of concurrent requests, exactly one succeeds."""
        return bool(
            await tx.execute(
                f"UPDATE {self._table} SET used_at = UTC_TIMESTAMP(6)"
                " WHERE token_hash = UNHEX(%s) AND purpose = %s"
                " AND used_at IS NULL AND revoked_at IS NULL AND expires_at > UTC_TIMESTAMP(6)",
                (fingerprint(token), purpose.value),
            )
        )

    async def find(self, tx: Transaction, token: str, purpose: TokenPurpose) -> LinkToken | None:
        """Return a token's row in any state, or None."""
        row = await tx.fetch_one(
            f"SELECT id, realm, user_id, created_at, used_at FROM {self._table}"
            " WHERE token_hash = UNHEX(%s) AND purpose = %s",
            (fingerprint(token), purpose.value),
        )
        if row is None:
            return None
        key = AccountKey(Realm(row["realm"]), row["user_id"])
        return LinkToken(row["id"], key, row["created_at"], row["used_at"])

    async def revoke(
        self, tx: Transaction, key: AccountKey, purpose: TokenPurpose | None = None
    ) -> None:
        """Revoke the unused tokens of an account, or those of one purpose."""
        only = "" if purpose is None else " AND purpose = %s"
        await tx.execute(
            f"UPDATE {self._table} SET revoked_at = UTC_TIMESTAMP(6)"
            f" WHERE realm = %s AND user_id = %s AND used_at IS NULL AND revoked_at IS NULL{only}",
            key if purpose is None else (*key, purpose.value),
        )
