"""A mail's octets (RFC 5322, 2045, 2046): one From, one To, a text and an HTML part.

The standard library's ``EmailMessage`` makes the same in 20 times the processor time, which was more
than all of SMTP. What is made here is read back with it in the tests.
"""

import binascii
import re
from dataclasses import dataclass
from email.header import Header
from email.utils import formataddr

# Quoted-printable has a hexadecimal digit or a line's end behind each `=`: no part can hold this.
_BOUNDARY = "=_sysndd_alternative"
_NOT_IN_ADDRESS = re.compile(r"[\x00-\x20\x7f<>]")
_SHORT_SUBJECT = 66
_LONGEST_LINE = 78


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

    def __post_init__(self) -> None:
        """Refuse what would end an SMTP command or the content early.

        Raises:
            ValueError: an address has a blank, a control character, `<` or `>`, or is not ASCII; or a
                line of the content ends otherwise than by CRLF.
        """
        for address in (self.sender, self.recipient):
            if _NOT_IN_ADDRESS.search(address) or not address.isascii():
                raise ValueError("the address can't be used in an SMTP command")
        octets = self.content
        lines = octets.count(b"\r\n")
        # Servers differ in what they take for the end of a line, and so of a mail.
        if not octets.endswith(b"\r\n") or {octets.count(b"\r"), octets.count(b"\n")} != {lines}:
            raise ValueError("a line does not end by CRLF")


def mailbox(name: str, address: str) -> str:
    """Return a From field's body; a name with other letters is encoded (RFC 2047).

    Args:
        name: display name, or empty.
        address: ASCII, checked by the caller.
    """
    return formataddr((name, address)) if name else address


def content(headers: dict[str, str], *, subject: str, text: str, html: str) -> bytes:
    """Return header and body.

    Args:
        headers: ASCII lines without line breaks, in order; the caller vouches for that.
        subject: any text on one line.
        text, html: the two parts, the plainer one first (RFC 2046, section 5.1.4).
    """
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines += [
        f"Subject: {_subject(subject)}",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"',
        "",
    ]
    parts = [_part("plain", text), _part("html", html)]
    head = "\r\n".join(lines).encode("ascii")
    end = f"--{_BOUNDARY}--\r\n".encode("ascii")
    return b"\r\n".join([head, *parts, end])


def _subject(subject: str) -> str:
    printable = "".join(character for character in subject if character.isprintable())
    if printable.isascii() and len(printable) <= _SHORT_SUBJECT and "=?" not in printable:
        return printable
    header = Header(printable, "utf-8", maxlinelen=_LONGEST_LINE, header_name="Subject")
    return header.encode(linesep="\r\n")


def _part(subtype: str, body: str) -> bytes:
    head = (
        f"--{_BOUNDARY}\r\nContent-Type: text/{subtype}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    lines = body.replace("\r\n", "\n").replace("\r", "\n")
    encoded = binascii.b2a_qp(lines.encode("utf-8", "replace"), istext=True)
    return head.encode("ascii") + encoded.replace(b"\n", b"\r\n")
