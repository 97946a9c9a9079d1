"""Builds SQL conditions from search text and exact values, which are passed as parameters."""

from collections.abc import Mapping
from typing import Any

Condition = tuple[str, tuple[Any, ...]]


def build_filter(
    exact: Mapping[str, Any], *, search: str | None, columns: tuple[str, ...]
) -> Condition:
    """Build the condition of a list.

    Args:
        exact: Required value by column; None omits the column.
        search: Text that one of ``columns`` must contain; None or empty for no search.
        columns: The columns to search.

    Returns:
        The text after WHERE, and its parameters.
    """
    conditions, arguments = ["TRUE"], []
    for column, value in exact.items():
        if value is not None:
            conditions.append(f"{column} = %s")
            arguments.append(value)
    if search:
        # A % or _ in the search text is meant literally.
        escaped = search.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        conditions.append(
            "(" + " OR ".join(f"{column} LIKE %s ESCAPE '!'" for column in columns) + ")"
        )
        arguments += [f"%{escaped}%"] * len(columns)
    return " AND ".join(conditions), tuple(arguments)
