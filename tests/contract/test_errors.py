"""Error codes are stable names: unique, and the tree in the module's docstring is the real one."""

import re

from sysndd_core import errors


def test_codes_are_unique() -> None:
    codes = [error.code for error in errors.all_errors()]
    assert len(set(codes)) == len(codes)


def test_the_drawn_tree_is_the_real_one() -> None:
    drawn = re.findall(r"^[│├└─ ]*(\w+)\s{2,}(\w+)", errors.__doc__ or "", re.M)
    real = [
        (error.__name__, error.code)
        for error in errors.all_errors()
        if error.__module__ == errors.__name__
    ]
    assert drawn == real
