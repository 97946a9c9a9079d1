"""The documentation matches the code: every setting, route, job and error code."""

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysndd_core import __version__
from tests.support.runbooks import FOLDER as RUNBOOKS
from tests.support.runbooks import commands

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    path
    for pattern in ("*.md", "docs/**/*.md", "packages/*/*.md", "services/*/*.md")
    for path in sorted(REPOSITORY.glob(pattern))
]
CODE = ("packages", "services", "deploy", "proxy", "tests")
# A longer page is not a runbook that can be followed under pressure.
RUNBOOK_LINES = 120


def test_generated_pages_are_current() -> None:
    specification = importlib.util.spec_from_file_location(
        "generate", REPOSITORY / "docs" / "generate.py"
    )
    assert specification is not None
    assert specification.loader is not None
    generate = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(generate)
    stale = [
        path.name
        for path, text in generate.rendered().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run: make docs"


def test_every_link_leads_to_an_existing_page_and_heading() -> None:
    broken = [
        f"{page.relative_to(REPOSITORY)}: {target}"
        for page in PAGES
        for target in links(page)
        if not exists(page, target)
    ]
    assert broken == []


def test_docs_name_only_versions_with_a_changelog_heading() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    # The version in the code has its heading as soon as it is released.
    known = {*re.findall(r"^## \[(\d+\.\d+\.\d+)\]", changelog, re.MULTILINE)}
    known.add(__version__.partition(".dev")[0])
    named = {
        version
        for page in PAGES
        for version in re.findall(
            r"(?:SYSNDD_VERSION=|checkout v)(\d+\.\d+\.\d+)", page.read_text(encoding="utf-8")
        )
    }
    assert named
    assert named <= known


def test_pages_named_in_the_code_exist() -> None:
    missing = [
        f"{path.relative_to(REPOSITORY)}: {name}"
        for folder in CODE
        for path in sorted((REPOSITORY / folder).rglob("*"))
        if path.suffix in {".py", ".sh", ".yml", ".sql"}
        for name in re.findall(r"\bdocs/[\w/.-]+\.md\b", path.read_text("utf-8", "ignore"))
        if not (REPOSITORY / name).is_file()
    ]
    assert missing == []


def test_a_runbook_is_short() -> None:
    lengths = {
        path.name: len(path.read_text(encoding="utf-8").splitlines())
        for path in RUNBOOKS.glob("*.md")
    }
    assert {name for name, lines in lengths.items() if lines > RUNBOOK_LINES} == set()


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_commands_of_a_runbook_are_valid_shell(page: Path) -> None:
    blocks = re.findall(r"^```sh\n(.+?)^```$", page.read_text("utf-8"), re.DOTALL | re.M)
    assert blocks
    for block in blocks:
        parsed = subprocess.run(
            ["sh", "-n"], input=block, capture_output=True, text=True, check=False
        )
        assert parsed.returncode == 0, f"{block}{parsed.stderr}"


@pytest.mark.parametrize(
    ("page", "heading", "count"),
    [
        ("first-deployment.md", "Deploy", 7),
        ("upgrade.md", "Upgrade", 5),
        ("upgrade.md", "Rollback", 3),
        ("restore.md", "Restore drill", 5),
        ("rotate-secrets.md", "Rotate secrets", 2),
    ],
)
def test_the_sections_that_container_tests_run_have_all_their_commands(
    page: str, heading: str, count: int
) -> None:
    assert len(commands(page, heading)) == count


def links(page: Path) -> Iterator[str]:
    """Yield the targets inside this repository that a page links to; code blocks are left out."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            yield target


def exists(page: Path, target: str) -> bool:
    """Return whether the target of a link exists."""
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.exists():
        return False
    return not anchor or anchor in anchors(path)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
