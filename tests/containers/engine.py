"""The container engine of these tests: an installed one that can pull images, else a private one.

Our own is the distribution's ``dockerd``, started as a child of the lane with its data, socket and
process id in one folder below the user's cache, and the Compose plugin beside it. What was built
there stays for the next run.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.servers.recipes import Recipe
from tests.servers.unpacking import NotUnpacked, download

ENGINE_SETTING = "TEST_ENGINE_DIR"
_PACKAGES = {"dockerd": "docker.io", "iptables": "iptables", "debootstrap": "debootstrap"}
# Older ones have no `required: false` of env_file.
_COMPOSE = Recipe(
    name="compose",
    series="2.",
    suite="trixie",
    packages=("docker-compose",),
    programs=(),
    flavour="",
)
_START_SECONDS = 60
_STOP_SECONDS = 60


class NoEngine(Exception):
    """No engine can be had on this machine; the message says what is missing."""


@dataclass(frozen=True)
class Engine:
    """A running engine.

    Attributes:
        environ: what ``docker`` and ``docker compose`` need to reach it.
        is_ours: started by the lane, so nothing in it is anybody else's.
    """

    environ: dict[str, str]
    is_ours: bool

    def docker(
        self, *arguments: str | Path, seconds: float = 600, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run the client, bounded in time.

        Raises:
            NoEngine: it failed; the message holds what it said.
        """
        command = ["docker", *map(str, arguments)]
        done = subprocess.run(
            command, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=seconds, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise NoEngine(
                f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done


@contextlib.contextmanager
def engine() -> Iterator[Engine]:
    """Yield an engine with Compose; one of our own is stopped at the end, by its process id.

    Raises:
        NoEngine: there is none that pulls, and none can be started here.
    """
    theirs = _that_pulls()
    if theirs is not None:
        yield theirs
        return
    if os.geteuid() != 0:
        raise NoEngine(
            "No container engine answers here, or it pulls no images, and this is not root: an engine"
            " of our own can't be started. Start Docker (20.10 or later, Compose 2.24 or later) with"
            " a registry in reach, or run this as root on Debian."
        )
    folder = cache_directory()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        # Two engines would share bridges and packet filters.
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install_programs()
        environ = _environment(folder)
        with _running(folder):
            ours = Engine(environ, is_ours=True)
            _wait_until_ready(ours, folder)
            _remove_leftovers(ours)
            yield ours
            _remove_leftovers(ours)


def cache_directory() -> Path:
    """Return where our engine keeps its data."""
    chosen = os.environ.get(ENGINE_SETTING)
    if chosen:
        return Path(chosen).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "sysndd" / "engine"


def _that_pulls() -> Engine | None:
    """Return the engine of this machine when it has Compose and reaches a registry."""
    theirs = Engine(dict(os.environ), is_ours=False)
    with contextlib.suppress(NoEngine, OSError, subprocess.TimeoutExpired):
        theirs.docker("info", seconds=20)
        theirs.docker("compose", "version", seconds=20)
        theirs.docker("pull", "--quiet", "redis:8.0", seconds=180)
        return theirs
    return None


def _install_programs() -> None:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [package for name, package in _PACKAGES.items() if not shutil.which(name, path=path)]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise NoEngine(f"These are missing, and there is no apt-get: {' '.join(missing)}")
    # Asked by invoke-rc.d whether a package may start its service; 101 means no.
    policy = Path("/usr/sbin/policy-rc.d")
    is_ours = not policy.exists()
    if is_ours:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    install = ["apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends",
               "install", *missing]  # fmt: skip
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        if subprocess.run(install, env=environ, capture_output=True, check=False).returncode != 0:
            subprocess.run(["apt-get", "-q", "update"], capture_output=True, check=False)
            done = subprocess.run(install, env=environ, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise NoEngine(f"{' '.join(install)} failed:\n{done.stderr[-2000:]}")
    finally:
        if is_ours:
            policy.unlink()


def _environment(folder: Path) -> dict[str, str]:
    """Return the clients' environment; the Compose plugin is put in place once."""
    plugin = folder / "client" / "cli-plugins" / "docker-compose"
    if not plugin.exists():
        plugin.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as partial:
            try:
                packages = download(_COMPOSE, Path(partial))
            except NotUnpacked as failure:
                raise NoEngine(f"The Compose plugin can't be had: {failure}") from failure
            (package,) = [path for path in packages if path.name.startswith("docker-compose_")]
            subprocess.run(
                ["dpkg-deb", "--extract", str(package), str(Path(partial, "root"))], check=True
            )
            (program,) = Path(partial, "root").rglob("cli-plugins/docker-compose")
            program.rename(plugin)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("DOCKER_")},
        "DOCKER_HOST": f"unix://{folder / 'docker.sock'}",
        "DOCKER_CONFIG": str(folder / "client"),
        # The distribution has no BuildKit.
        "DOCKER_BUILDKIT": "0",
        "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
    }


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[None]:
    for name in ("docker.pid", "docker.sock"):
        (folder / name).unlink(missing_ok=True)
    with (folder / "dockerd.log").open("w") as log:
        command = ["dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec",
                   "--pidfile", folder / "docker.pid", "--host", f"unix://{folder / 'docker.sock'}"]  # fmt: skip
        process = subprocess.Popen(
            list(map(str, command)),
            env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            preexec_fn=_ended_with_parent,  # noqa: PLW1509 - one system call, no lock taken
        )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ended_with_parent() -> None:
    """Runs in the child before its program: should the lane be killed, the engine stops too."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _wait_until_ready(ours: Engine, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while ours.docker("info", seconds=20, check=False).returncode != 0:
        if time.monotonic() > deadline:
            said = (folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")[-2000:]
            raise NoEngine(f"dockerd does not answer after {_START_SECONDS} s. It says:\n{said}")
        time.sleep(0.2)


def _remove_leftovers(ours: Engine) -> None:
    """Of a run that was killed, and of this one: containers, volumes and networks, never images."""
    containers = ours.docker("ps", "--all", "--quiet").stdout.split()
    if containers:
        ours.docker("rm", "--force", "--volumes", *containers)
    ours.docker("volume", "prune", "--force")
    ours.docker("network", "prune", "--force")


def image_label(ours: Engine, image: str, label: str) -> str | None:
    """Return a label of an image; None when the image is not there or has none."""
    found = ours.docker("image", "inspect", image, check=False)
    if found.returncode != 0:
        return None
    labels: dict[str, str] = json.loads(found.stdout)[0]["Config"]["Labels"] or {}
    return labels.get(label)
