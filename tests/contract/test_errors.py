"""Error codes are unique, and the tree in the module's docstring matches the classes."""

import re
from pathlib import Path

from sysndd_core import errors

REPOSITORY = Path(__file__).resolve().parents[2]


def test_codes_are_unique() -> None:
    codes = [error.code for error in errors.all_errors()]
    assert len(set(codes)) == len(codes)


def test_the_tree_in_the_docstring_matches_the_classes() -> None:
    drawn = re.findall(r"^[│├└─ ]*(\w+)\s{2,}(\w+)", errors.__doc__ or "", re.M)
    real = [
        (error.__name__, error.code)
        for error in errors.all_errors()
        if error.__module__ == errors.__name__
    ]
    assert drawn == real


def test_titles_are_phrases_and_details_are_sentences() -> None:
    for error in errors.all_errors():
        assert error.title[0].isupper(), error
        assert not error.title.endswith((".", "!")), error
        if error.default_detail is not None:
            assert error.default_detail[0].isupper(), error
            assert error.default_detail.endswith("."), error


def test_no_error_inherits_the_detail_of_its_group() -> None:
    inherited = [
        error.__name__
        for error in errors.all_errors()
        if error.default_detail is not None and "default_detail" not in vars(error)
    ]
    assert inherited == []


def test_every_documented_error_is_raised_somewhere() -> None:
    """The documentation lists every code, so a code that nothing raises would mislead."""
    sources = [
        path.read_text(encoding="utf-8")
        for folder in ("packages", "services")
        for path in (REPOSITORY / folder).rglob("*.py")
        if path.name != "errors.py" or path.parent.name == "web"
    ]
    text = "\n".join(sources)
    # A class with subclasses is a group; only the leaves of the tree must be raised.
    ends = [
        error
        for error in errors.all_errors()
        if error.__module__ == errors.__name__ and not error.__subclasses__()
    ]
    unused = [error.__name__ for error in ends if not re.search(rf"\b{error.__name__}\b", text)]
    assert unused == []
