"""Session cleanup: user variables, prepared statements and temporary tables that a file left.

No session variable shows these, and none of them may reach the next file.
"""

import re
from collections.abc import Iterable

from sysndd_migrator.files.lexing import empty_strings
from sysndd_migrator.files.splitter import Statement

_VARIABLE = re.compile(r"(?<!@)@(`(?:[^`]|``)+`|[0-9A-Za-z_$.]+)")
_PREPARED = re.compile(r"\Aprepare\s+(`(?:[^`]|``)+`|[0-9A-Za-z_$]+)", re.IGNORECASE)
_TEMPORARY = re.compile(
    r"\Acreate\s+(?:or\s+replace\s+)?temporary\s+table\s+(?:if\s+not\s+exists\s+)?"
    r"((?:`(?:[^`]|``)+`|[0-9A-Za-z_$]+)(?:\s*\.\s*(?:`(?:[^`]|``)+`|[0-9A-Za-z_$]+))?)",
    re.IGNORECASE,
)
_VARIABLES_PER_SET = 100


def session_cleanup_statements(statements: Iterable[Statement]) -> list[str]:
    """Return the statements that remove what a file left in its session.

    A name that is used but never set does no harm: it is NULL before and after.

    Args:
        statements: The file's statements.
    """
    variables: dict[str, None] = {}
    prepared: dict[str, None] = {}
    tables: dict[str, None] = {}
    for statement in statements:
        text = statement.plain
        if "@" in text:
            variables |= dict.fromkeys(_VARIABLE.findall(empty_strings(text)))
        if match := _PREPARED.match(text):
            prepared[match[1]] = None
        elif match := _TEMPORARY.match(text):
            tables[match[1]] = None
    names = list(variables)
    cleaning = [
        "SET " + ", ".join(f"@{name} = NULL" for name in names[at : at + _VARIABLES_PER_SET])
        for at in range(0, len(names), _VARIABLES_PER_SET)
    ]
    cleaning += [f"DROP TEMPORARY TABLE IF EXISTS {table}" for table in tables]
    # There is no DEALLOCATE … IF EXISTS, so prepare the name again to make sure that it exists.
    for name in prepared:
        cleaning += [f"PREPARE {name} FROM 'DO 0'", f"DEALLOCATE PREPARE {name}"]
    return cleaning
