"""Built messages, parsed again with the standard library."""

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sysndd_core.settings.site import SiteSettings
from sysndd_core.settings.smtp import SmtpSettings
from sysndd_mailer.compose import Composer, MailRenderFailed, Message, Rendered

DATE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SITE = SiteSettings(public_url="https://sysndd.example")
COMPOSER = Composer(mail_from="SysNDD <noreply@sysndd.example>", site=SITE)
# With all three line ends; surrogates and NUL cannot occur in a rendered template.
LINES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=400)


def compose(
    rendered: Rendered,
    *,
    recipient: str = "person@sysndd.example",
    message_id: str = "<a@b>",
    composer: Composer = COMPOSER,
) -> Message:
    return composer.message(rendered, recipient=recipient, message_id=message_id, date=DATE)


def parse(octets: bytes) -> EmailMessage:
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
def test_headers_and_parts_survive_parsing(name: str) -> None:
    sender = f'"{name}" <noreply@sysndd.example>' if name else "noreply@sysndd.example"
    subject = "Bestätigen Sie bitte Ihre Registrierung " * 4
    rendered = Rendered(subject.strip(), "Grüße,\n.\n..\nFrom me\n-- \nend", "<p>é</p>\n")
    built = compose(rendered, composer=Composer(mail_from=sender, site=SITE))
    message = parse(built.content)
    (from_address,) = message["From"].addresses
    assert (from_address.display_name, from_address.addr_spec) == (name, "noreply@sysndd.example")
    assert (built.sender, built.recipient) == ("noreply@sysndd.example", "person@sysndd.example")
    assert message["To"] == "person@sysndd.example"
    assert message["Subject"] == rendered.subject
    assert message["Message-ID"] == "<a@b>"
    assert message["Date"].datetime == DATE
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["MIME-Version"] == "1.0"
    assert message.get_content_type() == "multipart/alternative"
    text, html = parts_of(message)
    assert (text, html) == (unix(rendered.text), unix(rendered.html))


@given(
    name=st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1)
)
@example(name='Gene "X", Köln')
@example(name='Köln "Lab" <DB> & Söhne')
@example(name="a\\")
@example(name="é" * 64)
@example(name="日本語遺伝子" * 10)
@example(name="Köln " * 12 + "x")
def test_any_site_name_survives_as_the_display_name(name: str) -> None:
    try:
        site = SiteSettings(public_url="https://sysndd.example", name=name)
    except ValueError:
        return
    composer = Composer(mail_from=SmtpSettings().sender(site.name), site=site)
    octets = compose(Rendered("s", "t", "h"), composer=composer).content
    line = octets.partition(b"From: ")[2].partition(b"\r\nTo: ")[0].decode("ascii")
    assert max(map(len, octets.split(b"\r\n"))) <= 78
    phrase, address = parseaddr(line.replace("\r\n", ""))
    assert address == "noreply@localhost.localdomain"
    assert str(make_header(decode_header(phrase))) == site.name


@given(subject=LINES, text=LINES, html=LINES)
def test_any_text_survives_in_short_ascii_lines(subject: str, text: str, html: str) -> None:
    octets = compose(Rendered(" ".join(subject.split()), text, html)).content
    octets.decode("ascii")
    assert octets.endswith(b"\r\n")
    # Servers differ in which line ends they accept, which SMTP smuggling exploits.
    assert b"\n" not in octets.replace(b"\r\n", b"")
    assert b"\r" not in octets.replace(b"\r\n", b"")
    assert max(len(line) for line in octets.split(b"\r\n")) <= 78
    message = parse(octets)
    assert [name for name, _ in message.items()] == [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    ]
    printable = "".join(filter(str.isprintable, " ".join(subject.split())))
    assert " ".join(str(message["Subject"]).split()) == " ".join(printable.split())
    for part, given_text in zip(parts_of(message), (text, html), strict=True):
        assert part == unix(given_text)


def test_long_identifiers_are_neither_split_nor_encoded() -> None:
    """Recipients compare Message-IDs byte by byte, so an encoded one would be different."""
    message_id = f"<{'1' * 100}@{'a' * 60}.example>"
    recipient = f"{'p' * 64}@{'b' * 60}.{'c' * 60}.example"
    built = compose(Rendered("s", "t", "h"), recipient=recipient, message_id=message_id)
    header = built.content.split(b"\r\n\r\n")[0].decode("ascii")
    lines = [" ".join(line.split()) for line in header.replace("\r\n ", " ").split("\r\n")]
    assert f"Message-ID: {message_id}" in lines
    assert f"To: {recipient}" in lines


@given(
    subject=st.text(st.sampled_from('ab =?_.,;:<>()"\\ä\u200b'), max_size=120),
    message_id=st.sampled_from(["<a@b>", f"<{'1' * 100}@x.example>", "a b", "=?x@y", ""]),
    sender=st.sampled_from(["a@b.example", "N <a@b.example>"]),
)
def test_headers_are_those_of_the_standard_policy(
    subject: str, message_id: str, sender: str
) -> None:
    """A header that is stored unparsed is sent as the standard policy would send it."""
    composer = Composer(mail_from=sender, site=SITE)
    built = compose(Rendered(subject, "t", "h"), message_id=message_id, composer=composer)
    standard = EmailMessage(policy=policy.SMTP)
    for name, value in (
        ("From", sender),
        ("To", "person@sysndd.example"),
        ("Subject", "".join(filter(str.isprintable, subject))),
        ("Date", DATE),
        ("Message-ID", message_id),
    ):
        standard[name] = value
    assert built.content.startswith(standard.as_bytes().removesuffix(b"\r\n"))


@pytest.mark.parametrize(
    "recipient",
    [
        "a@b\r\nBcc: c@d",
        "no address",
        "ü@x.example",
        "a@b, c@d\n",
        "",
        '"a b"@x.example',
        "a@",
        "@b",
        "a@b@c",
        '"a>b"@x.example',
        '"a@[b',
    ],
)
def test_unusable_address_is_rejected(recipient: str) -> None:
    with pytest.raises(MailRenderFailed):
        compose(Rendered("s", "t", "h"), recipient=recipient)


@given(recipient=st.text(st.sampled_from('ab.@<>,:;()"\\ \t\r\nü[]=?'), max_size=20))
def test_any_recipient_is_one_address_or_rejected(recipient: str) -> None:
    try:
        built = compose(Rendered("s", "t", "h"), recipient=recipient)
    except MailRenderFailed:
        return
    (address,) = parse(built.content)["To"].addresses
    assert address.addr_spec == built.recipient
    assert built.recipient.isascii()
    assert not set(built.recipient) & set("<> \t\r\n")


def test_header_injection_is_rejected() -> None:
    with pytest.raises(MailRenderFailed):
        compose(Rendered("s", "t", "h"), message_id="<a@b>\r\nBcc: c@d.example")
    built = compose(Rendered("s\r\nBcc: c@d.example", "t", "h"))
    assert parse(built.content)["Bcc"] is None


def test_text_without_utf_8_encoding_is_rejected() -> None:
    with pytest.raises(MailRenderFailed):
        compose(Rendered("s", "\udc80", "h"))
