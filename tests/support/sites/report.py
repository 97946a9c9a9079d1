"""What traffic recorded: each write and each read, with its outcome and times."""

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Outcome(StrEnum):
    """How a write or a read ended."""

    ACKNOWLEDGED = "acknowledged"
    """A write whose COMMIT the server confirmed."""
    UNKNOWN = "unknown"
    """A write whose COMMIT was sent, but not confirmed: it may or may not be stored."""
    FAILED = "failed"
    """An error before the COMMIT of a write, or in a read: nothing was stored."""
    CONSISTENT = "consistent"
    """A read that found the same records in all tables."""
    BROKEN = "broken"
    """A read that found other records in one table than in another."""


@dataclass(frozen=True)
class Event:
    """One write or read.

    Attributes:
        outcome: how it ended.
        number: number of the record that was written; None for a read.
        started: when it started, in seconds since the epoch.
        ended: when it ended, in seconds since the epoch.
        code: the server's or client's error code, if it failed.
        detail: the error, or the sums that differ.
    """

    outcome: Outcome
    number: int | None
    started: float
    ended: float
    code: int | None = None
    detail: str = ""

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.started

    def to_json(self) -> str:
        """Return this as one line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Event":
        """Read what ``to_json`` returned."""
        values = json.loads(line)
        return cls(outcome=Outcome(values.pop("outcome")), **values)


@dataclass(frozen=True)
class TrafficReport:
    """All events of one run, in order."""

    events: tuple[Event, ...]

    @classmethod
    def from_file(cls, log: Path) -> "TrafficReport":
        """Read the log of a run, which may still be running or have been killed."""
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        # The last line may be incomplete.
        lines = text[: text.rfind("\n") + 1].splitlines()
        return cls(tuple(Event.from_json(line) for line in lines))

    def having(self, *outcomes: Outcome) -> tuple[Event, ...]:
        """Return the events with one of these outcomes."""
        return tuple(event for event in self.events if event.outcome in outcomes)

    @property
    def acknowledged(self) -> frozenset[int]:
        """Numbers of the writes that the server confirmed."""
        return _numbers(self.having(Outcome.ACKNOWLEDGED))

    @property
    def unknown(self) -> frozenset[int]:
        """Numbers of the writes that may or may not be stored."""
        return _numbers(self.having(Outcome.UNKNOWN))

    @property
    def broken(self) -> tuple[Event, ...]:
        """Reads that found a mixture of tables."""
        return self.having(Outcome.BROKEN)

    @property
    def errors(self) -> tuple[Event, ...]:
        """Writes and reads that ended with an error."""
        return self.having(Outcome.FAILED, Outcome.UNKNOWN)

    def errors_outside(self, start: float, end: float) -> tuple[Event, ...]:
        """Return the errors of statements that did not run between two moments.

        Args:
            start: begin of the window, in seconds since the epoch.
            end: end of the window, in seconds since the epoch.
        """
        return tuple(event for event in self.errors if event.ended < start or event.started > end)

    def acknowledged_before(self, moment: float) -> frozenset[int]:
        """Return the writes confirmed before a moment, in seconds since the epoch."""
        events = self.having(Outcome.ACKNOWLEDGED)
        return _numbers(tuple(event for event in events if event.ended < moment))

    def acknowledged_after(self, moment: float) -> frozenset[int]:
        """Return the confirmed writes that started after a moment, in seconds since the epoch."""
        events = self.having(Outcome.ACKNOWLEDGED)
        return _numbers(tuple(event for event in events if event.started > moment))

    @property
    def longest(self) -> float:
        """Duration in seconds of the slowest write or read; 0 without events."""
        return max((event.seconds for event in self.events), default=0.0)


def _numbers(events: tuple[Event, ...]) -> frozenset[int]:
    return frozenset(event.number for event in events if event.number is not None)
