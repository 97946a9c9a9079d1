"""IDs of rows as they appear in URLs."""

_DIGITS = 9  # an INT column holds every number of nine digits


def numeric_id(text: str) -> int | None:
    """Return the ID that a part of a URL names; None if no row can have it.

    Args:
        text: The part of the URL, decoded.
    """
    known = text.isascii() and text.isdigit() and len(text) <= _DIGITS
    return int(text) if known else None
