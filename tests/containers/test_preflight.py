"""Preflight with a real container engine: it passes, and reports each fault.

The faults are introduced one at a time: in the database, Redis, volumes, containers and files of
the running deployment.
"""

import contextlib
import dataclasses
import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql
import pytest
from redis import Redis

from sysndd_preflight.checks import CATALOG
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.engine import Project
from tests.containers.stack import Stack, docker, eventually, preflight
from tests.support.preflight import assert_problem, replace_in_file, run_check, with_settings
from tests.support.preflight_faults import (
    MAILER_PASSWORD,
    PROXY,
    WRONG_FILES,
    WRONG_PROXIES,
    WRONG_SETTINGS,
)
from tests.support.proxy import self_signed


def project_of(stack: Stack, site: Path) -> Project:
    """Return the running project with the files of ``site``."""
    program = shutil.which("docker")
    assert program is not None
    command = [program, "compose", "-p", stack.name, "--project-directory", str(site)]
    for name in stack.settings["COMPOSE_FILE"].split(":"):
        command += ["-f", str(site / name)]
    project = Project(command, stack.environ, {})
    project.config = json.loads(project.run("config", "--format", "json"))
    return project


@pytest.fixture(scope="module")
def running(stack: Stack, system: Path) -> Deployment:
    """The deployment as preflight describes a temporary project."""
    project = project_of(stack, stack.site)
    admin = json.loads(system.read_text())["admin"]
    return Deployment(
        stack.site,
        base_url=stack.base_url,
        services=project.services(),
        admin=(admin["login"], admin["password"]),
        ca_file=stack.certificate,
        replicas=2,
        project=project,
    )


@pytest.fixture
def copy(stack: Stack, tmp_path: Path) -> Path:
    """A copy of the files of the deployment, to change while it is running."""
    target = tmp_path / "files"
    shutil.copytree(stack.site, target)
    return target


def preflight_resources() -> str:
    """Return the containers, volumes and networks of preflight's projects."""
    containers = docker("ps", "--all", "--format", "{{.Names}}")
    volumes = docker("volume", "ls", "--format", "{{.Name}}")
    networks = docker("network", "ls", "--format", "{{.Name}}")
    names = (containers + volumes + networks).split()
    return " ".join(name for name in names if name.startswith("sysndd-preflight"))


def test_a_valid_deployment_passes_in_a_temporary_project(stack: Stack, tmp_path: Path) -> None:
    def state() -> list[tuple[str, str]]:
        return [(one["Id"], one["State"]["StartedAt"]) for one in stack.containers()]

    before, junit = state(), tmp_path / "junit.xml"
    done = preflight(stack.site, "--json", "--junit", str(junit))
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "pass"
    # In a temporary project, no check is skipped.
    assert {check["id"]: check["status"] for check in document["checks"]} == dict.fromkeys(
        CATALOG, "pass"
    )
    assert state() == before
    assert preflight_resources() == ""
    assert not [secret for secret in stack.secrets() if secret in done.stdout + junit.read_text()]


def test_a_deployment_that_does_not_start_is_reported_with_its_log(copy: Path) -> None:
    (copy / "secrets" / "db_password_api").unlink()
    (copy / "secrets" / "db_password_api").write_text("plaintext")
    done = preflight(copy)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "db_password_api must have at least 16 letters and digits" in done.stderr
    assert "remedy:" in done.stderr
    assert preflight_resources() == ""


# --- settings and files, read by the tools of the engine --------------------------------------


@pytest.mark.parametrize(("name", "service", "settings", "finding"), WRONG_SETTINGS)
def test_a_wrong_setting_is_reported(  # noqa: PLR0917 - a row of the table
    stack: Stack,
    running: Deployment,
    name: str,
    service: str,
    settings: dict[str, str],
    finding: str,
) -> None:
    mailer_password = stack.secret("db_password_mailer")
    chosen = {k: mailer_password if v == MAILER_PASSWORD else v for k, v in settings.items()}
    # The deployment passes secrets as files.
    without_files = {f"{variable}_FILE": "" for variable in settings}
    assert_problem(with_settings(running, service, **(without_files | chosen)), name, finding)


