"""The table ``mail`` as administrators read and change it; the mailer sends the emails."""

from dataclasses import dataclass
from typing import Any

from sysndd_api.mail.models import MailDetail, MailQuery, MailView
from sysndd_core.db.database import Database, Transaction
from sysndd_core.mail.outbox import MailState

_COLUMNS = (
    "id, purpose, recipient, template, message_id, state, attempt, run_after, phase, last_code,"
    " last_reply, on_unknown_outcome, requested_realm, requested_by, created_at, started_at,"
    " finished_at, expires_at"
)
_MAX_ATTEMPTS = 200
"""Maximum attempts of a resent email, the same as of a new one."""


@dataclass(frozen=True)
class LockedMail:
    """What is needed of an email to change its state."""

    state: MailState
    recipient: str


class MailStore:
    """Reads the table ``mail``, and changes the state of rows that no mailer has claimed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.mail"
        self._undeliverable = f"{database.ops}.undeliverable_address"

    async def page(self, query: MailQuery) -> tuple[list[MailView], int]:
        """Return one page of emails, newest first, and the number of all that match."""
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
        """Return one email with its rendered text and ``undeliverable_since``, or None."""
        row = await self._database.fetch_one(
            f"SELECT {_COLUMNS}, preview, (SELECT since FROM {self._undeliverable} AS bad"
            f" WHERE bad.recipient = mail.recipient) AS undeliverable_since"
            f" FROM {self._table} WHERE id = %s",
            (mail_id,),
        )
        return MailDetail.from_row(row) if row is not None else None

    async def lock(self, tx: Transaction, mail_id: str) -> LockedMail | None:
        """Return state and recipient of an email, and lock its row against claims."""
        row = await tx.fetch_one(
            f"SELECT state, recipient FROM {self._table} WHERE id = %s FOR UPDATE", (mail_id,)
        )
        return LockedMail(MailState(row["state"]), row["recipient"]) if row is not None else None

    async def cancel(self, tx: Transaction, mail_id: str) -> None:
        """Cancel a locked email."""
        await tx.execute(
            f"UPDATE {self._table} SET state = 'cancelled', finished_at = UTC_TIMESTAMP(6),"
            " phase = NULL, last_code = NULL, last_reply = 'Cancelled by an administrator.'"
            " WHERE id = %s",
            (mail_id,),
        )

    async def resend(self, tx: Transaction, mail_id: str, recipient: str) -> None:
        """Queue a locked email for now, with new attempts and its original lifetime.

        The attempt number is the fencing token and only ever increases, so the limit is raised.
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
        # The server rejects a comparison of an ASCII column with other characters (error 1267).
        columns = (
            ("recipient", "purpose", "message_id", "id") if search.isascii() else ("recipient",)
        )
        conditions.append(f"({' OR '.join(f'{column} LIKE %s' for column in columns)})")
        escaped = search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        arguments += [f"%{escaped}%"] * len(columns)
    return (f" WHERE {' AND '.join(conditions)}" if conditions else ""), tuple(arguments)
