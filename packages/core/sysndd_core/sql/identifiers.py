"""Quoting of identifiers.

Source: MySQL Reference Manual, "Schema Object Names"; MariaDB Knowledge Base, "Identifier Names".
"""


def quote_name(name: str) -> str:
    """Return a name as a quoted identifier, with backticks doubled."""
    return "`" + name.replace("`", "``") + "`"


def qualified_name(schema: str, name: str) -> str:
    """Return ``schema.name``, both quoted."""
    return f"{quote_name(schema)}.{quote_name(name)}"
