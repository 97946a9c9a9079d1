"""Directives: comments on separate lines between statements that the migrator reads.

- ``-- expect: no-op``: the file may find its work done already.
- ``-- assert: SELECT …``: after the file, the query must return a row without NULL, 0 or an empty
  text.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sysndd_migrator.errors import AmbiguousFile
from sysndd_migrator.files.splitter import Statement, split

_LINE = re.compile(rb"^[ \t]*--[ \t]+(assert|expect)[ \t]*:[ \t]*([^\r\n]*)", re.MULTILINE)
_QUERY = re.compile(r"(?:select|with)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Assertion:
    """A postcondition: its line, from 1, and the query."""

    line: int
    sql: str


@dataclass(frozen=True, slots=True)
class Directives:
    """The directives of a file.

    Attributes:
        assertions: Its postconditions, in order.
        no_op: Whether it may change nothing.
    """

    assertions: tuple[Assertion, ...] = ()
    no_op: bool = False


def read_directives(data: bytes, statements: Sequence[Statement], path: str) -> Directives:
    """Read the directives of a file.

    Args:
        data: Content of the file.
        statements: Its statements; text inside them is not a directive.
        path: Path of the file, for messages.

    Raises:
        AmbiguousFile: A directive is invalid; contains its line.
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
            assertions.append(Assertion(line, _query(text, path, line, column)))
        elif text.lower() == "no-op":
            no_op = True
        else:
            raise AmbiguousFile(path, line, column, "expect: must be followed by no-op")
    return Directives(tuple(assertions), no_op)


def _query(text: str, path: str, line: int, column: int) -> str:
    found = split(text.encode(), path) if text else ()
    if len(found) != 1 or not _QUERY.match(found[0].canonical):
        raise AmbiguousFile(
            path, line, column, "assert: must be followed by one SELECT on the same line"
        )
    return found[0].text