@pytest.mark.parametrize(("name", "file", "pattern", "replacement", "finding"), WRONG_FILES)
def test_a_wrong_file_is_reported(  # noqa: PLR0917 - a row of the table
    running: Deployment,
    copy: Path,
    name: str,
    file: str,
    pattern: str,
    replacement: str,
    finding: str,
) -> None:
    replace_in_file(copy / file, pattern, replacement)
    assert_problem(dataclasses.replace(running, repository=copy), name, finding)


@pytest.mark.parametrize(("pattern", "replacement", "finding"), WRONG_PROXIES)
def test_a_wrong_proxy_configuration_is_reported(
    running: Deployment, copy: Path, pattern: str, replacement: str, finding: str
) -> None:
    replace_in_file(copy / PROXY, pattern, replacement)
    assert_problem(dataclasses.replace(running, repository=copy), "proxy.files", finding)


def test_an_image_that_does_not_build_is_reported(
    stack: Stack, running: Deployment, copy: Path
) -> None:
    replace_in_file(
        copy / "services/mailer/Dockerfile", r"(?m)^WORKDIR /app$", "RUN no-such-program"
    )
    broken = dataclasses.replace(running, repository=copy, project=project_of(stack, copy))
    result = assert_problem(broken, "images.build", "docker compose build")
    assert "no-such-program" in str(result.log)


# --- in the running database ----------------------------------------------------------------------


def execute(stack: Stack, sql: str) -> None:
    """Run SQL as the administrator of the database."""
    script = f". /sysndd/client.sh; sql --execute={shlex.quote(sql)}"
    stack.compose("exec", "-T", "db", "bash", "-c", script)


@pytest.mark.parametrize(
    ("name", "fault", "remedy", "finding"),
    [
        (
            "database.connections",
            "SET GLOBAL max_connections = 40",
            "SET GLOBAL max_connections = 200",
            "max_connections is 40",
        ),
        (
            "database.sql_mode",
            "SET @@GLOBAL.sql_mode = 'NO_ENGINE_SUBSTITUTION'",
            "SET @@GLOBAL.sql_mode = 'STRICT_TRANS_TABLES'",
            "not strict",
        ),
        (
            "database.time_zone",
            "SET @@GLOBAL.time_zone = '+02:00'",
            "SET @@GLOBAL.time_zone = '+00:00'",
            "time_zone is +02:00",
        ),
        (
            "database.wait_timeout",
            "SET @@GLOBAL.wait_timeout = 120",
            "SET @@GLOBAL.wait_timeout = 28800",
            "wait_timeout is 120 s",
        ),
        (
            "database.character_set",
            "SET @@GLOBAL.character_set_server = latin1",
            "SET @@GLOBAL.character_set_server = utf8mb4",
            "the server uses latin1",
        ),
        (
            "database.character_set",
            "ALTER DATABASE sysndd_ops CHARACTER SET latin1",
            "ALTER DATABASE sysndd_ops CHARACTER SET utf8mb4",
            "sysndd_ops uses latin1",
        ),
        (
            "database.schema",
            "UPDATE sysndd.schema_version SET success = 0 WHERE filename LIKE '005%'",
            "UPDATE sysndd.schema_version SET success = 1",
            "005_vocabularies.sql",
        ),
    ],
)
def test_a_wrong_server_setting_is_reported(  # noqa: PLR0917 - a row of the table
    stack: Stack, running: Deployment, name: str, fault: str, remedy: str, finding: str
) -> None:
    execute(stack, fault)
    try:
        status = "warn" if name == "database.time_zone" else "fail"
        assert_problem(running, name, finding, status=status)
    finally:
        execute(stack, remedy)
    assert run_check(running, name).status == "pass"


