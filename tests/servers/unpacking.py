"""Unpacks the servers of a newer release into a cache, without changing the system.

apt resolves and verifies the packages with a separate state, as if nothing were installed. They are
unpacked and none of their scripts run. The programs are started through the C library that was
unpacked with them, so they need no chroot, no mount and no root.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers.recipes import Recipe

MIRROR_SETTING = "DEBIAN_MIRROR"
CACHE_SETTING = "TEST_SERVERS_DIR"

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# A root of another version of the recipe is deleted when it was unused for this long.
_KEPT_SECONDS = 14 * 24 * 3600
# Not needed at run time, and half of the files.
_UNNEEDED = ("doc", "man", "locale", "perl", "info", "lintian", "gdb", "gcc")


class NotUnpacked(Exception):
    """The servers cannot be unpacked on this machine; the message explains why and what to do."""


def unpacked(recipe: Recipe) -> Path:
    """Return the folder with a recipe's programs; the first call downloads and unpacks them.

    Arguments:
        recipe: what to unpack.

    Returns:
        A folder whose ``bin`` and ``sbin`` belong in front of the PATH.

    Raises:
        NotUnpacked: no Debian, no mirror, no network, or not the requested version.
    """
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"{recipe.name}-{_fingerprint(recipe)}"
    with _locked(cache / f"{recipe.name}.lock"):
        if not folder.is_dir():
            _remove_leftovers(cache, recipe)
            with tempfile.TemporaryDirectory(prefix=f".{recipe.name}.", dir=cache) as partial:
                _build(recipe, Path(partial), folder)
                Path(partial, "prefix").rename(folder)
        os.utime(folder)
    return folder


def cache_directory() -> Path:
    """Return the cache folder of unpacked servers."""
    chosen = os.environ.get(CACHE_SETTING)
    if chosen:
        return Path(chosen).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "sysndd" / "servers"


def _fingerprint(recipe: Recipe) -> str:
    """Return a hash of everything that determines what is unpacked; another hash unpacks again."""
    text = repr(recipe) + platform.machine() + Path(__file__).read_text(encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Let one process at a time unpack; the kernel releases the lock of a killed process."""
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _remove_leftovers(cache: Path, recipe: Recipe) -> None:
    for partial in cache.glob(f".{recipe.name}.*"):
        shutil.rmtree(partial, ignore_errors=True)
    for old in cache.glob(f"{recipe.name}-*"):
        if time.time() - old.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)


def _build(recipe: Recipe, partial: Path, final: Path) -> None:
    """Create ``partial/prefix``; the programs in it refer to each other by their ``final`` path."""
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        raise NotUnpacked(
            f"{recipe.name} is unpacked from Debian's packages, and this machine has no"
            f" {' and no '.join(missing)}: run this on Debian, or name a server of your own by"
            " TEST_DATABASE_URL and run `make test`."
        )
    prefix = partial / "prefix"
    root = prefix / "root"
    root.mkdir(parents=True)
    for package in download(recipe, partial):
        _run(["dpkg-deb", "--extract", str(package), str(root)])
    for name in _UNNEEDED:
        shutil.rmtree(root / "usr" / "share" / name, ignore_errors=True)
    for name in ("lib", "share"):
        (prefix / name).symlink_to(Path("root", "usr", name))
    _write_programs(recipe, prefix, final)
    _check_version(recipe, prefix, final)


# --- From the distribution's mirror ---------------------------------------------------------------


def download(recipe: Recipe, partial: Path) -> list[Path]:
    """Download the packages and their dependencies; return the files."""
    failures: list[str] = []
    for mirror in mirrors():
        apt = _private_apt(partial, mirror, recipe.suite)
        try:
            _run([*apt, "update"])
            _run(
                [
                    *apt,
                    "--yes",
                    "--no-install-recommends",
                    "--download-only",
                    "install",
                    *recipe.packages,
                ]
            )
        except NotUnpacked as failure:
            failures.append(f"{mirror}: {failure}")
        else:
            return sorted((partial / "apt" / "cache" / "archives").glob("*.deb"))
    raise NotUnpacked(
        f"{recipe.name}: the distribution's mirror does not give out the release {recipe.suite};"
        f" another one can be named by {MIRROR_SETTING}=<address>.\n" + "\n".join(failures)
    )


