"""A compose project of our own: the deployment's files and secrets, empty volumes, other networks.

It has a name, ports and a subnet of its own, so it never touches a project that runs. Linux lets this
machine reach containers by their addresses, also on internal networks: the checks look at database
and Redis from here, with each service's own account.
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
from sysndd_preflight.deployment import SERVICES, Deployment, Service, read_environment

OWN = SERVICES
_UP_SECONDS = 900
_ROWS = 20
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class NotUp(Exception):
    """The project could not be started; says at which step, why, and what to do."""


@dataclass
class Project:
    """The running project.

    Attributes:
        command: `docker compose` with the project's name and files.
        environment: with what compose fills the files in.
        config: the merged configuration.
    """

    command: list[str]
    environment: dict[str, str]
    config: dict[str, Any]

    def run(self, *arguments: str, seconds: float = 120, text: str | None = None) -> str:
        """Run one compose command and return its output.

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
            raise Problem(f"docker compose {arguments[0]}: {reason}", log=lines[-50:])
        return done.stdout

    def build(self) -> None:
        """Build every image; what is cached costs nothing."""
        self.run("build", seconds=_UP_SECONDS)

    def logs(self, service: str, lines: int) -> list[str]:
        """Return a service's last log lines."""
        try:
            told = self.run("logs", "--no-color", f"--tail={lines}", service)
        except Problem:
            return []
        # So many of each replica, and cursor movements although nobody asked for colours.
        return _ESCAPES.sub("", told).splitlines()[-lines:]

    def addresses(self, service: str) -> list[str]:
        """Return the address of each container of a service."""
        found = []
        for container in self.run("ps", "-q", service).split():
            done = subprocess.run(
                [self.command[0], "inspect", container], env=self.environment,
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            networks = json.loads(done.stdout)[0]["NetworkSettings"]["Networks"].values()
            found += [network["IPAddress"] for network in networks if network["IPAddress"]][:1]
        return found

    def api_urls(self) -> list[str]:
        """Return the address of each API."""
        return [f"http://{address}:8000" for address in self.addresses("api")]

    def dump_client(self) -> str:
        """Let the backup worker find its dump client, in its container."""
        return self.run("exec", "-T", "backup-worker", "python", "-c", _FIND_CLIENT).strip()

    def backup_directory(self) -> str:
        """Let the backup worker write into its directory, in its container."""
        told = self.run("exec", "-T", "backup-worker", "python", "-c", _WRITE_BACKUP).strip()
        directory, free = told.rsplit(" ", 1)
        if int(free) < 1 << 30:
            raise Problem(f"{directory}: {int(free) >> 20} MiB free, 1 GiB is wanted")
        return f"{directory}: {int(free) >> 30} GiB free"

    @contextlib.contextmanager
    def frozen(self, service: str) -> Iterator[None]:
        """Let a service hang."""
        self.run("pause", service)
        try:
            yield
        finally:
            self.run("unpause", service)

    @contextlib.contextmanager
    def sql(self) -> Iterator["pymysql.cursors.Cursor"]:
        """Open a cursor of the migrator's account in the application schema."""
        settings = self.services()["migrator"].environment
        with pymysql.connect(
            host=settings["DB_HOST"], port=3306, user=settings["DB_USER"], autocommit=True,
            password=Path(settings["DB_PASSWORD_FILE"]).read_text(encoding="utf-8").strip(),
            database=settings["DB_NAME"], connect_timeout=5,
        ) as connection, connection.cursor() as cursor:  # fmt: skip
            yield cursor

    @contextlib.contextmanager
    def pending_migration(self) -> Iterator[None]:
        """Let the newest migration look as if it had not been applied."""
        with self.sql() as cursor:
            cursor.execute("SELECT MAX(filename) FROM schema_version")
            ((newest,),) = cursor.fetchall()
            change = "UPDATE schema_version SET success = %s WHERE filename = %s"
            cursor.execute(change, (0, newest))
            try:
                yield
            finally:
                cursor.execute(change, (1, newest))

    def backup_cycle(self, deployment: Deployment) -> str:
        """Take a backup through the API, lose rows, restore and undo."""
        login, password = deployment.admin or ("", "")
        body = {"login": login, "password": password}
        answer = http.ask_now(deployment, "/api/auth/login", method="POST", body=body)
        token = str(answer.json()["access_token"])
        with self.sql() as cursor:
            cursor.execute("CREATE TABLE preflight (id INT PRIMARY KEY)")
            cursor.executemany("INSERT INTO preflight VALUES (%s)", [(n,) for n in range(_ROWS)])
        taken = _job(deployment, token, "/api/admin/backups", {})
        name = taken["result"]["name"]
        with self.sql() as cursor:
            cursor.execute("DELETE FROM preflight")
        _job(deployment, token, f"/api/admin/backups/{name}/restore", {"confirm": "RESTORE"})
        restored = self._count()
        _job(deployment, token, "/api/admin/restores/undo", {"confirm": "UNDO"})
        if (restored, self._count()) != (_ROWS, 0):
            raise Problem(
                f"{restored} of {_ROWS} rows were restored, {self._count()} after the undo"
            )
        return f"{name}: taken, {taken['result'].get('proof') or 'proven'}, restored, undone"

    def _count(self) -> int:
        with self.sql() as cursor:
            cursor.execute("SELECT COUNT(*) FROM preflight")
            ((count,),) = cursor.fetchall()
        return int(count)

    def services(self) -> dict[str, Service]:
        """Return each service's settings as this machine can use them."""
        hosts = {
            name: addresses[0] for name in self.config["services"]
            if (addresses := self.addresses(name))
        }  # fmt: skip
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
                    settings[variable] = _on_this_machine(value, content)
            if path := settings.pop("REDIS_URL_FILE", None):
                settings["REDIS_URL"] = _at(Path(path).read_text(encoding="utf-8").strip(), hosts)
            if "MIGRATIONS_DIR" in settings:
                settings["MIGRATIONS_DIR"] = str(self._repository() / "db" / "migrations")
            grace = re.fullmatch(r"(?:(\d+)m)?(\d+)s", str(content.get("stop_grace_period", "")))
            seconds = int(grace[1] or 0) * 60 + int(grace[2]) if grace else 10
            found[name] = Service(settings, stop_seconds=seconds)
        return found

    def _repository(self) -> Path:
        return Path(self.command[self.command.index("--project-directory") + 1])


@contextlib.contextmanager
def own_project(repository: Path) -> Iterator[Deployment]:
    """Start the deployment under a name of our own; everything of it is gone at the end.

    Raises:
        NotUp: there is no engine, or a step failed.
    """
    docker = programs.find("docker")
    if docker is None:
        raise NotUp(
            "there is no container engine here. Name a running system instead:\n"
            "    sysndd-preflight --system .run/system.json      (after `make up`)\n"
            "    sysndd-preflight --target https://your.site --env api=/etc/sysndd/api.env"
        )
    with tempfile.TemporaryDirectory(prefix="sysndd-preflight-") as folder:
        project = _project(docker, repository, Path(folder))
        try:
            _complete(project, repository, Path(folder))
            project.build()
            project.run("up", "--wait", "--detach", "--no-build", seconds=_UP_SECONDS)
            yield described(project, repository)
        except (Problem, subprocess.TimeoutExpired) as problem:
            raise NotUp(_explained(project, problem)) from problem
        finally:
            with contextlib.suppress(Problem, subprocess.TimeoutExpired):
                project.run("down", "--volumes", "--remove-orphans", "--timeout=5", seconds=300)


def _project(docker: str, repository: Path, folder: Path) -> Project:
    """Name a project of our own, of the deployment's files and one with what differs."""
    command = [docker, "compose", "-p", f"sysndd-preflight-{secrets.token_hex(3)}"]
    command += ["--project-directory", str(repository)]
    for path in (*_files(repository), _override(folder)):
        command += ["-f", str(path)]
    subnet = f"172.29.{secrets.randbelow(40) + 190}.0/24"
    return Project(command, {**os.environ, "EDGE_SUBNET": subnet}, {})


def _files(repository: Path) -> list[Path]:
    """Return the deployment's compose files: those of COMPOSE_FILE, else without development's."""
    settings = repository / ".env"
    chosen = os.environ.get("COMPOSE_FILE")
    if not chosen and settings.is_file():
        chosen = read_environment(settings).get("COMPOSE_FILE")
    return [repository / name for name in (chosen or "docker-compose.yml").split(":")]


def _override(folder: Path) -> Path:
    """Write what differs: a free port and no certificate."""
    path = folder / "preflight.yml"
    path.write_text(
        "services:\n"
        "  traefik:\n"
        '    ports: !override ["127.0.0.1::80"]\n'
        '    environment: {SYSNDD_TLS: "off", SYSNDD_RATE_FACTOR: "100"}\n',
        encoding="utf-8",
    )
    return path


def _complete(project: Project, repository: Path, folder: Path) -> None:
    """Read the merged configuration; where mail has no server, add development's mail catcher."""
    project.config = json.loads(project.run("config", "--format", "json"))
    development = repository / "docker-compose.override.yml"
    mailer = project.config["services"]["mailer"]
    if (mailer.get("environment") or {}).get("SMTP_HOST") or not development.is_file():
        return
    content = yaml.safe_load(development.read_text(encoding="utf-8"))["services"]
    catcher = {**content["mailpit"], "ports": []}
    # What development tells the services about it.
    mail = {k: v for k, v in content["mailer"]["environment"].items() if k.startswith("SMTP_")}
    services = {"mailpit": catcher, "api": {"environment": mail}, "mailer": {"environment": mail}}
    path = folder / "mail.yml"
    path.write_text(yaml.safe_dump({"services": services}, sort_keys=False), encoding="utf-8")
    project.command += ["-f", str(path)]
    project.config = json.loads(project.run("config", "--format", "json"))


def _explained(project: Project, problem: Exception) -> str:
    lines = [f"the deployment does not start: {problem}"]
    lines.append("    mend: `make secrets` when a secret is missing; `docker compose logs SERVICE`")
    for service in ("accounts", "migrator", "api"):
        lines += [f"    {line}" for line in project.logs(service, 50)]
    return "\n".join(lines)


def described(project: Project, repository: Path) -> Deployment:
    """Describe a project that runs, with an administrator of our own.

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


def _on_this_machine(value: str, content: dict[str, Any]) -> str:
    """Return where a path inside of a container is outside, when it is below a mounted folder."""
    for mount in content.get("volumes") or ():
        inside = str(mount["target"]).rstrip("/") + "/"
        if mount["type"] == "bind" and value.startswith(inside):
            return str(Path(mount["source"], value.removeprefix(inside)))
    return value


def _at(url: str, hosts: dict[str, str]) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    return urlunsplit(
        parts._replace(netloc=parts.netloc.replace(f"@{host}", f"@{hosts.get(host, host)}"))
    )


def _job(deployment: Deployment, token: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    accepted = http.ask_now(deployment, path, method="POST", token=token, body=body)
    if accepted.status != 202:
        raise Problem(f"POST {path} is answered {accepted.status}: {accepted.json().get('detail')}")
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        job = http.ask_now(deployment, accepted.json()["status_url"], token=token).json()
        if job.get("finished_at"):
            if job["state"] != "succeeded":
                raise Problem(f"{path}: {job['error']}")
            return job
        time.sleep(0.5)
    raise Problem(f"{path}: the job did not end; is the backup worker running?")


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
        print(server.version, "is dumped by", (await find_clients(server)).version)
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
