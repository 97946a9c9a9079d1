"""What a file says to the migrator in comments of its own line between statements.

- ``-- expect: no-op``: it is all right when the file finds its work done already.
- ``-- assert: SELECT …``: must answer a row without NULL, 0 or an empty text once the file has run.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sysndd_migrator.errors import AmbiguousFile
from sysndd_migrator.files.splitter import Statement, split

_LINE = re.compile(rb"^[ \t]*--[ \t]+(assert|expect)[ \t]*:[ \t]*([^\r\n]*)", re.MULTILINE)
_QUESTION = re.compile(r"(?:select|with)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Assertion:
    """A postcondition: the line it stands on, from 1, and the query."""

    line: int
    sql: str


@dataclass(frozen=True, slots=True)
class Directives:
    """What a file asks for.

    Attributes:
        assertions: its postconditions, in order.
        no_op: whether it may change nothing.
    """

    assertions: tuple[Assertion, ...] = ()
    no_op: bool = False


def read_directives(data: bytes, statements: Sequence[Statement], path: str) -> Directives:
    """Read the directives of a file.

    Args:
        data: its bytes.
        statements: its statements; what stands inside one of them is not a directive.
        path: its name for messages.

    Raises:
        AmbiguousFile: a directive that can't be followed, with its line.
    """
    assertions: list[Assertion] = []
    no_op = False
    for match in _LINE.finditer(data):
        if any(statement.start <= match.start() < statement.end for statement in statements):
            continue
        line = data.count(b"\n", 0, match.start()) + 1
        column = match.start(1) - match.start() + 1
        text = match[2].decode("utf-8").strip()
        if match[1] == b"assert":
            assertions.append(Assertion(line, _question(text, path, line, column)))
        elif text.lower() == "no-op":
            no_op = True
        else:
            raise AmbiguousFile(path, line, column, "the only thing to expect is: no-op")
    return Directives(tuple(assertions), no_op)


def _question(text: str, path: str, line: int, column: int) -> str:
    found = split(text.encode(), path) if text else ()
    if len(found) != 1 or not _QUESTION.match(found[0].canonical):
        raise AmbiguousFile(path, line, column, "assert: takes one SELECT on the same line")
    return found[0].text
