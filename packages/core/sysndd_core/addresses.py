"""Email and web addresses as this platform accepts them, for settings and requests."""

import re
from urllib.parse import urlsplit

_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)


def email_address(text: str) -> str:
    """Check one email address.

    It is what the mailer can send to: an addr-spec without quotes (RFC 5321, section 4.1.2).

    Returns:
        The address.

    Raises:
        ValueError: It is not one address, or its local part has more than 64 characters.
    """
    if not _EMAIL.fullmatch(text) or len(text.partition("@")[0]) > 64:
        raise ValueError("not a valid email address")
    return text


def web_address(text: str) -> str:
    """Check an absolute URL that a page or an email links to (RFC 3986).

    Returns:
        The URL.

    Raises:
        ValueError: It has another scheme than http and https, no host, a password, or a character
            that ends a URL in running text, such as a space or a quotation mark.
    """
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError("not a valid URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be a URL that starts with https:// or http:// and names a host")
    if not text.isprintable() or set(text) & set(' "<>\\^`{|}'):
        raise ValueError("contains a character that is not allowed in a URL")
    if parts.username is not None:
        raise ValueError("must not contain a user name or password")
    return text
