"""From an outbox row to a message. Pure: no clock, no network, no database.

A mail is a folder ``templates/<mail>/`` with ``subject.txt``, ``body.txt`` and ``body.html`` and one
typed context. A row whose context does not fit can't be rendered and is dead at once.
"""

import quopri
import re
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from functools import lru_cache
from typing import ClassVar

import jinja2
from pydantic import BaseModel, ConfigDict, ValidationError

from sysndd_core.errors import SysnddError
from sysndd_core.mail.link_tokens import TokenPurpose

MASK = "•••"
"""Stands for a token wherever a person may look at a mail that is not theirs."""


class MailRenderFailed(SysnddError):
    """The row names an unknown template, its context does not fit, or an address is impossible."""

    code = "mail_render_failed"
    title = "Email cannot be rendered"


class Context(BaseModel):
    """Base of the contexts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TestMail(Context):
    """``templates/test``."""

    requested_at: str


class Notice(Context):
    """Something happened to an account."""

    user_name: str


class NewAdministrator(Notice):
    """``templates/new_administrator``: ``user_name`` may administer from now on."""

    granted_by: str


class LinkMail(Notice):
    """A mail with a link that must not be at rest anywhere: only its token's id is in the row."""

    token_purpose: ClassVar[TokenPurpose]
    page: ClassVar[str]

    token_id: str


class ConfirmMail(LinkMail):
    """``templates/confirm``; ``again``: registered more than once, with different passwords."""

    token_purpose = TokenPurpose.CONFIRM
    page = "/account/confirm"

    again: bool = False
    valid_for: str = "48 hours"


class ResetMail(LinkMail):
    """``templates/reset``."""

    token_purpose = TokenPurpose.RESET
    page = "/account/reset"

    valid_for: str = "60 minutes"


class EmailOldMail(LinkMail):
    """``templates/email_old``: the present address agrees to the change to ``new_email``."""

    token_purpose = TokenPurpose.EMAIL_OLD
    page = "/account/email"

    new_email: str
    valid_for: str


class EmailNewMail(LinkMail):
    """``templates/email_new``: the new address shows that it is there."""

    token_purpose = TokenPurpose.EMAIL_NEW
    page = "/account/email"

    valid_for: str


class EmailChanged(Notice):
    """``templates/email_changed``, to the address that was left."""

    new_email: str


CONTEXTS: dict[str, type[Context]] = {
    "test": TestMail,
    "confirm": ConfirmMail,
    "reset": ResetMail,
    "email_old": EmailOldMail,
    "email_new": EmailNewMail,
    "email_changed": EmailChanged,
    "registered_again": Notice,
    "name_taken": Notice,
    "approved": Notice,
    "password_changed": Notice,
    "new_administrator": NewAdministrator,
}
"""The context of each template; the only list of them."""


@dataclass(frozen=True)
class Rendered:
    """A mail's texts."""

    subject: str
    text: str
    html: str

    def masked(self, token: str | None) -> "Rendered":
        """Return the same without the token."""
        if token is None:
            return self
        parts = (self.subject, self.text, self.html)
        return Rendered(*(part.replace(token, MASK) for part in parts))

    def document(self) -> dict[str, str]:
        """Return it as members of a JSON document."""
        return {"subject": self.subject, "text": self.text, "html": self.html}


@dataclass(frozen=True)
class Message:
    """What goes over the wire.

    Attributes:
        sender, recipient: addresses for MAIL FROM and RCPT TO.
        content: header and body, in seven bits, with CRLF; not yet dot-stuffed.
    """

    sender: str
    recipient: str
    content: bytes


# Parsing headers is most of what building a message costs, and most are the same in many messages.
_header = lru_cache(maxsize=256)(policy.SMTP.header_factory)


