"""Health primitives: a check's result, and how several make one.

The names follow the draft "Health Check Response Format for HTTP APIs"
(draft-inadarei-api-health-check-06), whose media type is ``application/health+json``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """``warn`` still serves; ``fail`` does not."""

    PASS = "pass"  # noqa: S105 - a status, not a password
    WARN = "warn"
    FAIL = "fail"


_ORDER = (Status.PASS, Status.WARN, Status.FAIL)


@dataclass(frozen=True)
class Check:
    """One part of the system.

    Attributes:
        status: how it is.
        reason: why it is not ``pass``, for a person; None when it is.
        observed: numbers that show it.
    """

    status: Status
    reason: str | None = None
    observed: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the check as members of a JSON document."""
        reason = {"reason": self.reason} if self.reason else {}
        return {"status": self.status.value, **reason, **self.observed}


def worst(checks: Mapping[str, Check]) -> Status:
    """Return the worst status of all parts; ``pass`` when there are none."""
    return max((check.status for check in checks.values()), key=_ORDER.index, default=Status.PASS)
