"""No file uses a word that docs/glossary.md rejects, and lines of pages are short."""

import functools
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
GLOSSARY = REPOSITORY / "docs" / "glossary.md"
_MAX_LINE_LENGTH = 100
_SUFFIXES = {
    ".py", ".md", ".html", ".txt", ".css", ".js", ".sql", ".sh", ".yml", ".yaml", ".toml", ".cnf",
    ".conf", ".in", ".example", "",
}  # fmt: skip
# Text of others: vendored files, other tools' formats, SQL that the splitter must read unchanged.
_WRITTEN_BY_OTHERS = (
    "vendored/",
    "tests/unit/migrator/corpus/",
    "tests/data/releases/",
    "deploy/release/sbom/",
    ".NOTICE",
)
_ROW = re.compile(r"^\| (`.+`) \| .* \|$")


def rejected_patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    """Yield every pattern of part 2 of the glossary."""
    text = GLOSSARY.read_text(encoding="utf-8")
    _, _, part = text.partition("\n## 2. ")
    part, _, _ = part.partition("\n## 3. ")
    for line in part.splitlines():
        row = _ROW.match(line)
        if row is None:
            continue
        cell = re.split(r"(?<!\\)\|", line)[1].strip()
        source = cell.strip("`").replace(r"\|", "|")
        yield source, re.compile(source, re.IGNORECASE)


@functools.cache
def written_files() -> Mapping[Path, str]:
    """Return the text of each file that is written in this repository."""
    listed = subprocess.run(
        ["git", "-C", REPOSITORY, "ls-files", "-co", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    paths = [REPOSITORY / name for name in listed.stdout.splitlines()]
    return {
        path: path.read_text(encoding="utf-8")
        for path in paths
        if path.is_file()
        and path.suffix in _SUFFIXES
        and path != GLOSSARY
        and not any(part in path.as_posix() for part in _WRITTEN_BY_OTHERS)
    }


def test_the_glossary_has_patterns() -> None:
    assert len(list(rejected_patterns())) > 50


@pytest.mark.parametrize(
    ("source", "pattern"),
    list(rejected_patterns()),
    ids=[source for source, _ in rejected_patterns()],
)
def test_a_rejected_word_appears_nowhere(source: str, pattern: re.Pattern[str]) -> None:
    found = []
    for path, text in written_files().items():
        where = path.relative_to(REPOSITORY)
        if pattern.search(str(where)):
            found.append(f"{where}: the file's name")
        if pattern.search(text) is None:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if pattern.search(line):
                found.append(f"{where}:{number}: {line.strip()[:100]}")
    assert not found, f"{source} (docs/glossary.md):\n" + "\n".join(found)


@pytest.mark.parametrize(
    "page", [path for path in written_files() if path.suffix == ".md"], ids=lambda page: page.name
)
def test_lines_of_a_page_are_at_most_100_characters(page: Path) -> None:
    quoted, too_wide = False, []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            quoted = not quoted
        # A table row and a program's output can't be wrapped.
        elif not quoted and not line.startswith("|") and len(line) > _MAX_LINE_LENGTH:
            too_wide.append(f"{number}: {len(line)} characters")
    assert not too_wide
