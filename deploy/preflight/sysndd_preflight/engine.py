"""A temporary Compose project with the files and secrets of the deployment and empty volumes.

Its name, ports and subnet differ from those of the deployment, so that it does not affect a running
project. On Linux, containers can be reached by their addresses, even on internal networks; the
checks connect to database and Redis from this machine, with the account of each service.
"""

import contextlib
import json
import os
import re
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pymysql
import yaml

from sysndd_preflight import http, programs
from sysndd_preflight.catalog import Problem
from sysndd_preflight.deployment import (
    SERVICES,
    Deployment,
    Service,
    parse_duration,
    read_environment,
)

_UP_SECONDS = 900
_JOB_SECONDS = 180
_ROWS = 20
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class StartFailed(Exception):
    """The project could not be started; the message says why and what to do."""


@dataclass
class Project:
    """The running project.

    Attributes:
        command: `docker compose` with the name and files of the project.
        environment: the variables that Compose substitutes in the files.
        config: the merged configuration.
    """

    command: list[str]
    environment: dict[str, str]
    config: dict[str, Any]

    def run(self, *arguments: str, seconds: float = 120, text: str | None = None) -> str:
        """Run one Compose command and return its output.

        Raises:
            Problem: it failed.
        """
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            input=text if text is not None else "",
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if done.returncode != 0:
            lines = (done.stderr + done.stdout).strip().splitlines()
            reason = lines[-1] if lines else f"exit code {done.returncode}"
            raise Problem(f"docker compose {arguments[0]} failed: {reason}", log=lines[-50:])
        return done.stdout

    def build(self) -> None:
        """Build every image; cached layers are reused."""
        self.run("build", seconds=_UP_SECONDS)

    def logs(self, service: str, lines: int) -> list[str]:
        """Return the last log lines of a service."""
        try:
            output = self.run("logs", "--no-color", f"--tail={lines}", service)
        except Problem:
            return []
        # Compose prints this many lines per replica, and cursor movements even with --no-color.
        return _ESCAPES.sub("", output).splitlines()[-lines:]

    def addresses(self, service: str) -> list[str]:
        """Return the address of each container of a service."""
        found = []
        for container in self.run("ps", "-q", service).split():
            done = subprocess.run(
                [self.command[0], "inspect", container],
                env=self.environment,
                capture_output=True,
                text=True,
                check=True,
            )
            networks = json.loads(done.stdout)[0]["NetworkSettings"]["Networks"].values()
            found += [network["IPAddress"] for network in networks if network["IPAddress"]][:1]
        return found

    def api_urls(self) -> list[str]:
        """Return the address of each API replica."""
        return [f"http://{address}:8000" for address in self.addresses("api")]

    def dump_client(self) -> str:
        """Return the server and the dump client that the backup worker finds in its container."""
        return self.run("exec", "-T", "backup-worker", "python", "-c", _FIND_CLIENT).strip()

    def backup_directory(self) -> str:
        """Write to the backup directory in the container of the backup worker."""
        output = self.run("exec", "-T", "backup-worker", "python", "-c", _WRITE_BACKUP).strip()
        directory, free = output.rsplit(" ", 1)
        if int(free) < 1 << 30:
            raise Problem(f"{directory}: {int(free) >> 20} MiB free, at least 1 GiB is required")
        return f"{directory}: {int(free) >> 30} GiB free"

    @contextlib.contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """Pause a service."""
        self.run("pause", service)
        try:
            yield
        finally:
            self.run("unpause", service)

    @contextlib.contextmanager
    def sql(self) -> Iterator["pymysql.cursors.Cursor"]:
        """Open a cursor in the application schema with the account of the migrator."""
        settings = self.services()["migrator"].environment
        with (
            pymysql.connect(
                host=settings["DB_HOST"],
                port=3306,
                user=settings["DB_USER"],
                autocommit=True,
                password=Path(settings["DB_PASSWORD_FILE"]).read_text(encoding="utf-8").strip(),
                database=settings["DB_NAME"],
                connect_timeout=5,
            ) as connection,
            connection.cursor() as cursor,
        ):
            yield cursor

    @contextlib.contextmanager
    def pending_migration(self) -> Iterator[None]:
        """Mark the latest migration as not applied."""
        with self.sql() as cursor:
            cursor.execute("SELECT MAX(filename) FROM schema_version")
            ((latest,),) = cursor.fetchall()
            change = "UPDATE schema_version SET success = %s WHERE filename = %s"
            cursor.execute(change, (0, latest))
            try:
                yield
            finally:
                cursor.execute(change, (1, latest))

    def backup_cycle(self, deployment: Deployment) -> str:
        """Create a backup through the API, delete rows, restore, and undo the restore."""
        login, password = deployment.admin or ("", "")
        body = {"login": login, "password": password}
        response = http.send_request(deployment, "/api/auth/login", method="POST", body=body)
        token = str(response.json()["access_token"])
        with self.sql() as cursor:
            cursor.execute("CREATE TABLE preflight (id INT PRIMARY KEY)")
            cursor.executemany("INSERT INTO preflight VALUES (%s)", [(n,) for n in range(_ROWS)])
        backup = _run_job(deployment, token, "/api/admin/backups", {})
        name = backup["result"]["name"]
        with self.sql() as cursor:
            cursor.execute("DELETE FROM preflight")
        _run_job(deployment, token, f"/api/admin/backups/{name}/restore", {"confirm": "RESTORE"})
        restored = self._count()
        _run_job(deployment, token, "/api/admin/restores/undo", {"confirm": "UNDO"})
        if (restored, self._count()) != (_ROWS, 0):
            raise Problem(
                f"{restored} of {_ROWS} rows exist after the restore (expected {_ROWS}) and"
                f" {self._count()} after the undo (expected 0)"
            )
        verification = backup["result"].get("verification") or "verified"
        return f"{name}: created, {verification}, restored, restore undone"

    def _count(self) -> int:
        with self.sql() as cursor:
            cursor.execute("SELECT COUNT(*) FROM preflight")
            ((count,),) = cursor.fetchall()
        return int(count)

    def services(self) -> dict[str, Service]:
        """Return the settings of each service, with addresses and paths of this machine."""
        hosts = {
            name: addresses[0]
            for name in self.config["services"]
            if (addresses := self.addresses(name))
        }
        files = {name: secret["file"] for name, secret in self.config.get("secrets", {}).items()}
        found = {}
        for name in (*SERVICES, "traefik"):
            content = self.config["services"][name]
            settings = {
                k: str(v) for k, v in (content.get("environment") or {}).items() if v is not None
            }
            for variable, value in list(settings.items()):
                if value.startswith("/run/secrets/"):
                    settings[variable] = files[value.removeprefix("/run/secrets/")]
                elif value in hosts:
                    settings[variable] = hosts[value]
                else:
                    settings[variable] = _host_path(value, content)
            if path := settings.pop("REDIS_URL_FILE", None):
                settings["REDIS_URL"] = _replace_host(
                    Path(path).read_text(encoding="utf-8").strip(), hosts
                )
            if "MIGRATIONS_DIR" in settings:
                settings["MIGRATIONS_DIR"] = str(self._repository() / "db" / "migrations")
            grace = parse_duration(str(content.get("stop_grace_period", "10s")))
            found[name] = Service(settings, stop_seconds=grace)
        return found

    def _repository(self) -> Path:
        return Path(self.command[self.command.index("--project-directory") + 1])


