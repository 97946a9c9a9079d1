"""Request statistics, as shown on the overview page."""

from dataclasses import dataclass
from datetime import datetime


@dataclass
class Counts:
    """What one process has counted since its last write.

    Attributes:
        requests: Number of requests.
        failures: Number of responses with a status of 500 or above.
        ms_total: Sum of the response times, in milliseconds.
        ms_max: Longest response time, in milliseconds.
        in_use: Highest number of pool connections in use.
        waiting: Highest number of requests that waited for a connection.
    """

    requests: int = 0
    failures: int = 0
    ms_total: float = 0.0
    ms_max: float = 0.0
    in_use: int = 0
    waiting: int = 0


@dataclass(frozen=True)
class Period:
    """Requests of all processes in one period; ``begins`` is UTC."""

    begins: datetime
    requests: int
    failures: int
    ms_mean: float
    ms_max: float


@dataclass(frozen=True)
class WorkerPool:
    """The latest state of one API process's connection pool."""

    worker: str
    size: int
    in_use: int
    waiting: int
