"""The container engine of these tests: an installed one that can pull images, else a private one.

The private engine is the ``dockerd`` of the distribution, started as a child process with its data,
socket, process id and the Compose plugin in one folder of the user's cache. Images are kept there.
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
# Older versions do not support `required: false` of env_file.
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
    """No container engine is available; the message says what is missing."""


@dataclass(frozen=True)
class Engine:
    """A running engine.

    Attributes:
        environ: environment for ``docker`` and ``docker compose``.
        is_private: started by these tests and used by nothing else.
    """

    environ: dict[str, str]
    is_private: bool

    def docker(
        self, *arguments: str | Path, seconds: float = 600, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run the Docker client with a time limit.

        Raises:
            NoEngine: it failed; the message contains its output.
        """
        command = ["docker", *map(str, arguments)]
        done = subprocess.run(
            command,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode != 0:
            raise NoEngine(
                f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
        return done


@contextlib.contextmanager
def engine() -> Iterator[Engine]:
    """Yield an engine with Compose; a private one is stopped at the end.

    Raises:
        NoEngine: no installed engine can pull images, and none can be started.
    """
    installed = _find_installed()
    if installed is not None:
        yield installed
        return
    if os.geteuid() != 0:
        raise NoEngine(
            "No container engine is running, or it cannot pull images; a private one requires root."
            " Start Docker (20.10 or later, Compose 2.24 or later) with access to a registry, or"
            " run this as root on Debian."
        )
    folder = cache_directory()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        # Two engines would use the same bridges and packet filters.
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install_programs()
        environ = _environment(folder)
        with _running(folder):
            private = Engine(environ, is_private=True)
            _wait_until_ready(private, folder)
            _remove_resources(private)
            yield private
            _remove_resources(private)


def cache_directory() -> Path:
    """Return the folder of the private engine."""
    chosen = os.environ.get(ENGINE_SETTING)
    if chosen:
        return Path(chosen).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "sysndd" / "engine"


def _find_installed() -> Engine | None:
    """Return the installed engine if it has Compose and can pull images."""
    installed = Engine(dict(os.environ), is_private=False)
    with contextlib.suppress(NoEngine, OSError, subprocess.TimeoutExpired):
        installed.docker("info", seconds=20)
        installed.docker("compose", "version", seconds=20)
        installed.docker("pull", "--quiet", "redis:8.0", seconds=180)
        return installed
    return None


def _install_programs() -> None:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [package for name, package in _PACKAGES.items() if not shutil.which(name, path=path)]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise NoEngine(f"Missing packages, and no apt-get to install them: {' '.join(missing)}")
    # invoke-rc.d asks it whether a package may start its service; 101 means no.
    policy = Path("/usr/sbin/policy-rc.d")
    created = not policy.exists()
    if created:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    install = [
        "apt-get",
        "-q",
        "-y",
        "-o",
        "DPkg::Lock::Timeout=300",
        "--no-install-recommends",
        "install",
        *missing,
    ]
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        if subprocess.run(install, env=environ, capture_output=True, check=False).returncode != 0:
            subprocess.run(["apt-get", "-q", "update"], capture_output=True, check=False)
            done = subprocess.run(install, env=environ, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise NoEngine(f"{' '.join(install)} failed:\n{done.stderr[-2000:]}")
    finally:
        if created:
            policy.unlink()


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of the client; the Compose plugin is installed once."""
    plugin = folder / "client" / "cli-plugins" / "docker-compose"
    if not plugin.exists():
        plugin.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as partial:
            try:
                packages = download(_COMPOSE, Path(partial))
            except NotUnpacked as failure:
                raise NoEngine(
                    f"The Compose plugin could not be downloaded: {failure}"
                ) from failure
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
        # The package of the distribution does not include BuildKit.
        "DOCKER_BUILDKIT": "0",
        "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
    }


@contextlib.contextmanager
def _running(folder: Path) -> Iterator[None]:
    for name in ("docker.pid", "docker.sock"):
        (folder / name).unlink(missing_ok=True)
    with (folder / "dockerd.log").open("w") as log:
        command = [
            "dockerd",
            "--data-root",
            folder / "data",
            "--exec-root",
            folder / "exec",
            "--pidfile",
            folder / "docker.pid",
            "--host",
            f"unix://{folder / 'docker.sock'}",
        ]
        process = subprocess.Popen(
            list(map(str, command)),
            env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, no lock taken
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_with_parent() -> None:
    """Run in the child before its program: the engine stops when the tests are killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _wait_until_ready(private: Engine, folder: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while private.docker("info", seconds=20, check=False).returncode != 0:
        if time.monotonic() > deadline:
            log = (folder / "dockerd.log").read_text(encoding="utf-8", errors="replace")[-2000:]
            raise NoEngine(f"dockerd did not answer within {_START_SECONDS} s. Its log:\n{log}")
        time.sleep(0.2)


def _remove_resources(private: Engine) -> None:
    """Remove containers, volumes and networks, including those of a killed run; keep images."""
    containers = private.docker("ps", "--all", "--quiet").stdout.split()
    if containers:
        private.docker("rm", "--force", "--volumes", *containers)
    private.docker("volume", "prune", "--force")
    private.docker("network", "prune", "--force")


def image_label(engine: Engine, image: str, label: str) -> str | None:
    """Return a label of an image; None if image or label does not exist."""
    found = engine.docker("image", "inspect", image, check=False)
    if found.returncode != 0:
        return None
    labels: dict[str, str] = json.loads(found.stdout)[0]["Config"]["Labels"] or {}
    return labels.get(label)
