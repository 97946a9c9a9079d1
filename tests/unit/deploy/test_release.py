"""The rules of `make release`; the whole of it is run when a release is made."""

import json
import subprocess
from datetime import date
from pathlib import Path

import pytest

from deploy.release.release import (
    CHANGELOG,
    COMPOSE_FILE,
    REPOSITORY,
    VERSION_FILE,
    ReleaseRefused,
    dated_changelog,
    refuse_unless_releasable,
    with_version,
    without_addresses,
)

_TEXT = """# Changelog

## [Unreleased]

### Added

- A thing.

## [0.9.0] - 2026-11-30

- Everything before it.
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.org")
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True)

    git("init", "--quiet")
    (tmp_path / CHANGELOG).write_text(_TEXT)
    code = tmp_path / VERSION_FILE
    code.parent.mkdir(parents=True)
    code.write_text('__version__ = "0.9.1.dev0"\n')
    git("add", "--all")
    git("commit", "--quiet", "-m", "Everything")
    git("tag", "v0.9.2")
    return tmp_path


@pytest.mark.parametrize("version", ["0.9.1", "0.10.0", "1.0.0"])
def test_a_newer_version_can_be_released(checkout: Path, version: str) -> None:
    refuse_unless_releasable(checkout, version)


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("", "not a version"),
        ("1.0", "not a version"),
        ("v1.0.0", "not a version"),
        ("1.0.0-rc1", "not a version"),
        ("01.0.0", "not a version"),
        ("1.0.0; true", "not a version"),
        ("0.9.0", "not newer than 0.9.0"),
        ("0.8.9", "not newer than 0.9.0"),
        ("0.9.2", "tag v0.9.2 exists"),
    ],
)
def test_other_versions_are_refused(checkout: Path, version: str, reason: str) -> None:
    with pytest.raises(ReleaseRefused, match=reason):
        refuse_unless_releasable(checkout, version)


def test_uncommitted_changes_are_refused(checkout: Path) -> None:
    (checkout / "note.txt").write_text("not committed")
    with pytest.raises(ReleaseRefused, match="uncommitted"):
        refuse_unless_releasable(checkout, "1.0.0")


def test_a_release_without_entries_is_refused(checkout: Path) -> None:
    text = _TEXT.replace("### Added\n\n- A thing.\n", "")
    (checkout / CHANGELOG).write_text(text)
    with pytest.raises(ReleaseRefused, match="no entries"):
        refuse_unless_releasable(checkout, "1.0.0")


def test_the_entries_get_a_dated_heading_below_an_empty_unreleased_section() -> None:
    dated = dated_changelog(_TEXT, "1.0.0", date(2027, 1, 2))
    headings = [line for line in dated.splitlines() if line.startswith("## ")]
    assert headings == [
        "## [Unreleased]",
        "## [1.0.0] - 2027-01-02",
        "## [0.9.0] - 2026-11-30",
    ]
    assert dated.index("- A thing.") > dated.index("## [1.0.0]")


def test_the_version_is_set_in_its_one_place() -> None:
    source = (REPOSITORY / VERSION_FILE).read_text()
    assert '__version__ = "1.2.3"\n' in with_version(source, "1.2.3")


def test_the_images_get_the_same_version() -> None:
    source = (REPOSITORY / COMPOSE_FILE).read_text()
    assert '        VERSION: "1.2.3"\n' in with_version(source, "1.2.3")


def test_an_sbom_does_not_say_where_packages_were_looked_up() -> None:
    component = {
        "name": "example",
        "description": "requirements line 3: example==1",
        "externalReferences": [{"type": "distribution", "url": "https://mirror.internal/simple"}],
    }
    written = json.loads(without_addresses(json.dumps({"components": [component]})))
    assert written == {"components": [{"name": "example"}]}
