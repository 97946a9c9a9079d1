"""Renders an outbox row as a message, without access to clock, network or database.

Each kind of email is a folder ``templates/<name>/`` with ``subject.txt``, ``body.txt`` and
``body.html``, and one typed context. A row with an invalid context fails immediately.
"""

import quopri
import re
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.header import Header, decode_header, make_header
from email.headerregistry import Address, BaseHeader
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import Any, ClassVar

import jinja2
from pydantic import BaseModel, ConfigDict, ValidationError

from sysndd_core.errors import SysnddError
from sysndd_core.mail.link_tokens import TokenPurpose
from sysndd_core.settings.site import SiteSettings

MASK = "•••"
"""Replaces a token in the previews that administrators see."""


class MailRenderFailed(SysnddError):
    """The template is unknown, the context is invalid, or an address cannot be used."""

    code = "mail_render_failed"
    title = "Email cannot be rendered"


class Context(BaseModel):
    """Base of the contexts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TestMail(Context):
    """``templates/test``."""

    requested_at: str


class Notice(Context):
    """An email about an event of an account."""

    user_name: str


class NewAdministrator(Notice):
    """``templates/new_administrator``: ``user_name`` became an administrator."""

    granted_by: str


class LinkMail(Notice):
    """An email with a link that is stored nowhere: the row has only the ID of its token."""

    token_purpose: ClassVar[TokenPurpose]
    page: ClassVar[str]

    token_id: str


class ConfirmMail(LinkMail):
    """``templates/confirm``; ``again``: registered several times, with different passwords."""

    token_purpose = TokenPurpose.CONFIRM
    page = "/account/confirm"

    again: bool = False
    valid_for: str = "48 hours"


class ResetMail(LinkMail):
    """``templates/reset``."""

    token_purpose = TokenPurpose.RESET
    page = "/account/reset"

    valid_for: str = "60 minutes"


class InvitationMail(LinkMail):
    """``templates/invitation``: ``invited_by`` made ``user_name`` an operator."""

    token_purpose = TokenPurpose.INVITATION
    page = "/account/reset"

    invited_by: str
    role: str
    valid_for: str = "72 hours"


class EmailOldMail(LinkMail):
    """``templates/email_old``: asks the current address to approve the change to ``new_email``."""

    token_purpose = TokenPurpose.EMAIL_OLD
    page = "/account/email"

    new_email: str
    valid_for: str


class EmailNewMail(LinkMail):
    """``templates/email_new``: asks the new address to confirm that it receives email."""

    token_purpose = TokenPurpose.EMAIL_NEW
    page = "/account/email"

    valid_for: str


class EmailChanged(Notice):
    """``templates/email_changed``, sent to the previous address."""

    new_email: str


CONTEXTS: dict[str, type[Context]] = {
    "test": TestMail,
    "confirm": ConfirmMail,
    "reset": ResetMail,
    "invitation": InvitationMail,
    "email_old": EmailOldMail,
    "email_new": EmailNewMail,
    "email_changed": EmailChanged,
    "registered_again": Notice,
    "name_taken": Notice,
    "approved": Notice,
    "password_changed": Notice,
    "new_administrator": NewAdministrator,
}
"""The context of each template. This is the only list of templates."""


@dataclass(frozen=True)
class Rendered:
    """The rendered texts of an email."""

    subject: str
    text: str
    html: str

    def masked(self, token: str | None) -> "Rendered":
        """Return the texts with ``MASK`` in place of the token."""
        if token is None:
            return self
        parts = (self.subject, self.text, self.html)
        return Rendered(*(part.replace(token, MASK) for part in parts))

    def document(self) -> dict[str, str]:
        """Return the texts as the members of a JSON object."""
        return {"subject": self.subject, "text": self.text, "html": self.html}


@dataclass(frozen=True)
class Message:
    """A message for SMTP.

    Attributes:
        sender, recipient: Addresses for MAIL FROM and RCPT TO.
        content: Header and body, 7-bit with CRLF line ends; not dot-stuffed.
    """

    sender: str
    recipient: str
    content: bytes


class _FoldedHeader(str):
    """A header that is written as it is (the protocol of ``EmailPolicy.fold``).

    The standard library (seen with Python 3.11) folds some display names wrongly: a space between
    an encoded word and the rest is lost, or the address becomes a part of the name.
    """

    name = "From"

    @classmethod
    def sender(cls, sender: Address) -> "_FoldedHeader":
        """Encode a sender (RFC 5322, section 3.4; RFC 2047, section 5, rule 3).

        Raises:
            MailRenderFailed: The display name has an invalid encoded word.
        """
        try:
            name = str(make_header(decode_header(sender.display_name)))
        except (ValueError, LookupError, MessageError) as error:
            raise MailRenderFailed("The name of the sender is not valid (RFC 2047).") from error
        phrase = str(Address(name, sender.username, sender.domain)).rpartition("<")[0].strip()
        if not name.isascii() or len(phrase) > _MAX_PHRASE:
            encoded = Header(name, "utf-8", header_name=cls.name, maxlinelen=_MAX_LINE - 2)
            phrase = encoded.encode(linesep="\r\n")
        if not name:
            return cls(sender.addr_spec)
        line = f"{cls.name}: {phrase} <{sender.addr_spec}>"
        fits = "\r\n" not in phrase and len(line) <= _MAX_LINE
        return cls(f"{phrase}{' ' if fits else _CONTINUATION}<{sender.addr_spec}>")

    def fold(self, *, policy: EmailPolicy) -> str:
        """Return the complete header."""
        return f"{self.name}: {self}{policy.linesep}"


_CONTINUATION = "\r\n "
_MAX_LINE = 78
"""Characters of a line without its end (RFC 5322, section 2.1.1)."""
_MAX_PHRASE = _MAX_LINE - len("From: ")

# The generator asks for the same few headers of each message.
_parsed = lru_cache(maxsize=64)(SMTP.header_factory)


class _Policy(EmailPolicy):
    """``email.policy.SMTP``, without parsing headers that need neither encoding nor folding.

    The standard policy parses each header when it is set, and folds it from what it parsed. That
    takes most of the time of building a message.
    """

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        """Return a header as the message stores it."""
        if isinstance(value, str) and self._is_plain(name, value):
            return name, value
        return super().header_store_parse(name, value)

    def _is_plain(self, name: str, value: str) -> bool:
        """Return whether a header is sent as it is, on one line.

        A line break or another control character is not printable, and ``=?`` starts an encoded
        word (RFC 2047).
        """
        longest = (self.max_line_length or 0) - len(f"{name}: ")
        fits = 0 < len(value) <= longest
        return fits and value.isascii() and value.isprintable() and "=?" not in value

    def header_fetch_parse(self, name: str, value: str) -> Any:
        """Return a stored header for a reader, such as the generator."""
        return value if isinstance(value, BaseHeader) else _parsed(name, value)

    def header_max_count(self, name: str) -> int | None:
        """Return None: headers are not counted, because each is set once."""
        return None


_POLICY = _Policy(linesep="\r\n")


class Composer:
    """Renders outbox rows.

    Args:
        mail_from: Sender, as ``Name <address>`` or an address alone.
        site: Name, addresses and contacts of the site; its ``public_url`` starts each link and is
            never taken from a request.

    Raises:
        MailRenderFailed: The sender's address cannot be used.
    """

    def __init__(self, *, mail_from: str, site: SiteSettings) -> None:
        sender = _address(mail_from)
        self._sender = sender.addr_spec
        self._from = _FoldedHeader.sender(sender)
        self._site = site
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("sysndd_mailer"),
            undefined=jinja2.StrictUndefined,
            # Only body.html is HTML; an escaped subject would show &amp; to the recipient.
            autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False),
            keep_trailing_newline=True,
            auto_reload=False,
        )
        # No template uses them, and each rendering would copy them.
        self._templates.globals.clear()

    def context(self, template: str, document: str) -> Context:
        """Return the context of a row.

        Args:
            template: Key of ``CONTEXTS``.
            document: JSON object with the values of the context.

        Raises:
            MailRenderFailed: The template is unknown or the context is invalid; do not retry.
        """
        model = CONTEXTS.get(template)
        if model is None:
            raise MailRenderFailed(
                f"There is no email template {template!r}. Check that the API and the mailer run"
                " the same version."
            )
        try:
            return model.model_validate_json(document)
        except ValidationError as error:
            raise MailRenderFailed(
                f"The context of the email template {template!r} has {error.error_count()} invalid"
                " or missing field(s). Check that the API and the mailer run the same version."
            ) from error

    def render(self, template: str, context: Context, token: str | None) -> Rendered:
        """Render the subject and both bodies of an email.

        Args:
            template: Key of ``CONTEXTS``.
            context: Context of the template.
            token: Token for the link of a ``LinkMail``, else None.

        Raises:
            MailRenderFailed: A template has an error.
        """
        public_url = self._site.public_url
        values = dict(context, site=self._site, public_url=public_url)
        if isinstance(context, LinkMail):
            values["link"] = f"{public_url}{context.page}?token={token}"
        try:
            subject, text, html = (
                self._templates.get_template(f"{template}/{name}").render(values)
                for name in ("subject.txt", "body.txt", "body.html")
            )
        except jinja2.TemplateError as error:
            raise MailRenderFailed(
                f"The email template {template!r} has an error: {error}"
            ) from error
        return Rendered(" ".join(subject.split()), text, html)

    def message(
        self, rendered: Rendered, *, recipient: str, message_id: str, date: datetime
    ) -> Message:
        """Build the message, with a text part and an HTML part.

        Args:
            rendered: Subject and bodies.
            recipient: Exactly one address.
            message_id: Message-ID of the row; the same when the email is resent.
            date: Creation time of the row, with time zone.

        Raises:
            MailRenderFailed: The address or the text cannot be used.
        """
        to = _address(recipient)
        try:
            content = self._build(rendered, to, message_id, date).as_bytes()
        except (ValueError, MessageError) as error:
            raise MailRenderFailed(
                "The message cannot be built: its text or its Message-ID has invalid characters."
            ) from error
        return Message(self._sender, to.addr_spec, content)

    def _build(
        self, rendered: Rendered, to: Address, message_id: str, date: datetime
    ) -> EmailMessage:
        message = EmailMessage(policy=_POLICY)
        message["From"] = self._from
        message["To"] = str(to)
        message["Subject"] = "".join(filter(str.isprintable, rendered.subject))
        message["Date"] = format_datetime(date)
        message["Message-ID"] = message_id
        # Prevents automatic replies (RFC 3834, section 5).
        message["Auto-Submitted"] = "auto-generated"
        message["MIME-Version"] = "1.0"
        # In quoted-printable, a hexadecimal digit or a line end follows each "=", so no part can
        # contain this boundary.
        message["Content-Type"] = 'multipart/alternative; boundary="=_alternative"'
        message.attach(_part("plain", rendered.text))
        message.attach(_part("html", rendered.html))
        return message


def _part(subtype: str, body: str) -> EmailMessage:
    part = EmailMessage(policy=_POLICY)
    part["Content-Type"] = f'text/{subtype}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    part.set_payload(quopri.encodestring(body.encode("utf-8")).decode("ascii"))
    return part


_NOT_IN_ADDRESS = re.compile(r"[\x00-\x20\x7f<>]")
"""Characters that could end an SMTP command early or start another one."""


_ATOM = r"[\w!#$%&'*+/=?^`{|}~-]+"
_DOT_ATOMS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_ATOM}(?:\.{_ATOM})*)", re.ASCII)
"""An address without quotes, comments and spaces (RFC 5322, sections 3.2.3 and 3.4.1)."""


def _address(text: str) -> Address:
    if plain := _DOT_ATOMS.fullmatch(text):
        # Nearly every address; the parsers take longer than all headers of the message.
        return Address(username=plain[1], domain=plain[2])
    name, address = parseaddr(text)
    if not address or any(character in text for character in "\r\n"):
        raise MailRenderFailed("The address is empty or contains a line break.")
    if not address.isascii():
        raise MailRenderFailed(
            "The address contains characters that require SMTPUTF8 (RFC 6531), which the mailer"
            " does not support."
        )
    if "@" not in address or _NOT_IN_ADDRESS.search(address):
        raise MailRenderFailed(
            "The address has no @, or contains a space, a control character, < or >."
        )
    try:
        return Address(display_name=name, addr_spec=address)
    except (ValueError, IndexError, AttributeError, MessageError) as error:
        # The parser raises AttributeError for an unclosed quote.
        raise MailRenderFailed("The address is not valid (RFC 5322).") from error
