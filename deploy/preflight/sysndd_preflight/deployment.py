"""What is known about the deployment: its address and the settings of its services.

The source is a run folder of ``make up``, settings files, a temporary Compose project, or only an
address.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVICES = ("migrator", "api", "backup-worker", "mailer")


@dataclass(frozen=True)
class Service:
    """One program of the deployment.

    Attributes:
        environment: its settings, including secrets.
        log: its log file; None if it is not on this machine.
        stop_seconds: time between SIGTERM and SIGKILL when it is stopped; None if unknown.
    """

    environment: Mapping[str, str] = field(repr=False)
    log: Path | None = None
    stop_seconds: float | None = None


@dataclass(frozen=True)
class Deployment:
    """Everything that the checks use; what is unknown is None or empty.

    Attributes:
        repository: the checkout that it was created from.
        base_url: address of the proxy, without a trailing slash.
        services: by name; ``traefik`` is the proxy.
        admin: login and password of an administrator.
        backup_dir: path of the backup directory on this machine.
        ca_file: CA certificate that signed the certificate of the proxy.
        replicas: number of API replicas.
        reserve: database connections to reserve for people and their tools.
        project: the Compose project (``engine.Project``) that it runs in.
    """

    repository: Path
    base_url: str | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    admin: tuple[str, str] | None = field(default=None, repr=False)
    backup_dir: Path | None = None
    ca_file: Path | None = None
    replicas: int = 1
    reserve: int = 10
    project: Any = None


def from_run_folder(system_file: Path, repository: Path, base_url: str | None) -> Deployment:
    """Describe the system of ``make up`` from its ``system.json`` and the files next to it.

    Args:
        system_file: path of ``system.json``.
        repository: the checkout.
        base_url: address to use instead of the one in the file.

    Raises:
        OSError, ValueError: the file could not be read.
    """
    system = json.loads(system_file.read_text(encoding="utf-8"))
    folder = system_file.resolve().parent
    services = {}
    for path in sorted((folder / "programs").glob("*.json")):
        program = json.loads(path.read_text(encoding="utf-8"))
        services[path.stem] = Service(
            environment=program["environment"],
            log=folder / "logs" / f"{path.stem}.log",
            stop_seconds=program.get("stop_seconds"),
        )
    return Deployment(
        repository=repository,
        base_url=(base_url or system["base_url"]).rstrip("/"),
        services={name: services[name] for name in (*SERVICES, "traefik") if name in services},
        admin=(system["admin"]["login"], system["admin"]["password"]),
        backup_dir=Path(system["backup_dir"]),
    )


def read_environment(path: Path) -> dict[str, str]:
    """Read a file of ``NAME=value`` lines, as service managers and Compose do.

    Raises:
        OSError: it could not be read.
        ValueError: a line has another format; the message contains its number, not its content.
    """
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ValueError(f"{path}, line {number}: expected NAME=value")
        found[name.strip()] = value.strip().strip("\"'")
    return found


def parse_duration(text: str) -> float:
    """Return the seconds of a Compose duration such as ``1m30s``."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    return sum(float(n) * units[u] for n, u in re.findall(r"([\d.]+)([hms])", text))
