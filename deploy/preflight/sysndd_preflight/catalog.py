"""Checks: their type, their possible outcomes, and the list of all of them.

A check is an async function of the deployment. It returns its finding when all is well and raises
``Problem`` when not; the remedy is that of the check unless the problem has its own. A check that
cannot be made for this deployment raises ``Skipped``.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sysndd_preflight.deployment import Deployment


class Phase(StrEnum):
    """The phases, in order."""

    STATIC = "static"
    """Reads files and settings only."""
    CONNECT = "connect"
    """Connects to the servers."""
    LIVE = "live"
    """Sends requests to the running system."""


class Severity(StrEnum):
    """How serious a problem is."""

    ERROR = "error"
    WARNING = "warning"


class Status(StrEnum):
    """The outcome of a check."""

    PASS = "pass"  # noqa: S105 - a status, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Problem(Exception):
    """A check found a problem.

    Args:
        finding: what was found, as text for people.
        remedy: what to do; that of the check by default.
        warning: report a warning, whatever the severity of the check.
        log: last log lines of a program that the check ran itself.
    """

    def __init__(
        self,
        finding: str,
        remedy: str | None = None,
        *,
        warning: bool = False,
        log: Sequence[str] = (),
    ) -> None:
        super().__init__(finding)
        self.finding = finding
        self.remedy = remedy
        self.warning = warning
        self.log = list(log)


class Skipped(Exception):
    """The check cannot be made for this deployment; the message says what it requires."""


Function = Callable[[Deployment], Awaitable[str]]


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        id: stable name, ``group.name``.
        phase: when it runs.
        title: the statement that is true when it passes.
        remedy: what to do when it fails.
        function: makes the check.
        severity: how serious a problem is.
        seconds: time limit.
        logs: services whose last log lines are shown when it fails.
    """

    id: str
    phase: Phase
    title: str
    remedy: str
    function: Function = field(repr=False)
    severity: Severity = Severity.ERROR
    seconds: float = 20
    logs: tuple[str, ...] = ()


CATALOG: dict[str, Check] = {}
"""Every check by id, in the order in which they run."""


def check(
    name: str,
    phase: Phase,
    title: str,
    *,
    remedy: str,
    severity: Severity = Severity.ERROR,
    seconds: float = 20,
    logs: tuple[str, ...] = (),
) -> Callable[[Function], Function]:
    """Register a function as a check; the arguments are the attributes of ``Check``."""

    def register(function: Function) -> Function:
        assert name not in CATALOG, name
        CATALOG[name] = Check(name, phase, title, remedy, function, severity, seconds, logs)
        return function

    return register