def mirrors() -> list[str]:
    """Return the Debian mirrors of this machine's apt sources, or the one of ``DEBIAN_MIRROR``."""
    chosen = os.environ.get(MIRROR_SETTING)
    if chosen:
        return [chosen]
    release = platform.freedesktop_os_release()
    if release.get("ID") != "debian":
        raise NotUnpacked(
            f"This machine runs {release.get('PRETTY_NAME', 'something')}, not Debian, so its"
            f" package sources name no mirror of Debian. Name one: {MIRROR_SETTING}=<address>"
        )
    listed = _run(
        [
            "apt-get",
            "indextargets",
            "--no-release-info",
            "--format",
            "$(REPO_URI) $(CODENAME) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ]
    )
    own = {release.get("VERSION_CODENAME", "sid"), "stable", "testing", "unstable", "sid"}
    found = []
    for line in listed.splitlines():
        mirror, *releases, component = line.split()
        if component == "main" and own & set(releases):
            found.append(mirror)
    if not found:
        raise NotUnpacked(
            "apt's sources (/etc/apt/sources.list and sources.list.d) name no mirror of"
            f" {release.get('PRETTY_NAME')} with the component main. Add one, or name it:"
            f" {MIRROR_SETTING}=<address>"
        )
    return list(dict.fromkeys(found))


def _private_apt(partial: Path, mirror: str, suite: str) -> list[str]:
    """Configure an apt with one mirror and one release, for which no package is installed."""
    state = partial / "apt"
    shutil.rmtree(state, ignore_errors=True)
    for folder in ("lists/partial", "cache/archives/partial", "none"):
        (state / folder).mkdir(parents=True)
    (state / "status").touch()
    # The Release file of a stale mirror is past its Valid-Until date.
    options = ["check-valid-until=no", "target=Packages"]
    if _KEYRING.exists():
        options.append(f"signed-by={_KEYRING}")
    (state / "sources.list").write_text(f"deb [{' '.join(options)}] {mirror} {suite} main\n")
    settings = {
        "Dir::Etc::SourceList": state / "sources.list",
        "Dir::Etc::SourceParts": state / "none",
        "Dir::Etc::Preferences": state / "none" / "preferences",
        "Dir::Etc::PreferencesParts": state / "none",
        "Dir::State": state,
        "Dir::State::Status": state / "status",
        "Dir::State::Lists": state / "lists",
        "Dir::Cache": state / "cache",
        "Dir::Log": state,
        # The unprivileged user with which root's apt downloads cannot write here.
        "APT::Sandbox::User": "",
        # Hooks of the system's apt cache.
        "APT::Update::Post-Invoke": "",
        # Without it, an unreachable mirror is only a warning.
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
    }
    return ["apt-get", "--quiet", *(f"--option={name}={value}" for name, value in settings.items())]


# --- The programs ---------------------------------------------------------------------------------


def _write_programs(recipe: Recipe, prefix: Path, final: Path) -> None:
    """Write the scripts that start the programs with their unpacked C library."""
    root = prefix / "root"
    loader = _only(root, "usr/lib*/ld-linux*.so.*")
    libraries = _only(root, "usr/lib/*/libc.so.6").parent
    for folder in ("bin", "sbin"):
        (prefix / folder).mkdir()
    for path, added in recipe.programs:
        program = root / path
        if not program.is_file():
            raise NotUnpacked(f"{recipe.name}: {path} is in none of {' '.join(recipe.packages)}")
        target = final / "root" / path
        command = f"'{target}'"
        with program.open("rb") as file:
            is_script = file.read(2) == b"#!"
        if not is_script:
            command = (
                f"'{final / loader.relative_to(prefix)}'"
                f" --library-path '{final / libraries.relative_to(prefix)}'"
                f" --argv0 '{target}' '{target}'"
            )
        script = prefix / Path(path).relative_to("usr")
        script.write_text(f'#!/bin/sh\nexec {command} "$@" {added.format(prefix=final)}\n')
        script.chmod(0o755)


def _only(root: Path, pattern: str) -> Path:
    found = sorted(root.glob(pattern))
    if not found:
        raise NotUnpacked(f"the packages hold no {pattern}: another layout than Debian's?")
    return found[0]


def _check_version(recipe: Recipe, prefix: Path, final: Path) -> None:
    """Refuse a release with a newer series: the tests are for this one."""
    server = prefix / "sbin" / recipe.server_program
    here = server.read_text(encoding="utf-8").replace(str(final), str(prefix))
    version = _run(["sh", "-c", here, recipe.server_program, "--no-defaults", "--version"])
    if f"Ver {recipe.series}" not in version:
        raise NotUnpacked(
            f"{recipe.name}: the release {recipe.suite} now has {version.strip()!r}, not"
            f" {recipe.series}x. Change tests/servers/recipes.py to what is to be tested, or name a"
            f" mirror that still has it by {MIRROR_SETTING}=<address>."
        )


def _run(command: list[str]) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        shown = " ".join(word for word in command if not word.startswith("--option="))
        raise NotUnpacked(f"{shown} failed:\n{said}")
    return done.stdout
