"""From an outbox row to a message. Pure: no clock, no network, no database.

A mail is a folder ``templates/<mail>/`` with ``subject.txt``, ``body.txt`` and ``body.html`` and one
typed context. A row whose context does not fit can't be rendered and is dead at once.
"""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any

import jinja2
from pydantic import BaseModel, ConfigDict, ValidationError

from sysndd_core.errors import SysnddError


class MailNotComposable(SysnddError):
    """The row names an unknown template, its context does not fit, or an address is impossible."""

    code = "mail_not_composable"
    title = "The mail can't be composed"


class Context(BaseModel):
    """Base of the contexts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TestMail(Context):
    """``templates/test``."""

    requested_at: str


CONTEXTS: dict[str, type[Context]] = {"test": TestMail}
"""The context of each template; the only list of them."""


class Composer:
    """Renders outbox rows.

    Args:
        mail_from: sender, as ``Name <address>`` or a bare address.
        public_url: what links start with; never taken from a request.
    """

    def __init__(self, *, mail_from: str, public_url: str) -> None:
        self._from = _address(mail_from)
        self._public_url = public_url
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("sysndd_mailer"),
            undefined=jinja2.StrictUndefined,
            # Only body.html is HTML; escaping a subject would send &amp; to people.
            autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False),
            keep_trailing_newline=True,
        )

    def compose(
        self,
        *,
        template: str,
        context: dict[str, Any],
        recipient: str,
        message_id: str,
        date: datetime,
    ) -> EmailMessage:
        """Render one mail with a text and an HTML part (RFC 2046, section 5.1.4).

        Args:
            template: a key of ``CONTEXTS``.
            context: JSON values for it.
            recipient: exactly one address.
            message_id: fixed when the row was written; a resend repeats it.
            date: when the row was written, with its time zone.

        Raises:
            MailNotComposable: it never will be; do not try again.
        """
        model = CONTEXTS.get(template)
        if model is None:
            raise MailNotComposable(f"There is no mail template {template!r}.")
        try:
            values = model.model_validate(context).model_dump()
        except ValidationError as error:
            raise MailNotComposable(
                f"The context of {template!r} does not fit: {error.error_count()} problem(s)."
            ) from error
        message = EmailMessage()
        try:
            message["From"] = self._from
            message["To"] = _address(recipient)
            message["Subject"] = self._render(template, "subject.txt", values).strip()
            message["Date"] = format_datetime(date)
            message["Message-ID"] = message_id
            # Keeps out-of-office answers away (RFC 3834, section 5).
            message["Auto-Submitted"] = "auto-generated"
            message.set_content(self._render(template, "body.txt", values))
            message.add_alternative(self._render(template, "body.html", values), subtype="html")
        except (ValueError, jinja2.TemplateError) as error:
            raise MailNotComposable(f"{template!r} can't be rendered: {error}") from error
        return message

    def _render(self, template: str, part: str, values: dict[str, Any]) -> str:
        source = self._templates.get_template(f"{template}/{part}")
        return source.render(public_url=self._public_url, **values)


def _address(text: str) -> Address:
    name, address = parseaddr(text)
    if not address or any(character in text for character in "\r\n"):
        raise MailNotComposable("The address can't be used in a header.")
    try:
        return Address(display_name=name, addr_spec=address)
    except (ValueError, IndexError) as error:
        raise MailNotComposable("The address is not one that RFC 5322 allows.") from error
