"""What is known of the deployment that is looked at: where it is, and its services' settings.

From a run folder of ``make up``, from files of settings, from a compose project of our own, or
nothing but an address.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVICES = ("migrator", "api", "backup-worker", "mailer")


@dataclass(frozen=True)
class Service:
    """One program of the deployment.

    Attributes:
        environment: its settings; secrets are in it.
        log: where it writes; None when that is not on this machine.
        stop_seconds: how long its supervisor waits before it kills; None when not known.
    """

    environment: Mapping[str, str] = field(repr=False)
    log: Path | None = None
    stop_seconds: float | None = None


@dataclass(frozen=True)
class Deployment:
    """Everything that checks may look at; what is not known is None or empty.

    Attributes:
        repository: the files that it was made from.
        base_url: the proxy's address, without a slash at the end.
        services: by name; ``traefik`` is the proxy.
        admin: login and password of an administrator.
        backup_dir: the backup directory as this machine sees it.
        ca_file: certificate that the proxy's may be signed by.
        replicas: how many APIs run.
        reserve: connections to keep for people and their tools.
        project: the compose project of our own that it runs in.
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
    """Describe the system of ``make up`` by its ``system.json`` and what lies beside it.

    Raises:
        OSError, ValueError: the file can't be read.
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
    """Read a file of ``NAME=value`` lines, as service managers and compose do.

    Raises:
        OSError: it can't be read.
        ValueError: a line is none of those; the message has its number and not its content.
    """
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ValueError(f"{path}:{number}: not NAME=value")
        found[name.strip()] = value.strip().strip("\"'")
    return found
