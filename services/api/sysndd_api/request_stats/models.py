"""What the overview shows of the last hours."""

from dataclasses import dataclass
from datetime import datetime


@dataclass
class Counts:
    """What one process has counted since it last wrote.

    Attributes:
        requests, failures: answers, and those of 500 and above.
        ms_total, ms_max: time they took, in milliseconds.
        in_use, waiting: the most connections of the pool in use, and requests waiting for one.
    """

    requests: int = 0
    failures: int = 0
    ms_total: float = 0.0
    ms_max: float = 0.0
    in_use: int = 0
    waiting: int = 0


@dataclass(frozen=True)
class Period:
    """Requests of one period of all processes; ``begins`` is UTC."""

    begins: datetime
    requests: int
    failures: int
    ms_mean: float
    ms_max: float


@dataclass(frozen=True)
class WorkerPool:
    """Pool of one API process as it was lately."""

    worker: str
    size: int
    in_use: int
    waiting: int
