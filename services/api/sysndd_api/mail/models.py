"""Mails as administrators see them. No live link is in them: what is stored is masked already."""

import json
from datetime import datetime

from pydantic import BaseModel, Field

from sysndd_api.web.models import PageQuery
from sysndd_core.db.database import Row, utc
from sysndd_core.mail.outbox import MailState


class MailQuery(PageQuery):
    """Which mails; ``search`` is looked for in recipient, purpose, Message-ID and id."""

    state: MailState | None = None
    search: str | None = Field(None, min_length=1, max_length=254)


class MailPreview(BaseModel):
    """A mail as it was, or would be, sent; links have ``•••`` in place of their token."""

    subject: str
    text: str
    html: str


class MailView(BaseModel):
    """One mail's row.

    Attributes:
        attempt: how often it was taken in hand; one that was not the mail's fault uses up no try.
        next_attempt_at: None unless it is queued.
        phase: ``data`` while its content may be at the server without an answer.
        last_code, last_reply: the mail server's last answer, or why there was none.
        on_unknown_outcome: what is done after DATA without an answer: ``resend`` or ``hold``.
    """

    id: str
    purpose: str
    recipient: str
    template: str
    message_id: str
    state: MailState
    attempt: int
    next_attempt_at: datetime | None
    phase: str | None
    last_code: int | None
    last_reply: str | None
    on_unknown_outcome: str
    requested_by: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> "MailView":
        """Build it from the ``mail`` table's columns."""
        return cls.model_validate(_columns(row))


class MailDetail(MailView):
    """One mail with its texts.

    Attributes:
        preview: None while no mailer has rendered it; a running one does within seconds.
        undeliverable_since: when a mail server called the recipient's address impossible.
    """

    preview: MailPreview | None
    undeliverable_since: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> "MailDetail":
        """Build it from the columns of the ``mail`` table and ``undeliverable_since``."""
        texts = {
            "preview": json.loads(row["preview"]) if row["preview"] else None,
            "undeliverable_since": utc(row["undeliverable_since"]),
        }
        return cls.model_validate(_columns(row) | texts)


class MailQueued(BaseModel):
    """Answer to a request that became a mail; see ``status_url`` for what becomes of it."""

    mail_id: str
    status_url: str


def _columns(row: Row) -> Row:
    times = ("created_at", "started_at", "finished_at", "expires_at")
    waits = row["state"] == MailState.QUEUED
    return {
        **{name: row[name] for name in MailView.model_fields if name in row},
        **{name: utc(row[name]) for name in times},
        "next_attempt_at": utc(row["run_after"]) if waits else None,
    }
