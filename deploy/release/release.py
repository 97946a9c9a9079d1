"""``make release VERSION=…``: one commit and one annotated tag that make this tree a release.

Checks that nothing is uncommitted, sets the version in the code and in the Compose file, dates the
changelog's section, writes lock files and SBOMs anew, records an installation of this release for
the upgrade tests of later ones, commits, tags, and prints how to push. It pushes nothing. After any
failure ``git reset --hard`` gives back what was there, and it says so.

Sources: Semantic Versioning 2.0.0; Keep a Changelog 1.1.0; CycloneDX 1.6.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
VERSION_FILE = Path("packages/core/sysndd_core/__init__.py")
COMPOSE_FILE = Path("docker-compose.yml")
CHANGELOG = Path("CHANGELOG.md")
SBOMS = Path("deploy/release/sbom")
SERVICES = ("api", "backup-worker", "mailer", "migrator")
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_ASSIGNED = re.compile(r'^(__version__ = | +VERSION: )"[^"]+"$', re.MULTILINE)
_UNRELEASED = "## [Unreleased]"
_SECTION = re.compile(r"^## \[([^\]]+)\]", re.MULTILINE)


class ReleaseRefused(Exception):
    """The tree can't be released as it is; the message says what to do."""


def main(arguments: list[str]) -> int:
    """Release, or say why not; return the exit code."""
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("version", help="such as 0.9.0")
    parser.add_argument("--repository", type=Path, default=REPOSITORY, help="the checkout")
    parser.add_argument("--sbom-tool", required=True, help="path of cyclonedx-py")
    options = parser.parse_args(arguments)
    repository: Path = options.repository
    try:
        refuse_unless_releasable(repository, options.version)
    except ReleaseRefused as reason:
        print(f"release: {reason}", file=sys.stderr)
        return 1
    try:
        _change(repository, options.version, options.sbom_tool)
    except subprocess.CalledProcessError as failure:
        print(
            f"release: `{' '.join(map(str, failure.cmd))}` failed; nothing was tagged."
            " Return to the last commit with: git reset --hard",
            file=sys.stderr,
        )
        return 1
    print(
        f"v{options.version} is committed and tagged. Publish it with:\n\n"
        f"    git push origin HEAD v{options.version}\n"
    )
    return 0


def refuse_unless_releasable(repository: Path, version: str) -> None:
    """Check everything that can be known before a file changes.

    Raises:
        ReleaseRefused: the version is not a new one, something is uncommitted, the changelog has
            nothing to release, or the tag exists.
    """
    if _VERSION.fullmatch(version) is None:
        raise ReleaseRefused(f"{version} is not a version of the form MAJOR.MINOR.PATCH.")
    text = (repository / CHANGELOG).read_text(encoding="utf-8")
    released = [one for one in _SECTION.findall(text) if _VERSION.fullmatch(one)]
    newest = max(map(_numbers, released), default=(0, 0, 0))
    if _numbers(version) <= newest:
        last = ".".join(map(str, newest))
        raise ReleaseRefused(f"{version} is not newer than {last}, the last release.")
    if not _unreleased(text).strip():
        raise ReleaseRefused(f"{CHANGELOG} has no entries below {_UNRELEASED}; write them first.")
    if _git(repository, "status", "--porcelain"):
        raise ReleaseRefused("There are uncommitted changes; commit or stash them first.")
    if _git(repository, "tag", "--list", f"v{version}"):
        raise ReleaseRefused(f"The tag v{version} exists already.")


def dated_changelog(text: str, version: str, day: date) -> str:
    """Give the unreleased entries a dated heading, below an empty section for what comes next."""
    return text.replace(_UNRELEASED, f"{_UNRELEASED}\n\n## [{version}] - {day.isoformat()}", 1)


def with_version(text: str, version: str) -> str:
    """Return the content of ``VERSION_FILE`` or ``COMPOSE_FILE`` with another version."""
    changed, count = _ASSIGNED.subn(rf'\g<1>"{version}"', text)
    assert count == 1, f"not one version, but {count}"
    return changed


def without_addresses(sbom: str) -> str:
    """Take out of an SBOM where the packages were looked up: that is the machine's business."""

    def kept(value: dict[str, Any]) -> dict[str, Any]:
        # A requirement's description is its line of the lock file.
        return {k: v for k, v in value.items() if k not in {"externalReferences", "description"}}

    return json.dumps(json.loads(sbom, object_hook=kept), indent=2, sort_keys=True) + "\n"


def _change(repository: Path, version: str, sbom_tool: str) -> None:
    for file in (repository / VERSION_FILE, repository / COMPOSE_FILE):
        file.write_text(with_version(file.read_text(encoding="utf-8"), version), encoding="utf-8")
    changelog, today = repository / CHANGELOG, datetime.now(UTC).date()
    dated = dated_changelog(changelog.read_text(encoding="utf-8"), version, today)
    changelog.write_text(dated, encoding="utf-8")
    subprocess.run(["bash", "requirements/compile.sh"], cwd=repository, check=True)
    for service in SERVICES:
        _write_sbom(repository, service, sbom_tool)
    _record_installation(repository, version)
    _git(repository, "add", "--all")
    _git(repository, "commit", "--quiet", "-m", f"Release {version}")
    _git(repository, "tag", "--annotate", f"v{version}", "-m", f"Release {version}")


def _write_sbom(repository: Path, service: str, sbom_tool: str) -> None:
    lock = repository / "services" / service / "requirements.lock"
    pyproject = repository / "services" / service / "pyproject.toml"
    made = subprocess.run(
        [sbom_tool, "requirements", lock, "--pyproject", pyproject, "--output-reproducible"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    target = repository / SBOMS / f"sysndd-{service}.cdx.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(without_addresses(made.stdout), encoding="utf-8")


def _record_installation(repository: Path, version: str) -> None:
    """Record data of this release on the installed MariaDB and on MySQL."""
    record = (sys.executable, "-m", "tests.releases", version)
    on_mysql = (sys.executable, "-m", "tests.servers", "mysql-9.7", "--", *record)
    environ = os.environ | {"PYTHONPATH": f"deploy/local{os.pathsep}."}
    for command in (record, on_mysql):
        subprocess.run(command, cwd=repository, env=environ, check=True)


def _unreleased(text: str) -> str:
    """Return the entries of the section that is not released yet."""
    _, _, rest = text.partition(_UNRELEASED)
    following = _SECTION.search(rest)
    return rest[: following.start()] if following else rest


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", repository, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
