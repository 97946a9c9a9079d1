"""What decides how SQL text is read: literals, comments, executable comments, and sql_modes."""

import re

STRING = re.compile(r"'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\"", re.DOTALL)
"""A string literal with its quotes."""
EXECUTABLE_PREFIX = re.compile(r"\A/\*M?!\d*\s*")
"""The start of an executable comment, such as ``/*!50000``, at the start of a statement."""
LEXING_MODES = frozenset(
    ["ANSI", "ANSI_QUOTES", "DB2", "MAXDB", "MSSQL", "NO_BACKSLASH_ESCAPES", "ORACLE", "POSTGRESQL"]
)
"""The sql_modes that change what quotes or backslashes mean, and modes that contain one."""

_COMMENT = re.compile(r"/\*(?![!M]).*?\*/|(?<!\S)--(?=\s)[^\n]*|#[^\n]*", re.DOTALL)
_MASKED = re.compile(f"({STRING.pattern})|({_COMMENT.pattern})|`(?:[^`]|``)+`", re.DOTALL)
# Not /*M!: a lint rule finds it, because MySQL takes it for a comment.
_MYSQL_PREFIX = re.compile(r"\A/\*!\d*")


def mask_literals(text: str) -> str:
    """Replace the text of strings and comments by spaces.

    Args:
        text: SQL.

    Returns:
        Text of the same length; line breaks, quotes of strings and quoted names stay.
    """

    def mask(match: re.Match[str]) -> str:
        if match[1] is None and match[2] is None:
            return match[0]
        spaces = re.sub(r"[^\n]", " ", match[0])
        # The quotes of a string stay: a rule recognizes an operator such as ->> by what follows it.
        return f"{match[0][0]}{spaces[1:-1]}{match[0][-1]}" if match[1] else spaces

    return _MYSQL_PREFIX.sub(lambda match: " " * len(match[0]), _MASKED.sub(mask, text))


def empty_strings(text: str) -> str:
    """Replace each string literal by ``''``."""
    return STRING.sub("''", text)
