"""The tables and views that the application schema must have.

What must exist is read from the platform schema, which survives the loss of the application
schema. For a managed schema that is the latest of two records:

- the objects after the last migration run, which the migrator records (``schema_object``). A table
  that a migration drops is not in the next record, and a table that was dropped by hand stays in
  it until ``sysndd-migrator up --accept-drift``;
- the tables of the last restore, in its journal. An undo returns to the record before it.

Manifests of backups are not used for this: a migration after the backup may have dropped a table.
Between a migration that stopped halfway and its completion no record applies, and the pending
migration is reported instead. In a schema that is only observed, the site's own program may drop
tables, so a table of the latest backup that no longer exists is a warning. The schema itself must
exist in both modes as soon as the platform schema knows the site.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Recorded:
    """The record of the last migration run.

    Attributes:
        names: Names of tables, views and sequences; None until the run is complete.
        views: Those that are views.
    """

    recorded_at: datetime
    names: frozenset[str] | None
    views: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Swap:
    """A completed restore or undo, with the tables that became live; an undo does not list them."""

    is_undo: bool
    started_at: datetime
    finished_at: datetime
    tables: frozenset[str]


@dataclass(frozen=True)
class Existing:
    """What the application schema has.

    Attributes:
        names: Names of its tables, views and sequences.
        tables: Names of its tables alone, ordered.
        ignores_case: Whether the server compares names of tables without regard to case.
    """

    names: frozenset[str]
    tables: tuple[str, ...]
    ignores_case: bool


@dataclass(frozen=True)
class Expected:
    """What the application schema must have.

    Attributes:
        site_known: Whether the platform schema knows the site, so that its schema must exist.
        names: Names of the tables and views that must exist.
        views: Names that are those of views.
    """

    site_known: bool = False
    names: frozenset[str] = frozenset()
    views: frozenset[str] = frozenset()

    def missing_in(self, there: Existing) -> tuple[str, ...]:
        """Return the names that do not exist, ordered."""
        if not there.ignores_case:
            return tuple(sorted(self.names - there.names))
        folded = {name.casefold() for name in there.names}
        return tuple(sorted(name for name in self.names if name.casefold() not in folded))


def expected_names(recorded: Recorded | None, swaps: Sequence[Swap]) -> frozenset[str]:
    """Return the names that must exist, from the record that describes the current tables.

    Args:
        recorded: The objects after the last migration run, if there was one.
        swaps: Completed restores and undos, in their order.

    Returns:
        Empty if no record describes the current tables: a migration is running or stopped halfway,
        or an undo has returned to tables from before the last migration run.
    """
    restores: list[Swap] = []
    undone: list[tuple[datetime, datetime]] = []
    for swap in swaps:
        if not swap.is_undo:
            restores.append(swap)
        elif restores:
            undone.append((restores.pop().started_at, swap.finished_at))
    origin = restores[-1] if restores else None
    if recorded is None or (origin is not None and recorded.recorded_at < origin.finished_at):
        return origin.tables if origin is not None else frozenset()
    if recorded.names is None or any(
        since < recorded.recorded_at < until for since, until in undone
    ):
        return frozenset()
    return recorded.names
