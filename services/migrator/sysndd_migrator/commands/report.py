"""The result of ``up``."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Applied:
    """A file that this run applied.

    Attributes:
        schema: Name of the schema.
        filename: Name of the file.
        statements: Number of its statements.
        duration_ms: Duration in milliseconds.
        changed: False if its work was done already.
    """

    schema: str
    filename: str
    statements: int
    duration_ms: int
    changed: bool = True


@dataclass
class Report:
    """The result of ``up``: applied files, and remarks for the operator."""

    applied: list[Applied] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


Announce = Callable[[Applied], None]
"""Called after each file that was applied."""
