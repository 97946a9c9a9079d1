"""The condition of a list: what is bound, and what a person's text may not do in a pattern."""

import pytest

from sysndd_api.web.search import build_filter


def test_without_criteria_everything_matches() -> None:
    assert build_filter({}, search=None, columns=("name",)) == ("TRUE", ())
    assert build_filter({"state": None}, search="", columns=("name",)) == ("TRUE", ())


def test_values_are_bound_in_the_order_of_their_columns() -> None:
    condition, arguments = build_filter(
        {"state": "active", "role": None, "kind": "x"}, search=None, columns=()
    )
    assert condition == "TRUE AND state = %s AND kind = %s"
    assert arguments == ("active", "x")


@pytest.mark.parametrize("value", [0, False, ""])
def test_a_false_value_is_a_criterion_and_only_none_is_not(value: object) -> None:
    assert build_filter({"pinned": value}, search=None, columns=()) == (
        "TRUE AND pinned = %s",
        (value,),
    )


def test_text_is_searched_in_any_of_the_columns_and_all_of_the_criteria() -> None:
    condition, arguments = build_filter({"state": "active"}, search="x", columns=("a", "b"))
    assert condition == ("TRUE AND state = %s AND (a LIKE %s ESCAPE '!' OR b LIKE %s ESCAPE '!')")
    assert arguments == ("active", "%x%", "%x%")


@pytest.mark.parametrize(
    ("search", "pattern"),
    [
        ("100%", "%100!%%"),
        ("a_b", "%a!_b%"),
        ("wow!", "%wow!!%"),
        ("!%", "%!!!%%"),
        # No escape character of LIKE while ESCAPE names another one.
        ("a\\b", "%a\\b%"),
        ("' OR TRUE -- ", "%' OR TRUE -- %"),
        (" ", "% %"),
    ],
)
def test_characters_of_patterns_are_searched_for_themselves(search: str, pattern: str) -> None:
    condition, arguments = build_filter({}, search=search, columns=("name",))
    assert arguments == (pattern,)
    assert condition == "TRUE AND (name LIKE %s ESCAPE '!')"