class Composer:
    """Renders outbox rows.

    Args:
        mail_from: sender, as ``Name <address>`` or a bare address.
        public_url: what links start with; never taken from a request.
    """

    def __init__(self, *, mail_from: str, public_url: str) -> None:
        sender = _address(mail_from)
        self._sender = sender.addr_spec
        self._from = _header("From", str(sender))
        self._public_url = public_url
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("sysndd_mailer"),
            undefined=jinja2.StrictUndefined,
            # Only body.html is HTML; escaping a subject would send &amp; to people.
            autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False),
            keep_trailing_newline=True,
            auto_reload=False,
        )

    def context(self, template: str, document: str) -> Context:
        """Read a row's context.

        Args:
            template: a key of ``CONTEXTS``.
            document: a JSON object with the values for it.

        Raises:
            MailRenderFailed: it never will be; do not try again.
        """
        model = CONTEXTS.get(template)
        if model is None:
            raise MailRenderFailed(f"There is no mail template {template!r}.")
        try:
            return model.model_validate_json(document)
        except ValidationError as error:
            raise MailRenderFailed(
                f"The context of {template!r} does not fit: {error.error_count()} problem(s)."
            ) from error

    def render(self, template: str, context: Context, token: str | None) -> Rendered:
        """Fill in a mail's templates.

        Args:
            token: for the link of a ``LinkMail``.

        Raises:
            MailRenderFailed: a template is broken.
        """
        values = dict(context, public_url=self._public_url)
        if isinstance(context, LinkMail):
            values["link"] = f"{self._public_url}{context.page}?token={token}"
        try:
            subject, text, html = (
                self._templates.get_template(f"{template}/{name}").render(values)
                for name in ("subject.txt", "body.txt", "body.html")
            )
        except jinja2.TemplateError as error:
            raise MailRenderFailed(f"{template!r} can't be rendered: {error}") from error
        return Rendered(" ".join(subject.split()), text, html)

    def message(
        self, rendered: Rendered, *, recipient: str, message_id: str, date: datetime
    ) -> Message:
        """Build the message, with a text and an HTML part.

        Args:
            recipient: exactly one address.
            message_id: fixed when the row was written; a resend repeats it.
            date: when the row was written, with its time zone.

        Raises:
            MailRenderFailed: the address can't be used.
        """
        to = _address(recipient)
        try:
            content = self._build(rendered, to, message_id, date).as_bytes()
        except (ValueError, MessageError) as error:
            raise MailRenderFailed("The message can't be built from these values.") from error
        return Message(self._sender, to.addr_spec, content)

    def _build(
        self, rendered: Rendered, to: Address, message_id: str, date: datetime
    ) -> EmailMessage:
        message = EmailMessage(policy=policy.SMTP)
        message["From"] = self._from
        message["To"] = to
        # Without control characters, which a parsed header is no longer checked for.
        subject = "".join(filter(str.isprintable, rendered.subject))
        message["Subject"] = _header("Subject", subject)
        message["Date"] = _header("Date", date.replace(microsecond=0))
        message["Message-ID"] = message_id
        # Keeps out-of-office answers away (RFC 3834, section 5).
        message["Auto-Submitted"] = _header("Auto-Submitted", "auto-generated")
        message["MIME-Version"] = _header("MIME-Version", "1.0")
        # Quoted-printable has a hexadecimal digit after each "=": no part can contain this boundary.
        message["Content-Type"] = _header(
            "Content-Type", 'multipart/alternative; boundary="=_alternative"'
        )
        message.attach(_part("plain", rendered.text))
        message.attach(_part("html", rendered.html))
        return message


def _part(subtype: str, body: str) -> EmailMessage:
    part = EmailMessage(policy=policy.SMTP)
    part["Content-Type"] = _header("Content-Type", f'text/{subtype}; charset="utf-8"')
    part["Content-Transfer-Encoding"] = _header("Content-Transfer-Encoding", "quoted-printable")
    part.set_payload(quopri.encodestring(body.encode("utf-8")).decode("ascii"))
    return part


_NOT_IN_ADDRESS = re.compile(r"[\x00-\x20\x7f<>]")
"""Would end an SMTP command early, or begin another."""


def _address(text: str) -> Address:
    name, address = parseaddr(text)
    if not address or any(character in text for character in "\r\n"):
        raise MailRenderFailed("The address can't be used in a header.")
    if not address.isascii():
        raise MailRenderFailed("The address has letters that need SMTPUTF8 (RFC 6531).")
    if "@" not in address or _NOT_IN_ADDRESS.search(address):
        raise MailRenderFailed("The address can't be used in an SMTP command.")
    try:
        return Address(display_name=name, addr_spec=address)
    except (ValueError, IndexError, MessageError) as error:
        raise MailRenderFailed("The address is not one that RFC 5322 allows.") from error
