"""Health checks: the result of one check, and the combined status of several.

The names follow the draft "Health Check Response Format for HTTP APIs"
(draft-inadarei-api-health-check-06), whose media type is ``application/health+json``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """Status of a check. With ``warn`` the service works; with ``fail`` it does not."""

    PASS = "pass"  # noqa: S105 - a status, not a password
    WARN = "warn"
    FAIL = "fail"


_ORDER = (Status.PASS, Status.WARN, Status.FAIL)


@dataclass(frozen=True)
class Check:
    """The result of one health check.

    Attributes:
        status: Status of the checked part.
        reason: Sentence for the operator that explains a status other than ``pass``, or None.
        observed: Measured values, added to the JSON document.
    """

    status: Status
    reason: str | None = None
    observed: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the members of the check's JSON object."""
        reason = {"reason": self.reason} if self.reason else {}
        return {"status": self.status.value, **reason, **self.observed}


def worst(checks: Mapping[str, Check]) -> Status:
    """Return the worst status of all checks; ``pass`` if there are none."""
    return max((check.status for check in checks.values()), key=_ORDER.index, default=Status.PASS)
