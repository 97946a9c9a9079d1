"""What the files of a run share, and what each of them ends with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sysndd_migrator.ahead import Ahead
from sysndd_migrator.interruption import Interruption
from sysndd_migrator.journal import Journal
from sysndd_migrator.lock import MigrationLock
from sysndd_migrator.postconditions import CHANGED_NOTHING
from sysndd_migrator.progress import Progress
from sysndd_migrator.record import Pending
from sysndd_migrator.script import Script
from sysndd_migrator.session import Session

LOCKED_RETRY_SECONDS = 120.0
"""How long a statement is tried again while another connection keeps its table locked."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every file of a run shares."""

    session: Session
    lock: MigrationLock
    journal: Journal
    interruption: Interruption
    pending: Pending
    progress: Progress
    strict: bool = False
    locked_retry: float = LOCKED_RETRY_SECONDS
    ahead: Ahead = field(default_factory=Ahead)


@dataclass(frozen=True, slots=True)
class Result:
    """How a file ended.

    Attributes:
        duration_ms: milliseconds from the first statement to the last.
        changed: whether anything is different from before.
        leaked: session variables it had left changed, with their values.
    """

    duration_ms: int
    changed: bool
    leaked: Mapping[str, str]


def remarks_of(script: Script, result: Result) -> list[str]:
    """Say what a person should know about a file that was applied."""
    told = []
    if not result.changed and not script.directives.no_op:
        told.append(f"{script.filename} {CHANGED_NOTHING}")
    if result.leaked:
        left = ", ".join(f"{name} = {value}" for name, value in result.leaked.items())
        told.append(
            f"{script.filename} left session variables changed ({left}); they were set back."
        )
    return told
