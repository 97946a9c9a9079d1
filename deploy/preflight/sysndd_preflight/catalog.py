"""What a check is, what it may find, and the list of all of them.

A check is an async function of the deployment. It returns what it saw when all is well, and raises
``Problem`` when not; how to mend it stands at the check, or comes with the problem. A check that
can't be made here raises ``NotHere``.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sysndd_preflight.deployment import Deployment


class Phase(StrEnum):
    """From what only reads files to what asks the running system for work."""

    STATIC = "static"
    CONNECT = "connect"
    LIVE = "live"


class Severity(StrEnum):
    """What a problem counts as."""

    ERROR = "error"
    WARNING = "warning"


class Status(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105 - a status, not a password
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Problem(Exception):
    """Something is not as it must be.

    Args:
        saw: what was found, for a person.
        mend: what to do; the check's own line by default.
        warning: count it as a warning, whatever the check's severity is.
        log: last lines of a program that the check ran itself.
    """

    def __init__(
        self, saw: str, mend: str | None = None, *, warning: bool = False, log: Sequence[str] = ()
    ) -> None:
        super().__init__(saw)
        self.saw = saw
        self.mend = mend
        self.warning = warning
        self.log = list(log)


class NotHere(Exception):
    """The check can't be made with what is known of this deployment; says what it would take."""


Function = Callable[[Deployment], Awaitable[str]]


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        id: stable name, ``part.what``.
        title: what is true when it passes.
        mend: what to do when not.
        seconds: time limit.
        logs: services whose last log lines help when it fails.
    """

    id: str
    phase: Phase
    title: str
    mend: str
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
    mend: str,
    severity: Severity = Severity.ERROR,
    seconds: float = 20,
    logs: tuple[str, ...] = (),
) -> Callable[[Function], Function]:
    """Put a function into the catalog."""

    def register(function: Function) -> Function:
        assert name not in CATALOG, name
        CATALOG[name] = Check(name, phase, title, mend, function, severity, seconds, logs)
        return function

    return register