@pytest.mark.parametrize(
    ("fault", "name", "finding"),
    [
        (
            "REVOKE UPDATE ON `sysndd`.* FROM 'sysndd_api'@'%'",
            "privileges.sufficient",
            "sysndd_api lacks UPDATE on",
        ),
        (
            "REVOKE PROCESS ON *.* FROM 'sysndd_backup'@'%'",
            "privileges.sufficient",
            "lacks PROCESS on *.*",
        ),
        (
            "GRANT CREATE ON `sysndd`.* TO 'sysndd_api'@'%'",
            "privileges.minimal",
            "sysndd_api has CREATE on",
        ),
        (
            "GRANT FILE ON *.* TO 'sysndd_backup'@'%'",
            "privileges.minimal",
            "sysndd_backup has FILE on *.*",
        ),
        (
            "GRANT ALL PRIVILEGES ON *.* TO 'sysndd_mailer'@'%'",
            "privileges.minimal",
            "sysndd_mailer has",
        ),
        (
            "ALTER USER 'sysndd_mailer'@'%' IDENTIFIED BY 'another-1'",
            "database.sign_in",
            "mailer as sysndd_mailer",
        ),
        (
            "ALTER USER 'sysndd_load'@'%' IDENTIFIED BY 'another-1'",
            "database.sign_in",
            "load account as sysndd_load",
        ),
        ("ALTER USER 'sysndd_load'@'%' IDENTIFIED BY 'another-1'", "backup.cycle", "restore"),
    ],
)
def test_a_wrong_account_is_reported(
    stack: Stack, running: Deployment, fault: str, name: str, finding: str
) -> None:
    execute(stack, fault)
    try:
        assert_problem(running, name, finding)
    finally:
        if fault.startswith("GRANT"):
            account = fault.split("'")[1]
            execute(stack, f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{account}'@'%'")
        # As every `up` does.
        docker("start", "--attach", stack.containers("accounts")[0]["Id"])
    if name != "backup.cycle":
        assert run_check(running, name).status == "pass"


def test_a_lock_that_is_not_granted_is_reported(
    stack: Stack, running: Deployment, system: Path
) -> None:
    database = json.loads(system.read_text())["database"]
    with (
        pymysql.connect(
            # The published port changes when the container is replaced.
            host=database["host"],
            port=stack.port("db", 3306),
            user=database["user"],
            password=database["password"],
        ) as other,
        other.cursor() as cursor,
    ):
        cursor.execute("SELECT GET_LOCK('sysndd-preflight', 0)")
        assert_problem(running, "database.lock", "the lock was not granted")


# --- in the other containers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "fault", "finding"),
    [
        ("appendonly", "no", "appendonly is off"),
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy is allkeys-lru"),
    ],
)
def test_a_redis_that_loses_data_is_reported(
    running: Deployment, setting: str, fault: str, finding: str
) -> None:
    with Redis.from_url(running.services["api"].environment["REDIS_URL"]) as redis:
        old = redis.config_get(setting)[setting]
        redis.config_set(setting, fault)
        try:
            assert_problem(running, "redis.durable", finding)
        finally:
            redis.config_set(setting, old)


@pytest.mark.parametrize(
    ("service", "name", "finding"),
    [
        ("redis", "redis.durable", "Redis does not answer"),
        ("mailpit", "smtp.conversation", "banner"),
        ("db", "ready", "answers 503"),
        ("api", "ready", "/api/health/ready"),
        ("traefik", "ready", "/api/health/ready"),
    ],
)
def test_a_container_that_hangs_is_reported(
    stack: Stack, running: Deployment, service: str, name: str, finding: str
) -> None:
    stack.compose("pause", service)
    try:
        result = assert_problem(running, name, finding)
    finally:
        stack.compose("unpause", service)
    assert len(result.log) <= 50
    if name == "ready":
        assert any("api" in line for line in result.log)
    eventually("the check passes again", 60, lambda: run_check(running, name).status == "pass")


