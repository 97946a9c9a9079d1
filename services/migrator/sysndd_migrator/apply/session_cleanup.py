"""What a file leaves in the session that no variable shows: user variables, prepared statements,
temporary tables. Nothing of it may reach the next file.
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
_VARIABLES_AT_ONCE = 100


def session_cleanup_statements(statements: Iterable[Statement]) -> list[str]:
    """Return the statements that take back what a file left in its session.

    Args:
        statements: the file's.

    A name that occurs without having been set is harmless: it is NULL before and after.
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
        "SET " + ", ".join(f"@{name} = NULL" for name in names[at : at + _VARIABLES_AT_ONCE])
        for at in range(0, len(names), _VARIABLES_AT_ONCE)
    ]
    cleaning += [f"DROP TEMPORARY TABLE IF EXISTS {table}" for table in tables]
    # There is no DEALLOCATE … IF EXISTS; preparing the name anew makes sure it is there.
    for name in prepared:
        cleaning += [f"PREPARE {name} FROM 'DO 0'", f"DEALLOCATE PREPARE {name}"]
    return cleaning
