"""The tables and views that a file creates."""

import re

from sysndd_migrator.files.script import Script

_CREATED = re.compile(
    r"\Acreate\s+(?:or\s+replace\s+)?(?:algorithm\s*=\s*\w+\s+)?(?:definer\s*=\s*\S+\s+)?"
    r"(?:sql\s+security\s+\w+\s+)?(?:table|view)\s+(?:if\s+not\s+exists\s+)?"
    r"(?:`((?:[^`]|``)+)`|([\w$]+))",
    re.IGNORECASE,
)


def created_tables(script: Script) -> list[str]:
    """Return the names of the tables and views that a file creates, in lower case.

    Args:
        script: The file. A name in another schema, or in a prepared statement, is not found.

    Raises:
        AmbiguousFile: The file is ambiguous.
    """
    found = [_CREATED.match(statement.plain) for statement in script.statements]
    names = [(match[1] or match[2]).replace("``", "`").lower() for match in found if match]
    return list(dict.fromkeys(names))
