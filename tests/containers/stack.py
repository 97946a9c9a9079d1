"""A deployment of the shipped Compose files: a copy of the repository, secrets, a project name."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sysndd_local.ports import free_port
from tests.support.proxy import self_signed

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED = (
    ".dockerignore",
    "Makefile",
    "db",
    "deploy",
    "docker-compose.override.yml",
    "docker-compose.yml",
    "packages",
    "proxy",
    "requirements",
    "services",
)
SERVICES = ("migrator", "api", "backup-worker", "mailer")
PRODUCTION = "docker-compose.yml:deploy/docker-compose.production.yml:on-this-machine.yml"
# An ordinary user owns the checkout; this user does not exist in the containers.
_USER_ID = 1000
# Account for the end-to-end tests, which connect to the database from outside; production has none.
OPERATOR = "operator"
UP_SECONDS = 600


@dataclass
class Stack:
    """A Compose project.

    Attributes:
        site: the copy of the repository.
        name: of the project, different from all others.
        settings: the content of ``.env``.
        exported: environment variables, which take precedence over ``.env``.
    """

    site: Path
    name: str
    settings: dict[str, str] = field(default_factory=dict)
    exported: dict[str, str] = field(default_factory=dict)

    def compose(
        self, *arguments: str, seconds: float = UP_SECONDS, check: bool = True
    ) -> "subprocess.CompletedProcess[str]":
        """Run ``docker compose``; a failure shows the last log lines of every service."""
        command = ["docker", "compose", "--ansi", "never", *arguments]
        done = subprocess.run(
            command,
            cwd=self.site,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode != 0:
            logs = self.compose("logs", "--tail", "50", seconds=60, check=False).stdout
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stderr}\n{logs}")
        return done

    @property
    def base_url(self) -> str:
        """Address of the proxy."""
        public = self.settings.get("PUBLIC_URL")
        return public or f"http://127.0.0.1:{self.port('traefik', 80)}"

    @property
    def certificate(self) -> Path:
        """The certificate that clients have to trust."""
        return self.site / "secrets" / "tls" / "fullchain.pem"

    @property
    def environ(self) -> dict[str, str]:
        """Environment of the Docker client, without this process's settings of the deployment."""
        inherited = {name: value for name, value in os.environ.items() if name not in self.settings}
        return {**inherited, "COMPOSE_PROJECT_NAME": self.name, **self.exported}

    def configure(self, **settings: str) -> None:
        """Write ``.env``."""
        self.settings.update(settings)
        lines = [f"{name}={value}" for name, value in self.settings.items()]
        (self.site / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def change_owner(self) -> None:
        """Make an ordinary user the owner of the checkout if these tests run as root."""
        if os.geteuid() == 0:
            for path in (self.site, *self.site.rglob("*")):
                os.chown(path, _USER_ID, _USER_ID)

    def up(self, *arguments: str) -> None:
        """Start it and wait until every service is healthy."""
        self.compose("up", "--wait", *arguments)

    def down(self) -> None:
        """Stop it and delete its volumes."""
        self.compose("down", "--volumes", "--timeout", "20", check=False)

    def containers(self, service: str | None = None) -> list[dict[str, Any]]:
        """Return ``docker inspect`` of its containers, including those that have ended."""
        ids = self.compose("ps", "--all", "--quiet", *([service] if service else [])).stdout.split()
        return inspect(*ids) if ids else []

    def port(self, service: str, inside: int) -> int:
        """Return the port of the loopback address at which a container port is published."""
        address = self.compose("port", service, str(inside)).stdout.strip()
        return int(address.rpartition(":")[2])

    def secret(self, name: str) -> str:
        """Return a secret."""
        return (self.site / "secrets" / name).read_text(encoding="utf-8").strip()

    def secrets(self) -> list[str]:
        """Return every secret."""
        found = {
            path.read_text(encoding="utf-8").strip()
            for path in (self.site / "secrets").iterdir()
            if path.is_file()
        }
        return [text for text in found if text]


def docker(*arguments: str, check: bool = True) -> str:
    """Run the Docker client and return its output."""
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=300, check=check
    ).stdout


def inspect(*names: str) -> list[dict[str, Any]]:
    """Return ``docker inspect``."""
    found: list[dict[str, Any]] = json.loads(docker("inspect", *names))
    return found


def processes(container: dict[str, Any]) -> list[int]:
    """Return the process ids of a container on this machine; none when it has ended."""
    pid = container["State"]["Pid"]
    if pid == 0:
        return []
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        children = Path(f"/proc/{one}/task/{one}/children").read_text().split()
        todo += [int(child) for child in children]
    return found


def create_stack(folder: Path, *, subnet: int, **settings: str) -> Stack:
    """Create a deployment from the base file and the additions for tests on this machine.

    Args:
        folder: where to copy the repository to.
        subnet: third byte of the network between proxy and API; different for each stack.
        settings: additional content of ``.env``.
    """
    for name in SHIPPED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    subprocess.run(["sh", "deploy/secrets.sh"], cwd=folder, check=True, capture_output=True)
    (folder / "on-this-machine.yml").write_text(yaml.safe_dump(_on_this_machine()))
    stack = Stack(folder, f"lane{secrets.token_hex(3)}")
    defaults = {
        "COMPOSE_FILE": "docker-compose.yml:on-this-machine.yml",
        "SYSNDD_VERSION": "lane",
        "EDGE_SUBNET": f"172.29.{subnet}.0/24",
        "MAIL_FROM": "SysNDD <noreply@sysndd.example>",
        "SMTP_HOST": "mailpit",
        "SMTP_PORT": "1025",
        "SMTP_SECURITY": "none",
        "SYSNDD_RATE_FACTOR": "1000",
        "DB_BUFFER_POOL": "128M",
    }
    stack.configure(**{**defaults, **settings})
    stack.change_owner()
    return stack


