"""The templates of all emails: complete, and the same content in text and HTML."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from html.parser import HTMLParser
from typing import Any

import pytest

from sysndd_core.settings.site import SiteSettings
from sysndd_core.settings.smtp import SmtpSettings
from sysndd_mailer.compose import CONTEXTS, Composer, Context, LinkMail, Rendered

PUBLIC_URL = "https://sysndd.example"
PLAIN = SiteSettings(public_url=PUBLIC_URL)
VALUES: dict[str, Any] = {
    "requested_at": "2026-01-02 03:04:05",
    "user_name": "marie",
    "granted_by": "pierre",
    "invited_by": "pierre",
    "role": "maintainer",
    "token_id": "1",
    "new_email": "marie@institute.example",
    "valid_for": "48 hours",
}
CASES = [
    *((template, {}) for template in CONTEXTS),
    ("confirm", {"again": True}),
]


class Paragraphs(HTMLParser):
    """Collects the text of each paragraph."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "p":
            self._inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "p":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data


def rendered(
    template: str, changes: dict[str, Any], *, site: SiteSettings = PLAIN
) -> tuple[Context, Rendered]:
    model = CONTEXTS[template]
    values = {name: VALUES[name] for name in model.model_fields if name in VALUES}
    context = model(**values | changes)
    composer = Composer(mail_from="noreply@sysndd.example", site=site)
    return context, composer.render(template, context, "the-token")


@pytest.mark.parametrize(("template", "changes"), CASES)
def test_text_and_html_have_the_same_content(template: str, changes: dict[str, Any]) -> None:
    context, mail = rendered(template, changes)
    parser = Paragraphs()
    parser.feed(mail.html)
    link = f"{PUBLIC_URL}{context.page}?token=the-token" if isinstance(context, LinkMail) else None
    if link is not None:
        assert f'<a href="{link}">' in mail.html
    # Only HTML has the text of the button, and the words before the copy of the link.
    button = re.search(r'<a href="[^"]+token=[^"]+">([^<]+)</a>', mail.html)
    in_html = [text.removeprefix("Or copy this link: ") for text in parser.found]
    if button is not None:
        in_html.remove(button[1])
    in_text = [part.strip() for part in mail.text.removesuffix("\n").split("\n\n")]
    assert [part.removeprefix("-- \n") for part in in_text] == in_html
    assert (link in in_text) == (link is not None)


@pytest.mark.parametrize(("template", "changes"), CASES)
def test_no_blank_lines_where_a_block_is_absent(template: str, changes: dict[str, Any]) -> None:
    _, mail = rendered(template, changes)
    assert "\n\n\n" not in mail.text
    assert f"<title>{mail.subject}</title>" in mail.html
    assert mail.text.endswith(" Please do not reply.\n")


def test_repeated_registration_is_explained() -> None:
    assert "more than once" in rendered("confirm", {"again": True})[1].text
    assert "more than once" not in rendered("confirm", {})[1].text


@pytest.mark.parametrize(("template", "changes"), CASES)
def test_every_email_is_that_of_the_site(template: str, changes: dict[str, Any]) -> None:
    name = 'Köln "Lab" <DB> & Söhne'
    site = SiteSettings(
        public_url="https://platform.example",
        name=name,
        own_url="https://genes.example/?a=1&b=2",
        support_email="help@genes.example",
        imprint_url="https://genes.example/imprint",
        privacy_url="https://genes.example/privacy",
    )
    _, mail = rendered(template, changes, site=site)
    assert name in mail.subject
    parser = Paragraphs()
    parser.feed(mail.html)
    for text in (mail.text, "\n".join(parser.found)):
        assert f"{name}, https://genes.example/?a=1&b=2. This is an automated" in text
        assert "contact help@genes.example" in text
        assert "Imprint: https://genes.example/imprint" in text
        assert "Privacy policy: https://genes.example/privacy" in text
    for text in (mail.subject, mail.text, mail.html):
        assert "sysndd" not in text.lower()
        assert "&amp;amp;" not in text
    assert "<DB>" not in mail.html
    assert '<a href="mailto:help@genes.example">' in mail.html
    assert "\n\n\n" not in mail.text
    assert mail.text.endswith("privacy\n")
    # Parsed again, nothing of the email is lost.
    message = Composer(mail_from=SmtpSettings().sender(name), site=site).message(
        mail, recipient="person@sysndd.example", message_id="<a@b>", date=datetime.now(UTC)
    )
    parsed = message_from_bytes(message.content, policy=policy.default)
    assert parsed["Subject"] == mail.subject
    (sender,) = parsed["From"].addresses
    assert (sender.display_name, sender.domain) == (name, "localhost.localdomain")
