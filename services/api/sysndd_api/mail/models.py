"""Response bodies of the outbox. They contain no valid link: stored text is already masked."""

import json
from datetime import datetime

from pydantic import BaseModel, Field

from sysndd_api.web.models import PageQuery
from sysndd_core.accounts import Realm
from sysndd_core.db.database import Row, utc
from sysndd_core.mail.outbox import MailState


class MailQuery(PageQuery):
    """Filters of the email list; ``search`` matches recipient, purpose, Message-ID and ID."""

    state: MailState | None = None
    search: str | None = Field(None, min_length=1, max_length=254)


class MailPreview(BaseModel):
    """The rendered text of an email; links contain ``•••`` instead of their token."""

    subject: str
    text: str
    html: str


class MailView(BaseModel):
    """One email.

    Attributes:
        attempt: Number of claims by a mailer; not every claim counts against the limit.
        next_attempt_at: None unless the email is queued.
        phase: ``data`` while the server may have the content but has not confirmed it.
        last_code: Reply code of the mail server, if there was one.
        last_reply: Last reply of the mail server, or why there was none.
        on_unknown_outcome: What follows if the reply to DATA is lost: ``resend`` or ``hold``.
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
    requested_realm: Realm
    requested_by: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> "MailView":
        """Build it from the columns of ``mail``."""
        return cls.model_validate(_columns(row))


class MailDetail(MailView):
    """One email with its rendered text.

    Attributes:
        preview: None until a mailer has rendered it, within seconds.
        undeliverable_since: When a mail server rejected the recipient's address permanently.
    """

    preview: MailPreview | None
    undeliverable_since: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> "MailDetail":
        """Build it from the columns of ``mail`` and ``undeliverable_since``."""
        texts = {
            "preview": json.loads(row["preview"]) if row["preview"] else None,
            "undeliverable_since": utc(row["undeliverable_since"]),
        }
        return cls.model_validate(_columns(row) | texts)


class MailQueued(BaseModel):
    """Response to a request that queued an email; poll ``status_url``."""

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
