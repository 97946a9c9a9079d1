"""Takes the schema's name out of the head of a trigger, so that it can be made in a scratch schema.

The server gives a trigger back as it was typed. One whose author wrote ``CREATE TRIGGER site.kept
BEFORE INSERT ON site.part`` can only ever be made in ``site``: elsewhere the server refuses it, or
makes it in live. A trigger is always in the schema of its table, so the name in its head says
nothing, and is left out. The body is left alone: it is not run before it is live.
"""

import re

_NAME = rb"(?:`(?:[^`\n]|``)+`|[\w$\x80-\xff]+)"
_BEGINS = (
    rb"/\*!50003 CREATE\*/ (?:/\*!50017 DEFINER=`(?:[^`\n]|``)*`(?:@`(?:[^`\n]|``)*`)?\s*\*/ )?"
    rb"/\*!50003 TRIGGER\s"
)
_OPEN = re.compile(
    rb"^" + _BEGINS + rb"(?!(?s:.*?)\bFOR\s+EACH\s+ROW\b)", re.MULTILINE | re.IGNORECASE
)
_HEAD = re.compile(
    rb"^(" + _BEGINS + rb"\s*(?:IF\s+NOT\s+EXISTS\s+)?)"
    rb"(?:" + _NAME + rb"\s*\.\s*)?(" + _NAME + rb"\s*(?:BEFORE|AFTER)\s+(?:INSERT|UPDATE|DELETE)\s+ON\s*)"
    rb"(?:" + _NAME + rb"\s*\.\s*)?(" + _NAME + rb"\s*FOR\s+EACH\s+ROW\b)",
    re.MULTILINE | re.IGNORECASE,
)  # fmt: skip
LONGEST = 4096
"""Bytes of a head; a longer one stays as it is."""


def unqualified(text: bytes) -> bytes:
    """Leave the schema's name out of every trigger's head that begins a line of ``text``."""
    return _HEAD.sub(rb"\1\2\3", text) if b"TRIGGER" in text else text


def begins_open(text: bytes) -> int | None:
    """Return where a head begins that does not end within ``text``, None when there is none."""
    at = text.rfind(b"/*!50003 CREATE*/", -LONGEST)
    found = _OPEN.search(text, at) if at >= 0 and text[at - 1 : at] in {b"", b"\n"} else None
    return found.start() if found else None
