"""The content of the images."""

import json
from typing import Any

import pytest

from sysndd_core import __version__
from tests.containers.stack import SERVICES, Stack, docker, inspect

# Programs that download, build or install software.
TOOLS = ("gcc", "cc", "make", "pip", "pip3", "curl", "wget", "git", "uv")
INSPECTION = (
    f"TOOLS = {TOOLS!r}"
    + """
import json, os, pathlib, shutil
from importlib import metadata, util

modules = ("pip", "ensurepip", "setuptools", "hatchling")
clients = ("mariadb-dump", "mysqldump", "mariadb", "mysql")
distributions = [found.name for found in metadata.distributions()]
files = pathlib.Path("/opt/venv").rglob("*")
print(json.dumps({
    "tools": [name for name in TOOLS if shutil.which(name)],
    "modules": [name for name in modules if util.find_spec(name)],
    "ours": sorted(name for name in distributions if name.startswith("sysndd")),
    "clients": [name for name in clients if shutil.which(name)],
    "writable": [str(path) for path in files if os.access(path, os.W_OK)][:5],
}))
"""
)


def seen(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        docker(
            "run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", INSPECTION
        )
    )
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_contains_core_and_its_service_but_no_tools(stack: Stack, service: str) -> None:
    inside = seen(f"sysndd-{service}:lane")
    assert inside["ours"] == sorted(["sysndd-core", f"sysndd-{service}"])
    assert (inside["tools"], inside["modules"], inside["writable"]) == ([], [], [])
    wanted = ["mariadb-dump", "mariadb"] if service == "backup-worker" else []
    assert inside["clients"] == wanted


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_labels_and_runs_as_an_ordinary_user(stack: Stack, service: str) -> None:
    (image,) = inspect(f"sysndd-{service}:lane")
    assert image["Config"]["User"] == "10001:10001"
    labels = image["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == f"sysndd-{service}"
    assert labels["org.opencontainers.image.version"] == __version__
    check = " ".join((image["Config"].get("Healthcheck") or {}).get("Test", ["NONE"]))
    assert ("NONE" in check) == (service == "migrator")
    assert "curl" not in check


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_is_in_an_image(stack: Stack, service: str) -> None:
    image = f"sysndd-{service}:lane"
    text = docker("history", "--no-trunc", image) + json.dumps(inspect(image))
    assert not [secret for secret in stack.secrets() if secret in text]
    files = docker(
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "python",
        image,
        "-c",
        "import pathlib; print([str(p)"
        " for r in ('/app', '/opt', '/run') for p in pathlib.Path(r).rglob('*')"
        " if p.name in ('.env', 'secrets')"
        " or p.suffix in ('.key', '.pem') and 'site-packages' not in str(p)])",
    )
    assert files.strip() == "[]"


def test_the_worker_image_contains_the_migrator_and_the_same_migrations(stack: Stack) -> None:
    plan = stack.compose(
        "exec", "-T", "backup-worker", "sysndd-migrator", "wait", "--timeout", "20"
    )
    assert plan.returncode == 0, plan.stderr
    listed = [
        stack.compose(
            "run", "--rm", "--no-deps", "-T", "--entrypoint", "ls", service, "/app/migrations"
        ).stdout
        for service in ("backup-worker", "migrator")
    ]
    assert listed[0] == listed[1] != ""


def test_the_dump_client_is_from_the_vendor_of_the_server(stack: Stack) -> None:
    ours = stack.compose("exec", "-T", "backup-worker", "mariadb-dump", "--version").stdout
    theirs = stack.compose("exec", "-T", "db", "mariadb-dump", "--version").stdout
    assert ours.split()[1:] == theirs.split()[1:]
    assert "11.8." in ours
