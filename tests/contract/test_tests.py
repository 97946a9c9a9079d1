"""The tests themselves: what they may import, and where a reader finds them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lanes.catalog import LANES

REPOSITORY = Path(__file__).resolve().parents[2]
TESTS = REPOSITORY / "tests"
API = REPOSITORY / "services" / "api" / "sysndd_api"
# Starting, draining and stopping concern the API's process as a whole, not one of its packages.
API_FOLDERS_WITHOUT_PACKAGE = {"process"}


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the dotted name of every module that a file imports, or imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_test_module(name: str) -> bool:
    """Return whether ``name`` is a module of tests or of fixtures below the folder ``tests``."""
    module = TESTS.parent.joinpath(*name.split(".")).with_suffix(".py")
    collected = module.name.startswith("test_") or module.name == "conftest.py"
    return module.is_relative_to(TESTS) and module.is_file() and collected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tests.contract.test_tests", True),
        ("tests.conftest", True),
        ("tests.contract.test_tests.is_test_module", False),
        ("tests.support.servers", False),
        ("pytest", False),
    ],
)
def test_test_modules_are_recognised(name: str, expected: bool) -> None:
    assert is_test_module(name) is expected


def test_no_module_imports_a_test_module() -> None:
    """What two test modules share belongs in tests/support."""
    found = [
        f"{path.relative_to(REPOSITORY)} imports {name}"
        for path in sorted(TESTS.rglob("*.py"))
        for name in imported_modules(path)
        if is_test_module(name)
    ]
    assert found == []


def test_every_path_of_a_lane_exists() -> None:
    named = {
        word
        for lane in LANES
        for step in lane.steps
        for word in step.command
        if word.startswith("tests/")
    }
    assert len(named) > 5
    assert {word for word in named if not (REPOSITORY / word).exists()} == set()


@pytest.mark.parametrize("page", ["Makefile", "docs/testing.md", "docs/pages.md", "docs/schema.md"])
def test_every_test_module_that_a_page_names_exists(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    named = set(re.findall(r"\btests/[\w/]+\.py\b", text))
    assert {name for name in named if not (REPOSITORY / name).is_file()} == set()


@pytest.mark.parametrize("tier", ["unit", "integration"])
def test_folders_of_the_api_tests_are_packages_of_the_api(tier: str) -> None:
    folders = {
        path.relative_to(TESTS / tier / "api").parts[0]
        for path in (TESTS / tier / "api").rglob("test_*.py")
        if path.parent != TESTS / tier / "api"
    }
    assert folders
    packages = {path.parent.name for path in API.glob("*/__init__.py")}
    assert folders - packages <= API_FOLDERS_WITHOUT_PACKAGE
    assert not list((TESTS / tier / "api").glob("test_*.py")), "each test belongs in a folder"
