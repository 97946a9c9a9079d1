"""What all files of a run share."""

from dataclasses import dataclass

from sysndd_migrator.apply.progress import Progress
from sysndd_migrator.ledger.journal import Journal
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.server.lock import MigrationLock
from sysndd_migrator.server.session import Session

LOCKED_RETRY_SECONDS = 120.0
"""How long a statement is tried again while another connection keeps its table locked."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """The connection of a run, and what goes with it.

    Attributes:
        session: the connection that holds the lock.
        lock: the migration lock.
        journal: of the platform schema.
        interruption: the request to stop.
        progress: reports on long statements.
        strict: refuse a file that changes nothing and does not say so.
        locked_retry: seconds; how long a blocked statement is tried again.
    """

    session: Session
    lock: MigrationLock
    journal: Journal
    interruption: Interruption
    progress: Progress
    strict: bool = False
    locked_retry: float = LOCKED_RETRY_SECONDS