def create_production_stack(folder: Path, *, subnet: int) -> Stack:
    """Create a deployment by docs/runbooks/first-deployment.md, with a certificate for localhost.

    Its address is the setting ``PUBLIC_URL``; clients have to trust ``certificate``.
    """
    http, https = free_port(), free_port()
    stack = create_stack(
        folder,
        subnet=subnet,
        COMPOSE_FILE=PRODUCTION,
        SYSNDD_TLS="files",
        HTTP_ADDRESS=f"127.0.0.1:{http}",
        HTTPS_ADDRESS=f"127.0.0.1:{https}",
        SYSNDD_HTTPS_PORT=str(https),
        PUBLIC_URL=f"https://localhost:{https}",
    )
    files = self_signed(folder)
    for variable, name in (("CERT", "fullchain.pem"), ("KEY", "privkey.pem")):
        target = stack.site / "secrets" / "tls" / name
        Path(files[f"SYSNDD_TLS_{variable}_FILE"]).replace(target)
        target.chmod(0o444)
    stack.change_owner()
    return stack


def _on_this_machine() -> dict[str, Any]:
    """Return additions: free ports of the loopback address, and the mail catcher of development."""
    development = yaml.safe_load((REPOSITORY / "docker-compose.override.yml").read_text())
    return {
        "services": {
            "traefik": {"ports": ["127.0.0.1::80"]},
            # The end-to-end tests connect to the database.
            "db": {"ports": ["127.0.0.1::3306"], "networks": ["lane"]},
            "mailpit": {**development["services"]["mailpit"], "ports": ["127.0.0.1::8025"]},
        },
        "networks": {"lane": {}},
    }


def system_json(stack: Stack, folder: Path) -> Path:
    """Create administrator and operator accounts, and write ``system.json`` as ``make up`` does."""
    password = secrets.token_hex(12)
    created = subprocess.run(
        [
            "docker",
            "compose",
            "exec",
            "-T",
            "api",
            "sysndd-admin",
            "create-admin",
            "--user-name",
            "admin",
            "--email",
            "admin@sysndd.example",
            "--password-stdin",
        ],
        cwd=stack.site,
        env=stack.environ,
        input=password + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert created.returncode == 0, created.stderr
    statement = (
        f"CREATE USER '{OPERATOR}'@'%' IDENTIFIED BY '{password}';"
        f" GRANT ALL PRIVILEGES ON *.* TO '{OPERATOR}'@'%'"
    )
    stack.compose(
        "exec", "-T", "db", "sh", "-c", f'. /sysndd/client.sh; sql --execute="{statement}"'
    )
    (mount,) = [
        mount
        for mount in stack.containers("backup-worker")[0]["Mounts"]
        if mount["Destination"] == "/var/lib/sysndd/backups"
    ]
    description = {
        "base_url": stack.base_url,
        "mail_url": f"http://127.0.0.1:{stack.port('mailpit', 8025)}",
        "admin": {"login": "admin", "password": password},
        "database": {
            "socket": None,
            "host": "127.0.0.1",
            "port": stack.port("db", 3306),
            "user": OPERATOR,
            "password": password,
            "name": "sysndd",
            "ops_name": "sysndd_ops",
        },
        "backup_dir": mount["Source"],
        "processes": [],
        # By their names in a local run.
        "pausable": {
            name: processes(stack.containers(service)[0])
            for name, service in (
                ("backup-worker",) * 2,
                ("mailer",) * 2,
                ("mail-catcher", "mailpit"),
            )
        },
    }
    path = folder / "system.json"
    path.write_text(json.dumps(description))
    path.chmod(0o600)
    return path


# Those that only need ``system.json``; the others start, stop and kill a `make up`. The pages
# first, because one of their tests requires that the list of restores is empty.
_END_TO_END = tuple(
    f"tests/e2e/test_{name}.py"
    for name in (
        "pages",
        "pages_defences",
        "pages_mail",
        "pages_people",
        "pages_restores",
        "main_path",
        "accounts",
    )
)
# `make test` checks the markup of every page; it does not depend on the deployment.
_NOT_AGAIN = "not accessible_in_both_sizes"


def run_end_to_end(system: Path) -> "subprocess.CompletedProcess[str]":
    """Load the example data and run the end-to-end tests, as `make walk` does for a local run."""
    database = json.loads(system.read_text())["database"]
    paths = ("packages/core", "services/migrator", "services/api", "deploy/local", ".")
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / path) for path in paths),
        "SYSTEM_JSON": str(system),
        "DB_HOST": database["host"],
        "DB_PORT": str(database["port"]),
        "DB_USER": database["user"],
        "DB_PASSWORD": database["password"],
        "DB_NAME": "sysndd",
    }
    subprocess.run(
        [sys.executable, REPOSITORY / "db" / "seed" / "load.py"], env=environ, check=True
    )
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            "-k",
            _NOT_AGAIN,
            *_END_TO_END,
        ],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def preflight(site: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``sysndd-preflight``."""
    program = Path(sys.executable).with_name("sysndd-preflight")
    return subprocess.run(
        [program, "--repository", site, *arguments],
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )


def eventually(what: str, seconds: float, condition: Any) -> None:
    """Wait until ``condition()`` is true; fail with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"timed out after {seconds:g} s: {what}"
        time.sleep(0.3)