def test_a_backup_volume_with_another_owner_is_reported(stack: Stack, running: Deployment) -> None:
    volume = docker("volume", "inspect", "--format", "{{.Mountpoint}}", f"{stack.name}_backups")
    user = "0:0"
    within = ("run", "--rm", "--network", "none", "--user", user, "--entrypoint", "chown")
    mount = ("--volume", f"{stack.name}_backups:/backups", "sysndd-api:lane")
    assert volume
    docker(*within, *mount, "0:0", "/backups")
    try:
        assert_problem(running, "backup.directory", "Permission denied")
    finally:
        docker(*within, *mount, "10001:10001", "/backups")
    assert run_check(running, "backup.directory").status == "pass"


@contextlib.contextmanager
def changed_proxy(stack: Stack, change: Callable[[str], str]) -> Iterator[None]:
    """Change the file of the running proxy, which reloads it automatically."""
    path = stack.site / PROXY
    old = path.read_text()
    replace(path, change(old))
    try:
        yield
    finally:
        replace(path, old)


def replace(path: Path, text: str) -> None:
    """Replace a file atomically, so that the proxy does not read a partial one."""
    new = path.with_name(".new")
    new.write_text(text)
    new.replace(path)


@pytest.mark.parametrize(
    ("name", "old", "new", "finding"),
    [
        (
            "routes.closed",
            "(api|admin|account)(/|$)`)'\n      priority: 10",
            "`)'\n      priority: 10",
            "is answered with 200",
        ),
        ("headers.security", "security-headers, ", "", "x-content-type-options is missing"),
    ],
)
def test_a_wrong_route_is_reported(  # noqa: PLR0917 - a row of the table
    stack: Stack, running: Deployment, name: str, old: str, new: str, finding: str
) -> None:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    with changed_proxy(stack, change):
        eventually("Traefik has loaded it", 30, lambda: finding in run_check(running, name).finding)
        assert_problem(running, name, finding)
    eventually("the check passes again", 30, lambda: run_check(running, name).status == "pass")


def test_a_proxy_that_trusts_every_client_is_reported(stack: Stack, running: Deployment) -> None:
    stack.configure(SYSNDD_TRUSTED_NETWORKS="172.16.0.0/12")
    stack.compose("up", "--wait", "--no-deps", "--timeout", "1", "traefik")
    try:
        assert_problem(running, "forwarded.spoofed", "203.0.113.66 was recorded")
    finally:
        stack.configure(SYSNDD_TRUSTED_NETWORKS="")
        stack.compose("up", "--wait", "--no-deps", "--timeout", "1", "traefik")
    assert run_check(running, "forwarded.spoofed").status == "pass"


def test_an_administrator_who_cannot_sign_in_is_reported(running: Deployment) -> None:
    wrong = dataclasses.replace(running, admin=("admin", "not-the-password"))
    assert_problem(wrong, "account.known", "signing in as admin was answered with 401")


def test_an_expiring_certificate_is_reported(
    stack: Stack, running: Deployment, tmp_path: Path
) -> None:
    assert run_check(running, "tls.certificate").status == "pass"
    kept = {path: path.read_bytes() for path in stack.certificate.parent.iterdir()}
    made = self_signed(tmp_path, days=4)
    certificate, key = (Path(made[f"SYSNDD_TLS_{kind}_FILE"]) for kind in ("CERT", "KEY"))
    replaced = {"fullchain.pem": certificate, "privkey.pem": key}
    for path in kept:
        path.chmod(0o644)
        path.write_bytes(replaced[path.name].read_bytes())
    late = dataclasses.replace(running, ca_file=certificate)
    try:
        # Touching the proxy's file reloads the certificate (docs/runbooks/first-deployment.md).
        (stack.site / PROXY).touch()
        eventually(
            "the new certificate is used",
            30,
            lambda: "expires in" in run_check(late, "tls.certificate").finding,
        )
        assert_problem(late, "tls.certificate", "expires in 3 days")
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
        (stack.site / PROXY).touch()
    eventually(
        "the old certificate is used",
        30,
        lambda: run_check(running, "tls.certificate").status == "pass",
    )
