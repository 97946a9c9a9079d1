"""What all files of a run share."""

from dataclasses import dataclass

from sysndd_migrator.apply.progress import Progress
from sysndd_migrator.ledger.journal import Journal
from sysndd_migrator.server.interruption import Interruption
from sysndd_migrator.server.lock import MigrationLock
from sysndd_migrator.server.session import Session

LOCKED_RETRY_SECONDS = 120.0
"""Seconds for which a statement is retried while another connection keeps its table locked."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """The connection of a run, and the objects that use it.

    Attributes:
        session: The connection that holds the lock.
        lock: The migration lock.
        journal: Journal in the platform schema.
        interruption: The request to stop.
        progress: Reports the progress of long statements.
        strict: Reject a file that changes nothing and does not state ``-- expect: no-op``.
        locked_retry: Seconds for which a blocked statement is retried.
    """

    session: Session
    lock: MigrationLock
    journal: Journal
    interruption: Interruption
    progress: Progress
    strict: bool = False
    locked_retry: float = LOCKED_RETRY_SECONDS
