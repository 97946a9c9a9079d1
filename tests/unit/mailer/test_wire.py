"""The octets of a mail, read back with the standard library."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysndd_mailer.compose import Composer, MailNotComposable, Rendered
from sysndd_mailer.wire import Message, content

DATE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
# A line's end may be any of the three; what is not text can't be in a rendered template.
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=400)


def read(octets: bytes) -> EmailMessage:
    message = message_from_bytes(octets, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def parts_of(message: EmailMessage) -> tuple[str, str]:
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    return unix(plain.get_content()), unix(html.get_content())


def unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


@pytest.mark.parametrize("name", ["SysNDD", "Größe, Ämter & Co", ""])
def test_headers_and_parts(name: str) -> None:
    composer = Composer(
        mail_from=f'"{name}" <noreply@sysndd.example>' if name else "noreply@sysndd.example",
        public_url="http://x",
    )
    subject = "Bestätigen Sie bitte Ihre Registrierung " * 4
    rendered = Rendered(subject.strip(), "Grüße,\n.\n..\nFrom me\n-- \nend", "<p>é</p>\n")
    built = composer.message(
        rendered, recipient="person@sysndd.example", message_id="<a@b>", date=DATE
    )
    message = read(built.content)
    (sender,) = message["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, "noreply@sysndd.example")
    assert (built.sender, built.recipient) == ("noreply@sysndd.example", "person@sysndd.example")
    assert message["To"] == "person@sysndd.example"
    assert message["Subject"] == rendered.subject
    assert message["Message-ID"] == "<a@b>"
    assert message["Date"].datetime == DATE
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content_type() == "multipart/alternative"
    text, html = parts_of(message)
    assert (text, html) == (unix(rendered.text), unix(rendered.html))


@given(subject=LINES, text=LINES, html=LINES)
def test_any_text_comes_back(subject: str, text: str, html: str) -> None:
    octets = content({"From": "a@b.example", "To": "c@d.example"}, subject=subject, text=text,
                     html=html)  # fmt: skip
    octets.decode("ascii")
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert max(len(line) for line in octets.split(b"\r\n")) <= 78
    message = read(octets)
    assert [name for name, _ in message.items()] == [
        "From", "To", "Subject", "MIME-Version", "Content-Type",
    ]  # fmt: skip
    shown = "".join(character for character in subject if character.isprintable())
    assert " ".join(str(message["Subject"]).split()) == " ".join(shown.split())
    for part, given_text in zip(parts_of(message), (text, html), strict=True):
        assert part == unix(given_text)


@pytest.mark.parametrize(
    "recipient", ["a@b\r\nBcc: c@d", "no address", "ü@x.example", "a@b, c@d\n", ""]
)
def test_addresses_that_can_not_be_used(recipient: str) -> None:
    composer = Composer(mail_from="a@b.example", public_url="http://x")
    with pytest.raises(MailNotComposable):
        composer.message(
            Rendered("s", "t", "h"), recipient=recipient, message_id="<a@b>", date=DATE
        )


@pytest.mark.parametrize("octets", [b"a\r\n.\nb\r\n", b"a\r.\rb\r\n", b"a\n\r\n", b"no end", b""])
def test_every_line_ends_alike(octets: bytes) -> None:
    """Else a server may see the end of the content where we see none (SMTP smuggling)."""
    with pytest.raises(ValueError, match="CRLF"):
        Message(sender="a@b.example", recipient="c@d.example", content=octets)
