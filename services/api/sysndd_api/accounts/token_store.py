"""The ``account_token`` table of the platform: tokens of links in mails."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from sysndd_core.db.database import Database, Transaction
from sysndd_core.mail.link_tokens import TokenPurpose, derive, fingerprint

_TOKEN_DAYS = 30


@dataclass(frozen=True)
class LinkToken:
    """A token's row; times are UTC without a zone, as the server gives them."""

    id: str
    user_id: int
    created_at: datetime
    used_at: datetime | None


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
            (
                token_id,
                purpose.value,
                user_id,
                fingerprint(derive(self._key, purpose, token_id)),
                minutes,
            ),
        )
        return token_id

    async def delete_old(self, tx: Transaction) -> None:
        """Remove tokens that expired long ago."""
        await tx.execute(
            f"DELETE FROM {self._table} WHERE expires_at < UTC_TIMESTAMP(6) - INTERVAL"
            f" {_TOKEN_DAYS} DAY"
        )

    async def is_valid(self, token: str, purpose: TokenPurpose) -> bool:
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

    async def find(self, tx: Transaction, token: str, purpose: TokenPurpose) -> LinkToken | None:
        """Read a token's row, whatever became of it."""
        row = await tx.fetch_one(
            f"SELECT id, user_id, created_at, used_at FROM {self._table}"
            " WHERE token_hash = UNHEX(%s) AND purpose = %s",
            (fingerprint(token), purpose.value),
        )
        return LinkToken(**row) if row is not None else None

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
