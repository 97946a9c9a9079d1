"""Rewrites a dump that is loaded into a scratch schema: strips definers and the schema's name.

The account that loads cannot set another definer, so the DEFINER of each stored object is stripped.
A restore creates the objects again, with the worker's account as definer.

A dump contains a trigger as its author typed it. A statement such as ``CREATE TRIGGER site.a BEFORE
INSERT ON site.b`` creates the trigger only in ``site``. Because a trigger is always in the schema
of its table, the qualifiers in the header are redundant and are stripped. The body is not changed,
because it does not run in a scratch schema.
"""

import re

from sysndd_backup.server.server import rewrite_schema_name

_IDENTIFIER = rb"(?:`(?:[^`\n]|``)+`|[\w$\x80-\xff]+)"
_HEADER_START = (
    rb"/\*!50003 CREATE\*/ (?:/\*!50017 DEFINER=`(?:[^`\n]|``)*`(?:@`(?:[^`\n]|``)*`)?\s*\*/ )?"
    rb"/\*!50003 TRIGGER\s"
)
_UNFINISHED = re.compile(
    rb"^" + _HEADER_START + rb"(?!(?s:.*?)\bFOR\s+EACH\s+ROW\b)", re.MULTILINE | re.IGNORECASE
)
_HEADER = re.compile(
    rb"^(" + _HEADER_START + rb"\s*(?:IF\s+NOT\s+EXISTS\s+)?)"
    rb"(?:" + _IDENTIFIER + rb"\s*\.\s*)?"
    rb"(" + _IDENTIFIER + rb"\s*(?:BEFORE|AFTER)\s+(?:INSERT|UPDATE|DELETE)\s+ON\s*)"
    rb"(?:" + _IDENTIFIER + rb"\s*\.\s*)?(" + _IDENTIFIER + rb"\s*FOR\s+EACH\s+ROW\b)",
    re.MULTILINE | re.IGNORECASE,
)
_NAME = rb"`(?:[^`\n]|``)*`@`(?:[^`\n]|``)*`"
_DEFINER = re.compile(
    # The clients write these at the beginning of a line. No value can, because line breaks in
    # values are escaped.
    rb"^(CREATE )DEFINER=" + _NAME + rb" |"
    rb"^(/\*!500(?:03|01) CREATE\*/ |/\*!50106 CREATE\*/ )/\*!\d+ DEFINER=" + _NAME + rb"\s*\*/ |"
    rb"^(/\*!50013 )DEFINER=" + _NAME + rb" ",
    re.MULTILINE,
)
_EVENT = re.compile(
    rb"^(/\*!50106 CREATE\*/ [^\n]*?EVENT `((?:[^`\n]|``)*)` ON SCHEDULE [^\n]*?"
    rb" ON COMPLETION (?:NOT )?PRESERVE )ENABLE\b",
    re.MULTILINE,
)
_VIEW = re.compile(rb"^/\*!50001 VIEW .*$", re.MULTILINE)

LONGEST_HEADER = 4096
"""Maximum size of a trigger's header in bytes; a longer one is not changed."""


class DefinerStripper:
    """Rewrites a stream of SQL for a scratch schema.

    Strips DEFINER clauses, replaces the schema's name in views, strips it from the headers of
    triggers, and disables events. Other statements of a dump do not contain the schema's name.

    Args:
        schema: Name of the schema that was dumped, not quoted.
        into: Name of the schema that the dump is loaded into, not quoted.

    Attributes:
        enabled_events: Names of the events that were enabled in the dump.
    """

    def __init__(self, schema: str, into: str) -> None:
        self._schema = schema
        self._into = into
        self.enabled_events: set[str] = set()
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Rewrite the next chunk; return the bytes that are complete so far."""
        data = self._rest + chunk
        end = data.rfind(b"\n") + 1
        # The header of a trigger may span several lines.
        unfinished = find_unfinished_header(data[:end][-LONGEST_HEADER:])
        if unfinished is not None:
            end = max(0, end - LONGEST_HEADER) + unfinished
        self._rest = data[end:]
        return self._rewrite(data[:end])

    def finish(self) -> bytes:
        """Return the rewritten bytes after the last line break."""
        return self._rewrite(self._rest)

    def _rewrite(self, lines: bytes) -> bytes:
        lines = _EVENT.sub(self._disable, _DEFINER.sub(_without_definer, lines))
        return _VIEW.sub(self._rewrite_view, strip_schema_qualifier(lines))

    def _disable(self, match: re.Match[bytes]) -> bytes:
        # A running event would change rows before they are counted.
        self.enabled_events.add(match[2].replace(b"``", b"`").decode())
        return match[1] + b"DISABLE"

    def _rewrite_view(self, match: re.Match[bytes]) -> bytes:
        # Latin-1 maps every byte to a character, so other bytes do not change.
        line = match[0].decode("latin-1")
        return rewrite_schema_name(line, self._schema, self._into).encode("latin-1")


def strip_schema_qualifier(text: bytes) -> bytes:
    """Strip the schema's name from each trigger header that begins a line of ``text``."""
    return _HEADER.sub(rb"\1\2\3", text) if b"TRIGGER" in text else text


def find_unfinished_header(text: bytes) -> int | None:
    """Return the position of a trigger header that does not end in ``text``, or None."""
    at = text.rfind(b"/*!50003 CREATE*/", -LONGEST_HEADER)
    found = _UNFINISHED.search(text, at) if at >= 0 and text[at - 1 : at] in {b"", b"\n"} else None
    return found.start() if found else None


def _without_definer(match: re.Match[bytes]) -> bytes:
    return match[1] or match[2] or match[3]
