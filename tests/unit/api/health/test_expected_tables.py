"""Which record describes the current tables, after migrations, restores and undos."""

from datetime import UTC, datetime, timedelta

from sysndd_api.health.expected_tables import Recorded, Swap, expected_names

START = datetime(2026, 11, 1, tzinfo=UTC)


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def recorded(minute: int, *names: str) -> Recorded:
    return Recorded(at(minute), frozenset(names))


def restore(minute: int, *tables: str) -> Swap:
    return Swap(False, at(minute), at(minute + 1), frozenset(tables))


def undo(minute: int) -> Swap:
    return Swap(True, at(minute), at(minute + 1), frozenset())


def test_without_a_restore_the_last_migration_counts() -> None:
    assert expected_names(recorded(0, "gene"), []) == {"gene"}


def test_nothing_is_expected_without_a_record() -> None:
    assert expected_names(None, []) == frozenset()


def test_nothing_is_expected_while_a_migration_is_incomplete() -> None:
    assert expected_names(Recorded(at(9), None), [restore(1, "gene")]) == frozenset()
    # The restore has replaced what the migration left incomplete.
    assert expected_names(Recorded(at(0), None), [restore(1, "gene")]) == {"gene"}


def test_a_later_restore_counts_and_a_later_migration_counts_again() -> None:
    swaps = [restore(1, "older")]
    assert expected_names(recorded(0, "gene"), swaps) == {"older"}
    assert expected_names(recorded(5, "newer"), swaps) == {"newer"}


def test_an_undo_returns_to_the_record_before_the_restore() -> None:
    assert expected_names(recorded(0, "gene"), [restore(1, "older"), undo(3)]) == {"gene"}
    swaps = [restore(1, "first"), restore(3, "second"), undo(5)]
    assert expected_names(recorded(0, "gene"), swaps) == {"first"}


def test_a_migration_between_a_restore_and_its_undo_does_not_count_after_the_undo() -> None:
    swaps = [restore(1, "older"), undo(5)]
    assert expected_names(recorded(3, "newer"), swaps) == frozenset()
    assert expected_names(recorded(5, "newer"), [restore(1, "a"), restore(3, "b"), undo(7)]) == (
        frozenset()
    )
    assert expected_names(recorded(9, "newest"), swaps) == {"newest"}
