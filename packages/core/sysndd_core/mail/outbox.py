"""The outbox: ``mail`` rows written in the caller's transaction, announced after its commit."""

import json
import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime
from email.utils import make_msgid
from enum import StrEnum
from typing import Any

from structlog.contextvars import get_contextvars

from sysndd_core.accounts import AccountKey, Realm
from sysndd_core.db.database import Database, Transaction
from sysndd_core.jobs.leases import Claim, ClaimedRow, LeasedTable, QueueDepth
from sysndd_core.jobs.models import Queue
from sysndd_core.jobs.wake_up import WakeUp

_MAIL_ATTEMPTS = 200
"""Emails normally end by expiry. This limit ends an email that crashes its mailer each time."""


class MailState(StrEnum):
    """Delivery status of an email. The last three are final; ``held`` requires an operator."""

    QUEUED = "queued"
    RUNNING = "running"
    HELD = "held"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class OnUnknownOutcome(StrEnum):
    """What to do when the content was sent but not confirmed (RFC 5321, section 4.5.3.2.6)."""

    RESEND = "resend"
    HOLD = "hold"


@dataclass(frozen=True)
class NewMail:
    """An email to be sent.

    Attributes:
        purpose: Purpose of the email, such as ``test``.
        recipient: Exactly one address.
        template: Folder in the mailer's ``templates/``.
        context: Typed fields of the template as JSON values; never a valid token.
        expires_after: Seconds after which the email is cancelled, because its link has expired.
        on_unknown_outcome: What to do when delivery is unknown. Security emails are resent with
            the same Message-ID, because a duplicate is better than no email. Others are put on
            hold.
    """

    purpose: str
    recipient: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)
    expires_after: int = 48 * 3600
    on_unknown_outcome: OnUnknownOutcome = OnUnknownOutcome.RESEND


@dataclass(frozen=True)
class OutboxDepth(QueueDepth):
    """Counts of the outbox.

    Attributes:
        held: Emails on hold; an operator decides whether to resend them.
        failed: Emails that the server rejected permanently.
    """

    held: int
    failed: int


@dataclass(frozen=True, kw_only=True)
class ClaimedMail(ClaimedRow):
    """An email to deliver.

    Attributes:
        purpose, recipient, template: As in ``NewMail``.
        context: JSON document of the template's context.
        message_id: Message-ID; the same when the email is resent.
        on_unknown_outcome: As in ``NewMail``.
        max_attempts: Attempts after which the email fails.
        created_at: UTC, without time zone.
    """

    purpose: str
    recipient: str
    template: str
    context: str
    message_id: str
    on_unknown_outcome: str
    max_attempts: int
    created_at: datetime


MailClaim = Claim[ClaimedMail]


class MailRows(LeasedTable[ClaimedMail]):
    """The outbox (table ``mail``) for code that writes emails; the mailer sends them."""

    queue = Queue.MAIL
    claimed_row = ClaimedMail

    def __init__(self, database: Database, wake_up: WakeUp, *, domain: str) -> None:
        super().__init__(database, table="mail", exhausted=MailState.FAILED)
        self._wake_up = wake_up
        self._domain = domain

    def _due(self) -> tuple[str, tuple[Any, ...]]:
        return "(expires_at IS NULL OR expires_at > UTC_TIMESTAMP(6))", ()

    async def enqueue(
        self, tx: Transaction, mail: NewMail, *, requested_by: AccountKey | None
    ) -> str:
        """Write the row of an email; the mailer is woken after the transaction commits.

        The Message-ID is set here, so that it stays the same when an email whose delivery is
        unknown is resent. The recipient's server can then discard the duplicate.

        Args:
            tx: Transaction of the caller.
            mail: The email.
            requested_by: The account, or None for the system.

        Returns:
            The ID of the email.
        """
        mail_id = str(uuid.uuid4())
        await tx.execute(
            f"INSERT INTO {self.table} (id, purpose, recipient, template, context, message_id,"
            " max_attempts, run_after, expires_at, on_unknown_outcome, requested_realm,"
            " requested_by, request_id, created_at) VALUES (%s, %s, %s, %s, %s, %s, %s,"
            " UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) + INTERVAL %s SECOND, %s, %s, %s, %s,"
            " UTC_TIMESTAMP(6))",
            (
                mail_id,
                mail.purpose,
                mail.recipient,
                mail.template,
                json.dumps(mail.context),
                make_msgid(domain=self._domain),
                _MAIL_ATTEMPTS,
                mail.expires_after,
                mail.on_unknown_outcome.value,
                requested_by.realm if requested_by else Realm.OPERATOR,
                requested_by.id if requested_by else None,
                get_contextvars().get("request_id"),
            ),
        )
        tx.after_commit(lambda: self.announce(mail_id))
        return mail_id

    async def announce(self, mail_id: str) -> None:
        """Wake the mailers. Never raises."""
        await self._wake_up.announce(Queue.MAIL, mail_id)

    async def depth(self) -> OutboxDepth:
        """Count the emails that are queued, running, on hold or failed."""
        queue = await super().depth()
        ended = await self.database.fetch_one(
            "SELECT COALESCE(SUM(state = 'held'), 0) AS held,"
            f" COALESCE(SUM(state = 'failed'), 0) AS failed FROM {self.table}"
            " WHERE state IN ('held', 'failed')"
        )
        assert ended is not None
        return OutboxDepth(**asdict(queue), held=int(ended["held"]), failed=int(ended["failed"]))
