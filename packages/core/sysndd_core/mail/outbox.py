"""The outbox: ``mail`` rows written in the caller's transaction, announced after its commit."""

import json
import uuid
from dataclasses import dataclass, field
from email.utils import make_msgid
from enum import StrEnum
from typing import Any

from structlog.contextvars import get_contextvars

from sysndd_core.db.database import Database, Row, Transaction
from sysndd_core.jobs.leases import LeasedTable
from sysndd_core.jobs.models import Queue
from sysndd_core.jobs.rows import JOB_ID
from sysndd_core.jobs.wake_up import WakeUp

_MAIL_ATTEMPTS = 200
"""Its expiry ends a mail; this only ends one that takes its mailer down each time."""


class MailState(StrEnum):
    """A mail's life; the last three are final, and ``held`` waits for a person."""

    QUEUED = "queued"
    RUNNING = "running"
    HELD = "held"
    SENT = "sent"
    DEAD = "dead"
    CANCELLED = "cancelled"


class OnUnknownOutcome(StrEnum):
    """What to do when the content was sent and no answer came (RFC 5321, section 4.5.3.2.6)."""

    RESEND = "resend"
    HOLD = "hold"


@dataclass(frozen=True)
class NewMail:
    """A mail to be sent.

    Attributes:
        purpose: why it is sent, such as ``test``.
        recipient: exactly one address.
        template: folder below the mailer's ``templates/``.
        context: the template's typed fields as JSON values; never a live token.
        expires_after: seconds after which it is cancelled, because its link is dead by then.
        on_doubt: security mails are sent again under the same Message-ID: twice is better than
            never. Others wait for a person.
    """

    purpose: str
    recipient: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)
    expires_after: int = 48 * 3600
    on_doubt: OnUnknownOutcome = OnUnknownOutcome.RESEND


class MailRows(LeasedTable):
    """The ``mail`` table: the outbox, as those see it who put mails in. Sending is the mailer's."""

    queue = Queue.MAIL

    def __init__(self, database: Database, wake_up: WakeUp, *, domain: str) -> None:
        super().__init__(database, table="mail", exhausted=MailState.DEAD)
        self._wake_up = wake_up
        self._domain = domain

    def _due(self) -> tuple[str, tuple[Any, ...]]:
        return "(expires_at IS NULL OR expires_at > UTC_TIMESTAMP(6))", ()

    async def enqueue(self, tx: Transaction, mail: NewMail, *, requested_by: int | None) -> str:
        """Write a mail's row; the mailer is woken once the transaction has committed.

        The Message-ID is fixed here: after a broken DATA nobody can know whether the server took
        the mail, and a resend that repeats the id lets the receiver drop the second copy.

        Args and returns: as ``JobRows.submit``.
        """
        mail_id = str(uuid.uuid4())
        await tx.execute(
            f"INSERT INTO {self.table} (id, purpose, recipient, template, context, message_id,"
            " max_attempts, run_after, expires_at, on_doubt, requested_by, request_id, created_at)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6),"
            " UTC_TIMESTAMP(6) + INTERVAL %s SECOND, %s, %s, %s, UTC_TIMESTAMP(6))",
            (mail_id, mail.purpose, mail.recipient, mail.template, json.dumps(mail.context),
             make_msgid(domain=self._domain), _MAIL_ATTEMPTS, mail.expires_after,
             mail.on_doubt.value, requested_by, get_contextvars().get("request_id")),
        )  # fmt: skip
        tx.after_commit(lambda: self.announce(mail_id))
        return mail_id

    async def announce(self, mail_id: str) -> None:
        """Wake the mailers; never raises."""
        await self._wake_up.announce(Queue.MAIL, mail_id)

    async def get(self, mail_id: str) -> Row | None:
        """Read one row, or None."""
        if JOB_ID.fullmatch(mail_id) is None:
            return None
        return await self.database.fetch_one(
            f"SELECT * FROM {self.table} WHERE id = %s", (mail_id,)
        )

    async def depth(self) -> Row:
        """Count as ``LeasedTable.depth``, and ``held`` and ``dead``."""
        row = await super().depth()
        more = await self.database.fetch_one(
            "SELECT COALESCE(SUM(state = 'held'), 0) AS held,"
            f" COALESCE(SUM(state = 'dead'), 0) AS dead FROM {self.table}"
            " WHERE state IN ('held', 'dead')"
        )
        assert more is not None
        return row | {"held": int(more["held"]), "dead": int(more["dead"])}