@contextlib.contextmanager
def temporary_project(repository: Path) -> Iterator[Deployment]:
    """Start the deployment under another name, and remove it at the end.

    Raises:
        StartFailed: there is no container engine, or a step failed.
    """
    docker = programs.find("docker")
    if docker is None:
        raise StartFailed(
            "no container engine was found, so the deployment cannot be started for the checks.\n"
            "Install Docker, or check a running system instead:\n"
            "    sysndd-preflight --system .run/system.json      (after `make up`)\n"
            "    sysndd-preflight --target https://your.site --env api=/etc/sysndd/api.env"
        )
    with tempfile.TemporaryDirectory(prefix="sysndd-preflight-") as folder:
        project = _project(docker, repository, Path(folder))
        try:
            _load_config(project, repository, Path(folder))
            project.build()
            project.run("up", "--wait", "--detach", "--no-build", seconds=_UP_SECONDS)
            yield describe(project, repository)
        except (Problem, subprocess.TimeoutExpired) as problem:
            raise StartFailed(_explain(project, problem)) from problem
        finally:
            with contextlib.suppress(Problem, subprocess.TimeoutExpired):
                project.run("down", "--volumes", "--remove-orphans", "--timeout=5", seconds=300)


def _project(docker: str, repository: Path, folder: Path) -> Project:
    """Return a project with a random name, the files of the deployment, and one with overrides."""
    command = [docker, "compose", "-p", f"sysndd-preflight-{secrets.token_hex(3)}"]
    command += ["--project-directory", str(repository)]
    for path in (*_files(repository), _override(folder)):
        command += ["-f", str(path)]
    subnet = f"172.29.{secrets.randbelow(40) + 190}.0/24"
    return Project(command, {**os.environ, "EDGE_SUBNET": subnet}, {})


def _files(repository: Path) -> list[Path]:
    """Return the Compose files of COMPOSE_FILE, or by default the base file only."""
    settings = repository / ".env"
    chosen = os.environ.get("COMPOSE_FILE")
    if not chosen and settings.is_file():
        chosen = read_environment(settings).get("COMPOSE_FILE")
    return [repository / name for name in (chosen or "docker-compose.yml").split(":")]


