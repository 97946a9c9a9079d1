"""Rewrites a dump on its way into a scratch schema: no definers, and no name of its own schema.

The account that loads may not define objects for others, so the DEFINER of views, triggers, routines
and events is stripped; a restore creates them again as the worker's own.

The server gives a trigger back as it was typed. One whose author wrote ``CREATE TRIGGER site.kept
BEFORE INSERT ON site.part`` can only ever be created in ``site``: elsewhere the server refuses it, or
creates it in live. A trigger is always in the schema of its table, so the qualifier in its header
says nothing, and is stripped. The body is left alone: it does not run before it is live.
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
    # As the clients write them, at the start of a line: no line inside of data starts like that,
    # because line breaks in values are escaped.
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
"""Bytes of a trigger's header; a longer one stays as it is."""


class DefinerStripper:
    """Strips DEFINER clauses from a stream of SQL, and the schema's name from views and triggers.

    The server may write the schema's name before a function that a view calls, and an author before
    a trigger and its table; nothing else in a dump has it. Events are disabled.

    Args:
        schema: name of the schema that was dumped.
        into: name of the schema that it is loaded into.

    Attributes:
        enabled_events: names of the events that were enabled.
    """

    def __init__(self, schema: str, into: str) -> None:
        self._schema = schema
        self._into = into
        self.enabled_events: set[str] = set()
        self._rest = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return what is complete by now."""
        data = self._rest + chunk
        end = data.rfind(b"\n") + 1
        # The header of a trigger may have several lines.
        unfinished = find_unfinished_header(data[:end][-LONGEST_HEADER:])
        if unfinished is not None:
            end = max(0, end - LONGEST_HEADER) + unfinished
        self._rest = data[end:]
        return self._rewrite(data[:end])

    def finish(self) -> bytes:
        """Return what follows the last line break."""
        return self._rewrite(self._rest)

    def _rewrite(self, lines: bytes) -> bytes:
        lines = _EVENT.sub(self._disable, _DEFINER.sub(_kept, lines))
        return _VIEW.sub(self._rewrite_view, strip_schema_qualifier(lines))

    def _disable(self, match: re.Match[bytes]) -> bytes:
        # An event that runs during the load would change rows before they are counted.
        self.enabled_events.add(match[2].replace(b"``", b"`").decode())
        return match[1] + b"DISABLE"

    def _rewrite_view(self, match: re.Match[bytes]) -> bytes:
        # Every byte has a character in Latin-1, so this changes nothing else.
        line = match[0].decode("latin-1")
        return rewrite_schema_name(line, self._schema, self._into).encode("latin-1")


def strip_schema_qualifier(text: bytes) -> bytes:
    """Strip the schema's name from every trigger's header that begins a line of ``text``."""
    return _HEADER.sub(rb"\1\2\3", text) if b"TRIGGER" in text else text


def find_unfinished_header(text: bytes) -> int | None:
    """Return where a header begins that does not end within ``text``; None without one."""
    at = text.rfind(b"/*!50003 CREATE*/", -LONGEST_HEADER)
    found = _UNFINISHED.search(text, at) if at >= 0 and text[at - 1 : at] in {b"", b"\n"} else None
    return found.start() if found else None


def _kept(match: re.Match[bytes]) -> bytes:
    return match[1] or match[2] or match[3]
