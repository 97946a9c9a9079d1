"""Search text and exact values as a condition of SQL; the values are bound."""

from collections.abc import Mapping
from typing import Any

Condition = tuple[str, tuple[Any, ...]]


def build_filter(
    exact: Mapping[str, Any], *, search: str | None, columns: tuple[str, ...]
) -> Condition:
    """Build the condition of a list.

    Args:
        exact: value by column; None leaves the column out.
        search: text that one of ``columns`` must hold; None or empty for any.
        columns: where it is looked for.

    Returns:
        What stands behind WHERE, and its arguments.
    """
    conditions, arguments = ["TRUE"], []
    for column, value in exact.items():
        if value is not None:
            conditions.append(f"{column} = %s")
            arguments.append(value)
    if search:
        # A person who types % or _ means the character.
        escaped = search.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        conditions.append(
            "(" + " OR ".join(f"{column} LIKE %s ESCAPE '!'" for column in columns) + ")"
        )
        arguments += [f"%{escaped}%"] * len(columns)
    return " AND ".join(conditions), tuple(arguments)
