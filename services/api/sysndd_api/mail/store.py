"""The outbox as administrators read and steer it. Sending it is the mailer's."""

from dataclasses import dataclass
from typing import Any

from sysndd_api.mail.models import MailDetail, MailQuery, MailView
from sysndd_core.db.database import Database, Transaction
from sysndd_core.mail.outbox import MailState

_COLUMNS = (
    "id, purpose, recipient, template, message_id, state, attempt, run_after, phase, last_code,"
    " last_reply, on_unknown_outcome, requested_by, created_at, started_at, finished_at, expires_at"
)
_MAX_ATTEMPTS = 200
"""As many as a new mail has."""


@dataclass(frozen=True)
class LockedMail:
    """What an administrator's step needs to know of a mail."""

    state: MailState
    recipient: str


class MailStore:
    """Reads the ``mail`` table, and changes the state of rows that no mailer has in hand."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.mail"
        self._undeliverable = f"{database.ops}.undeliverable_address"

    async def page(self, query: MailQuery) -> tuple[list[MailView], int]:
        """Read mails, newest first, with the number of all that fit."""
        where, arguments = _condition(query.state, query.search)
        async with self._database.connection() as connection:
            total = await connection.fetch_one(
                f"SELECT COUNT(*) AS n FROM {self._table}{where}", arguments
            )
            rows = await connection.fetch_all(
                f"SELECT {_COLUMNS} FROM {self._table}{where}"
                " ORDER BY created_at DESC, id DESC LIMIT %s OFFSET %s",
                (*arguments, query.page_size, query.offset),
            )
        return [MailView.from_row(row) for row in rows], int(total["n"]) if total else 0

    async def get(self, mail_id: str) -> MailDetail | None:
        """Read one mail with its texts and ``undeliverable_since``."""
        row = await self._database.fetch_one(
            f"SELECT {_COLUMNS}, preview, (SELECT since FROM {self._undeliverable} AS bad"
            f" WHERE bad.recipient = mail.recipient) AS undeliverable_since"
            f" FROM {self._table} WHERE id = %s",
            (mail_id,),
        )
        return MailDetail.from_row(row) if row is not None else None

    async def lock(self, tx: Transaction, mail_id: str) -> LockedMail | None:
        """Read state and recipient of one mail, and keep mailers from claiming it meanwhile."""
        row = await tx.fetch_one(
            f"SELECT state, recipient FROM {self._table} WHERE id = %s FOR UPDATE", (mail_id,)
        )
        return LockedMail(MailState(row["state"]), row["recipient"]) if row is not None else None

    async def cancel(self, tx: Transaction, mail_id: str) -> None:
        """Close a locked mail."""
        await tx.execute(
            f"UPDATE {self._table} SET state = 'cancelled', finished_at = UTC_TIMESTAMP(6),"
            " phase = NULL, last_code = NULL, last_reply = 'An administrator cancelled it.'"
            " WHERE id = %s",
            (mail_id,),
        )

    async def resend(self, tx: Transaction, mail_id: str, recipient: str) -> None:
        """Queue a locked mail for now, with new tries and its first time to live once more.

        The attempt number itself only ever grows (it is the fence), so the limit is raised.
        """
        await tx.execute(
            f"UPDATE {self._table} SET expires_at = IF(expires_at IS NULL, NULL, UTC_TIMESTAMP(6)"
            " + INTERVAL TIMESTAMPDIFF(SECOND, created_at, expires_at) SECOND),"
            " state = 'queued', run_after = UTC_TIMESTAMP(6), max_attempts = attempt + %s,"
            " phase = NULL, finished_at = NULL WHERE id = %s",
            (_MAX_ATTEMPTS, mail_id),
        )
        await tx.execute(f"DELETE FROM {self._undeliverable} WHERE recipient = %s", (recipient,))


def _condition(state: MailState | None, search: str | None) -> tuple[str, tuple[Any, ...]]:
    conditions, arguments = [], []
    if state is not None:
        conditions.append("state = %s")
        arguments.append(state.value)
    if search is not None:
        # Comparing an ASCII column with other letters is an error to the server (1267).
        columns = (
            ("recipient", "purpose", "message_id", "id") if search.isascii() else ("recipient",)
        )
        conditions.append(f"({' OR '.join(f'{column} LIKE %s' for column in columns)})")
        escaped = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        arguments += [f"%{escaped}%"] * len(columns)
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), tuple(arguments)