def _override(folder: Path) -> Path:
    """Write the overrides: a free port and no certificate."""
    path = folder / "preflight.yml"
    path.write_text(
        "services:\n"
        "  traefik:\n"
        '    ports: !override ["127.0.0.1::80"]\n'
        '    environment: {SYSNDD_TLS: "off", SYSNDD_RATE_FACTOR: "100"}\n',
        encoding="utf-8",
    )
    return path


def _load_config(project: Project, repository: Path, folder: Path) -> None:
    """Load the merged configuration; without SMTP_HOST, add the mail catcher of development."""
    project.config = json.loads(project.run("config", "--format", "json"))
    development = repository / "docker-compose.override.yml"
    mailer = project.config["services"]["mailer"]
    if (mailer.get("environment") or {}).get("SMTP_HOST") or not development.is_file():
        return
    content = yaml.safe_load(development.read_text(encoding="utf-8"))["services"]
    catcher = {**content["mailpit"], "ports": []}
    # The settings of the services for it.
    mail = {k: v for k, v in content["mailer"]["environment"].items() if k.startswith("SMTP_")}
    services = {"mailpit": catcher, "api": {"environment": mail}, "mailer": {"environment": mail}}
    path = folder / "mail.yml"
    path.write_text(yaml.safe_dump({"services": services}, sort_keys=False), encoding="utf-8")
    project.command += ["-f", str(path)]
    project.config = json.loads(project.run("config", "--format", "json"))


def _explain(project: Project, problem: Exception) -> str:
    lines = [f"the deployment does not start: {problem}"]
    lines.append(
        "    remedy: run `make secrets` if a secret is missing; otherwise see the log lines below"
    )
    for service in ("accounts", "migrator", "api"):
        lines += [f"    {line}" for line in project.logs(service, 50)]
    return "\n".join(lines)


def describe(project: Project, repository: Path) -> Deployment:
    """Describe a running project, and create an administrator in it.

    Raises:
        Problem: it does not run.
    """
    port = project.run("port", "traefik", "80").strip().rpartition(":")[2]
    login, password = "preflight", secrets.token_urlsafe(24)
    project.run(
        *("exec", "-T", "api", "sysndd-admin", "create-admin", "--user-name", login),
        *("--email", "preflight@localhost.localdomain", "--password-stdin"),
        text=password + "\n",
    )
    return Deployment(
        repository,
        base_url=f"http://127.0.0.1:{port}",
        services=project.services(),
        admin=(login, password),
        replicas=len(project.addresses("api")),
        project=project,
    )


def _host_path(value: str, content: dict[str, Any]) -> str:
    """Return the path on this machine of a path in a container, if it is in a bind mount."""
    for mount in content.get("volumes") or ():
        inside = str(mount["target"]).rstrip("/") + "/"
        if mount["type"] == "bind" and value.startswith(inside):
            return str(Path(mount["source"], value.removeprefix(inside)))
    return value


def _replace_host(url: str, hosts: dict[str, str]) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return urlunsplit(
        parts._replace(netloc=parts.netloc.replace(f"@{host}", f"@{hosts.get(host, host)}"))
    )


def _run_job(deployment: Deployment, token: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    accepted = http.send_request(deployment, path, method="POST", token=token, body=body)
    if accepted.status != 202:
        raise Problem(
            f"POST {path} was answered with {accepted.status}: {accepted.json().get('detail')}"
        )
    deadline = time.monotonic() + _JOB_SECONDS
    while time.monotonic() < deadline:
        job = http.send_request(deployment, accepted.json()["status_url"], token=token).json()
        if job.get("finished_at"):
            if job["state"] != "succeeded":
                raise Problem(f"{path}: the job failed: {job['error']}")
            return job
        time.sleep(0.5)
    raise Problem(
        f"{path}: the job did not end within {_JOB_SECONDS} s",
        "Check that the backup worker is running: `docker compose logs backup-worker`.",
    )


_FIND_CLIENT = """
import asyncio, os
from sysndd_backup.settings import BackupWorkerSettings
from sysndd_backup.server.clients import find_clients
from sysndd_backup.server.server import identify
from sysndd_core.db.database import Database
from sysndd_core.settings.base import load
async def main():
    async with Database(load(BackupWorkerSettings, os.environ).database) as database:
        server = await identify(database)
        print(server.version, "with dump client", (await find_clients(server)).version)
asyncio.run(main())
"""
_WRITE_BACKUP = """
import os, shutil, tempfile
directory = os.environ["BACKUP_DIR"]
with tempfile.NamedTemporaryFile(dir=directory) as file:
    file.write(b"x")
    file.flush()
    os.fsync(file.fileno())
print(directory, shutil.disk_usage(directory).free)
"""
