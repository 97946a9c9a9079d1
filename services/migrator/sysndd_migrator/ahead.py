"""Definitions that are recorded as begun before their turn, which spares each a commit of its own.

The record that a definition was begun, with what the schema looked like before it, has to be durable
before it is sent. A transaction that is written anyway can carry the records of the definitions that
come next, so long as what they will find is known by then: nothing in between changes their table,
and nothing in between takes long enough for someone else to do so.

After a kill only the first unit that is not done can have been under way. Once a run has done
anything itself, whatever is still recorded as begun behind it was announced and never sent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sysndd_migrator.effect import ABSENT, commits_first, target_of
from sysndd_migrator.units import Unit

_MANY_ROWS = 100_000
_LONGEST = 20
_NOT_QUICK = re.compile(r"\b(?:rename|select|with|values|import|exchange)\b", re.IGNORECASE)

Key = tuple[str, int]


@dataclass
class Ahead:
    """What a run knows about the definitions that come next.

    Attributes:
        ran: whether this run has sent anything that counts as a unit.
        known: run id and position of what was announced → the fingerprint before it.
    """

    ran: bool = False
    known: dict[Key, str] = field(default_factory=dict)
    _doubtful: set[Key] = field(default_factory=set)
    _new: set[str] = field(default_factory=set)
    _rows: int = 0

    def chain(self, units: Iterator[tuple[str, Unit]]) -> Iterator[tuple[str, Unit]]:
        """Yield those of the coming units that can be announced now.

        Args:
            units: run id and unit, in the order in which they will be sent.
        """
        names: set[str] = set()
        for run_id, unit in units:
            target = target_of(unit)
            if target is None or not commits_first(unit) or target.bare.lower() in names:
                return
            names.add(target.bare.lower())
            yield run_id, unit
            if len(names) >= _LONGEST or not self._quick(unit):
                return

    def _quick(self, unit: Unit) -> bool:
        """Tell whether a unit changes one small table of this run and nothing else."""
        target = target_of(unit)
        if target is None or _NOT_QUICK.search(unit.statements[0].plain):
            return False
        creates = target.verb == "create" and not target.index
        return creates or target.bare.lower() in self._new

    def announce(self, run_id: str, unit: Unit, before: str) -> None:
        """Note that a unit is recorded as begun."""
        self.known[run_id, unit.first] = before
        self._doubtful.discard((run_id, unit.first))

    def doubt(self) -> None:
        """Use no announcement any more: their transaction may have been committed or not."""
        self._doubtful.update(self.known)
        self.known.clear()

    def unsent(self) -> list[Key]:
        """Return whatever may be recorded as begun and was never sent, and forget it."""
        self.doubt()
        keys = sorted(self._doubtful)
        self._doubtful.clear()
        return keys

    def take(self, run_id: str, unit: Unit) -> str | None:
        """Return what was announced of a unit that is sent now; None when nothing was."""
        self._doubtful.discard((run_id, unit.first))
        return self.known.pop((run_id, unit.first), None)

    def created(self, unit: Unit, before: str) -> None:
        """Note a definition that was done."""
        target = target_of(unit)
        if target is not None and target.verb == "create" and before == ABSENT:
            self._new.add(target.bare.lower())

    def filled(self, rows: int) -> None:
        """Note rows that were written: the tables of this run are small until they are many."""
        self._rows += rows
        if self._rows > _MANY_ROWS:
            self._new.clear()
            self._rows = 0
