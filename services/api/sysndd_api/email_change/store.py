"""The platform's table ``email_change``: email changes with their two confirmations."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sysndd_core.db.database import Database, Transaction


@dataclass(frozen=True)
class EmailChange:
    """A requested email change.

    Attributes:
        old_token: ID of the token that was sent to the old address.
        new_token: ID of the token that was sent to the new address.
        old_confirmed_at: When the old address confirmed it.
        new_confirmed_at: When the new address confirmed it.
        finished_at: When the address was changed.
    """

    id: str
    new_email: str
    old_token: str
    new_token: str
    old_confirmed_at: datetime | None
    new_confirmed_at: datetime | None
    finished_at: datetime | None


class EmailChangeStore:
    """Email changes, pending and finished."""

    def __init__(self, database: Database) -> None:
        self._table = f"{database.ops}.email_change"

    async def insert(
        self, tx: Transaction, user_id: int, new_email: str, *, old_token: str, new_token: str
    ) -> None:
        """Insert an email change with the IDs of its tokens."""
        await tx.execute(
            f"INSERT INTO {self._table} (id, user_id, new_email, old_token, new_token, created_at)"
            " VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6))",
            (str(uuid.uuid4()), user_id, new_email, old_token, new_token),
        )

    async def lock(self, tx: Transaction, token_id: str) -> EmailChange | None:
        """Return an email change by the ID of one of its tokens, and lock its row."""
        row = await tx.fetch_one(
            "SELECT id, new_email, old_token, new_token, old_confirmed_at, new_confirmed_at,"
            f" finished_at FROM {self._table} WHERE old_token = %s OR new_token = %s FOR UPDATE",
            (token_id, token_id),
        )
        return EmailChange(**row) if row is not None else None

    async def confirm(self, tx: Transaction, change: EmailChange, token_id: str) -> bool:
        """Record one confirmation; return whether the other address has confirmed too."""
        is_old = change.old_token == token_id
        side = "old" if is_old else "new"
        await tx.execute(
            f"UPDATE {self._table} SET {side}_confirmed_at = UTC_TIMESTAMP(6) WHERE id = %s",
            (change.id,),
        )
        other = change.new_confirmed_at if is_old else change.old_confirmed_at
        return other is not None

    async def finish(self, tx: Transaction, change_id: str) -> None:
        """Record that the address was changed."""
        await tx.execute(
            f"UPDATE {self._table} SET finished_at = UTC_TIMESTAMP(6) WHERE id = %s", (change_id,)
        )
