"""Statements that the splitter can read, but that different readers understand differently.

A client executes some words itself instead of sending them, and some settings change how the rest
of the file is read. Such a file is refused.
"""

import re

from sysndd_migrator.files.lexing import EXECUTABLE_PREFIX, LEXING_MODES, empty_strings

# Commands of the mariadb and mysql clients (`help` lists them), without `use`, which is SQL as
# well, and `delimiter`, which the splitter handles.
_CLIENT_COMMANDS = frozenset(
    [
        "?",
        "charset",
        "clear",
        "connect",
        "costs",
        "edit",
        "ego",
        "exit",
        "go",
        "help",
        "nopager",
        "notee",
        "nowarning",
        "pager",
        "print",
        "prompt",
        "query_attributes",
        "quit",
        "rehash",
        "resetconnection",
        "sandbox",
        "source",
        "ssl_session_data_print",
        "status",
        "system",
        "tee",
        "warnings",
    ]
)

# Character sets in which a byte of a multi-byte character can equal a quote or a backslash.
_LEXING_CHARSETS = frozenset(["big5", "cp932", "gb18030", "gbk", "sjis"])

_ASSIGNS_SQL_MODE = re.compile(
    r"\bset\b(?:(?!;).)*?(?<![\w$])`?sql_mode`?\s*:?=", re.IGNORECASE | re.DOTALL
)
_ASSIGNS_CHARSET = re.compile(
    r"\bset\b(?:(?!;).)*?(?:\bnames\b|\bcharacter\s+set\b|\bcharset\b|character_set_client\s*:?=)"
    r"\s*['\"]?(\w+)",
    re.IGNORECASE | re.DOTALL,
)
_COMPOUND = re.compile(
    r"\A(?:create|alter|begin|if|loop|while|repeat|for|case|declare|\[?\w+\s*:)", re.IGNORECASE
)


def reason_to_refuse(canonical: str, delimiter: str) -> str | None:
    """Return why a statement cannot be sent as it is.

    Args:
        canonical: The statement without comments and with single spaces.
        delimiter: The delimiter at its end.

    Returns:
        One sentence, or None if the statement is unambiguous.
    """
    plain = EXECUTABLE_PREFIX.sub("", canonical)
    words = plain.split(None, 2)
    first = words[0].lower() if words else ""
    if first in _CLIENT_COMMANDS and plain == canonical:
        return f"{words[0]} is a command of the client, not SQL"
    if first == "use" and len(words) != 2:
        return "USE takes one name; end it with the delimiter on the same line"
    return _sql_mode(first, plain) or _charset(first, plain) or _several(plain, delimiter)


def _sql_mode(first: str, plain: str) -> str | None:
    if first not in {"set", "create", "alter", "begin"} or "sql_mode" not in plain.lower():
        return None
    if not _ASSIGNS_SQL_MODE.search(empty_strings(plain)):
        return None
    modes = {word.upper() for word in re.findall(r"\w+", plain)} & LEXING_MODES
    if not modes:
        return None
    return f"sql_mode {', '.join(sorted(modes))} changes how the rest of the file is read"


def _charset(first: str, plain: str) -> str | None:
    if first != "set":
        return None
    for charset in _ASSIGNS_CHARSET.findall(plain):
        if charset.lower() in _LEXING_CHARSETS:
            return f"character set {charset} changes how the rest of the file is read"
    return None


def _several(plain: str, delimiter: str) -> str | None:
    # Under another delimiter, a semicolon belongs to the body of a routine. Elsewhere the client
    # would send several statements as one, which cannot be recorded one by one.
    if delimiter == ";" or ";" not in plain or _COMPOUND.match(plain):
        return None
    if ";" not in empty_strings(plain).rstrip("; \n"):
        return None
    return f"several statements under DELIMITER {delimiter}; end each with it, or set DELIMITER ;"
