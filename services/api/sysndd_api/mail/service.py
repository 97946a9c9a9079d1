"""Putting mails into the outbox and seeing what became of them."""

from datetime import UTC, datetime

from sysndd_core.database import Database, Row
from sysndd_core.outbox import MailRows, NewMail


class Mails:
    """What the API and the command line do with mails."""

    def __init__(self, database: Database, rows: MailRows) -> None:
        self._database = database
        self._rows = rows

    async def queue_test(self, recipient: str, *, requested_by: int | None) -> str:
        """Queue the test mail; return its id."""
        mail = NewMail(
            purpose="test",
            recipient=recipient,
            template="test",
            context={"requested_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"},
        )
        async with self._database.transaction() as tx:
            return await self._rows.enqueue(tx, mail, requested_by=requested_by)

    async def get(self, mail_id: str) -> Row | None:
        """Read one mail's row, or None."""
        return await self._rows.get(mail_id)
