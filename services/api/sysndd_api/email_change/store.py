"""The ``email_change`` table of the platform: changes of address, each with two confirmations."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sysndd_core.db.database import Database, Transaction


@dataclass(frozen=True)
class EmailChange:
    """A change that somebody asked for.

    Attributes:
        old_token, new_token: ids of the tokens that went to the two mailboxes.
        old_confirmed_at, new_confirmed_at: when each agreed.
        finished_at: when the address was changed.
    """

    id: str
    new_email: str
    old_token: str
    new_token: str
    old_confirmed_at: datetime | None
    new_confirmed_at: datetime | None
    finished_at: datetime | None


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

    async def lock(self, tx: Transaction, token_id: str) -> EmailChange | None:
        """Find a change by the id of one of its tokens and lock it."""
        row = await tx.fetch_one(
            "SELECT id, new_email, old_token, new_token, old_confirmed_at, new_confirmed_at,"
            f" finished_at FROM {self._table} WHERE old_token = %s OR new_token = %s FOR UPDATE",
            (token_id, token_id),
        )
        return EmailChange(**row) if row is not None else None

    async def confirm(self, tx: Transaction, change: EmailChange, token_id: str) -> bool:
        """Note one confirmation; return whether the other is there, too."""
        is_old = change.old_token == token_id
        side = "old" if is_old else "new"
        await tx.execute(
            f"UPDATE {self._table} SET {side}_confirmed_at = UTC_TIMESTAMP(6) WHERE id = %s",
            (change.id,),
        )
        other = change.new_confirmed_at if is_old else change.old_confirmed_at
        return other is not None

    async def finish(self, tx: Transaction, change_id: str) -> None:
        """Note that the address was changed."""
        await tx.execute(
            f"UPDATE {self._table} SET finished_at = UTC_TIMESTAMP(6) WHERE id = %s", (change_id,)
        )
