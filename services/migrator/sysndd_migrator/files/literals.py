"""A statement's code without the text in its strings and comments, each character in its place."""

import re

STRING = re.compile(r"'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\"", re.DOTALL)
_COMMENT = re.compile(r"/\*(?![!M]).*?\*/|(?<!\S)--(?=\s)[^\n]*|#[^\n]*", re.DOTALL)
_HIDDEN = re.compile(f"({STRING.pattern})|({_COMMENT.pattern})|`(?:[^`]|``)+`", re.DOTALL)


def mask_literals(text: str) -> str:
    """Replace strings and comments by blanks of the same length; lines and quoted names stay."""

    def blank(match: re.Match[str]) -> str:
        if match[1] is None and match[2] is None:
            return match[0]
        inner = re.sub(r"[^\n]", " ", match[0])
        # The quotes of a string stay: an operator such as ->> is told by what follows it.
        return f"{match[0][0]}{inner[1:-1]}{match[0][-1]}" if match[1] else inner

    return re.sub(r"\A/\*!\d*", lambda match: " " * len(match[0]), _HIDDEN.sub(blank, text))
