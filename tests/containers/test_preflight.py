"""Preflight in a real engine: PASS in a project of its own, and each seeded fault caught by name.

The faults are seeded into the running deployment, one at a time: in its database, Redis, volumes,
containers and in the files that it is made of.
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
from tests.support.preflight import assert_caught, changed, look, spoil
from tests.support.preflight_faults import (
    MAILERS_PASSWORD,
    PROXY,
    WRONG_FILES,
    WRONG_PROXIES,
    WRONG_SETTINGS,
)
from tests.support.proxy import self_signed


def project_of(stack: Stack, site: Path) -> Project:
    """Look at the running project, with the files of ``site``."""
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
    """The deployment as preflight describes one of its own."""
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
    """The deployment's files, to be changed while it runs on."""
    target = tmp_path / "files"
    shutil.copytree(stack.site, target)
    return target


def of_preflight() -> str:
    """What there is of its projects."""
    containers = docker("ps", "--all", "--format", "{{.Names}}")
    volumes = docker("volume", "ls", "--format", "{{.Name}}")
    networks = docker("network", "ls", "--format", "{{.Name}}")
    names = (containers + volumes + networks).split()
    return " ".join(name for name in names if name.startswith("sysndd-preflight"))


def test_a_sound_deployment_passes_in_a_project_of_its_own(stack: Stack, tmp_path: Path) -> None:
    def state() -> list[tuple[str, str]]:
        return [(one["Id"], one["State"]["StartedAt"]) for one in stack.containers()]

    before, junit = state(), tmp_path / "junit.xml"
    done = preflight(stack.site, "--json", "--junit", str(junit))
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "pass"
    # Nothing is left out: in a project of its own every check can be made.
    assert {check["id"]: check["status"] for check in document["checks"]} == dict.fromkeys(
        CATALOG, "pass"
    )
    assert state() == before
    assert of_preflight() == ""
    assert not [secret for secret in stack.secrets() if secret in done.stdout + junit.read_text()]


def test_a_deployment_that_does_not_start_fails_with_its_log(copy: Path) -> None:
    (copy / "secrets" / "db_password_api").unlink()
    (copy / "secrets" / "db_password_api").write_text("geheim")
    done = preflight(copy)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "db_password_api: at least 16 letters and digits" in done.stderr
    assert "mend:" in done.stderr
    assert of_preflight() == ""


# --- settings and files, as the engine's own tools read them --------------------------------------


@pytest.mark.parametrize(("name", "service", "settings", "saw"), WRONG_SETTINGS)
def test_a_wrong_setting_is_caught(  # noqa: PLR0917 - a row of the table
    stack: Stack, running: Deployment, name: str, service: str, settings: dict[str, str], saw: str
) -> None:
    mailers = stack.secret("db_password_mailer")
    chosen = {k: mailers if v == MAILERS_PASSWORD else v for k, v in settings.items()}
    # The deployment hands secrets over as files.
    without_files = {f"{variable}_FILE": "" for variable in settings}
    assert_caught(changed(running, service, **(without_files | chosen)), name, saw)


@pytest.mark.parametrize(("name", "file", "pattern", "replacement", "saw"), WRONG_FILES)
def test_a_wrong_file_is_caught(  # noqa: PLR0917 - a row of the table
    running: Deployment, copy: Path, name: str, file: str, pattern: str, replacement: str, saw: str
) -> None:
    spoil(copy / file, pattern, replacement)
    assert_caught(dataclasses.replace(running, repository=copy), name, saw)


@pytest.mark.parametrize(("pattern", "replacement", "saw"), WRONG_PROXIES)
def test_a_broken_proxy_is_caught(
    running: Deployment, copy: Path, pattern: str, replacement: str, saw: str
) -> None:
    spoil(copy / PROXY, pattern, replacement)
    assert_caught(dataclasses.replace(running, repository=copy), "proxy.files", saw)


def test_an_image_that_does_not_build_is_caught(
    stack: Stack, running: Deployment, copy: Path
) -> None:
    spoil(copy / "services/mailer/Dockerfile", r"(?m)^WORKDIR /app$", "RUN no-such-program")
    broken = dataclasses.replace(running, repository=copy, project=project_of(stack, copy))
    result = assert_caught(broken, "images.build", "docker compose build")
    assert "no-such-program" in str(result.log)


# --- in the running database ----------------------------------------------------------------------


def statement(stack: Stack, sql: str) -> None:
    """Run SQL as the database's administrator."""
    script = f". /sysndd/client.sh; sql --execute={shlex.quote(sql)}"
    stack.compose("exec", "-T", "db", "bash", "-c", script)


@pytest.mark.parametrize(
    ("name", "fault", "remedy", "saw"),
    [
        (
            "database.connections", "SET GLOBAL max_connections = 40",
            "SET GLOBAL max_connections = 200", "max_connections is 40",
        ),
        (
            "database.sql_mode", "SET @@GLOBAL.sql_mode = 'NO_ENGINE_SUBSTITUTION'",
            "SET @@GLOBAL.sql_mode = 'STRICT_TRANS_TABLES'", "not strict",
        ),
        (
            "database.time_zone", "SET @@GLOBAL.time_zone = '+02:00'",
            "SET @@GLOBAL.time_zone = '+00:00'", "time_zone is +02:00",
        ),
        (
            "database.wait_timeout", "SET @@GLOBAL.wait_timeout = 120",
            "SET @@GLOBAL.wait_timeout = 28800", "wait_timeout is 120 s",
        ),
        (
            "database.character_set", "SET @@GLOBAL.character_set_server = latin1",
            "SET @@GLOBAL.character_set_server = utf8mb4", "the server has latin1",
        ),
        (
            "database.character_set", "ALTER DATABASE sysndd_ops CHARACTER SET latin1",
            "ALTER DATABASE sysndd_ops CHARACTER SET utf8mb4", "sysndd_ops has latin1",
        ),
        (
            "database.schema",
            "UPDATE sysndd.schema_version SET success = 0 WHERE filename LIKE '005%'",
            "UPDATE sysndd.schema_version SET success = 1", "005_vocabularies.sql",
        ),
    ],
)  # fmt: skip
def test_a_wrong_server_is_caught(  # noqa: PLR0917 - a row of the table
    stack: Stack, running: Deployment, name: str, fault: str, remedy: str, saw: str
) -> None:
    statement(stack, fault)
    try:
        status = "warn" if name == "database.time_zone" else "fail"
        assert_caught(running, name, saw, status=status)
    finally:
        statement(stack, remedy)
    assert look(running, name).status == "pass"


@pytest.mark.parametrize(
    ("fault", "name", "saw"),
    [
        ("REVOKE UPDATE ON `sysndd`.* FROM 'sysndd_api'@'%'", "privileges.sufficient", "sysndd_api lacks UPDATE on"),
        ("REVOKE PROCESS ON *.* FROM 'sysndd_backup'@'%'", "privileges.sufficient", "lacks PROCESS on *.*"),
        ("GRANT CREATE ON `sysndd`.* TO 'sysndd_api'@'%'", "privileges.minimal", "sysndd_api has CREATE on"),
        ("GRANT FILE ON *.* TO 'sysndd_backup'@'%'", "privileges.minimal", "sysndd_backup has FILE on *.*"),
        ("GRANT ALL PRIVILEGES ON *.* TO 'sysndd_mailer'@'%'", "privileges.minimal", "sysndd_mailer has"),
        ("ALTER USER 'sysndd_mailer'@'%' IDENTIFIED BY 'another-1'", "database.sign_in", "mailer as sysndd_mailer"),
        ("ALTER USER 'sysndd_load'@'%' IDENTIFIED BY 'another-1'", "database.sign_in", "loading as sysndd_load"),
        ("ALTER USER 'sysndd_load'@'%' IDENTIFIED BY 'another-1'", "backup.cycle", "restore"),
    ],
)  # fmt: skip
def test_a_wrong_account_is_caught(
    stack: Stack, running: Deployment, fault: str, name: str, saw: str
) -> None:
    statement(stack, fault)
    try:
        assert_caught(running, name, saw)
    finally:
        if fault.startswith("GRANT"):
            account = fault.split("'")[1]
            statement(stack, f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{account}'@'%'")
        # As every `up` does.
        docker("start", "--attach", stack.containers("accounts")[0]["Id"])
    if name != "backup.cycle":
        assert look(running, name).status == "pass"


def test_a_lock_that_cannot_be_had_is_caught(
    stack: Stack, running: Deployment, system: Path
) -> None:
    database = json.loads(system.read_text())["database"]
    with (
        pymysql.connect(
            # Published anew whenever the container was replaced.
            host=database["host"], port=stack.port("db", 3306), user=database["user"],
            password=database["password"],
        ) as other,
        other.cursor() as cursor,
    ):  # fmt: skip
        cursor.execute("SELECT GET_LOCK('sysndd-preflight', 0)")
        assert_caught(running, "database.lock", "GET_LOCK is refused")


# --- in the other containers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "fault", "saw"),
    [
        ("appendonly", "no", "appendonly is off"),
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy is allkeys-lru"),
    ],
)
def test_a_redis_that_forgets_is_caught(
    running: Deployment, setting: str, fault: str, saw: str
) -> None:
    with Redis.from_url(running.services["api"].environment["REDIS_URL"]) as redis:
        old = redis.config_get(setting)[setting]
        redis.config_set(setting, fault)
        try:
            assert_caught(running, "redis.durable", saw)
        finally:
            redis.config_set(setting, old)


@pytest.mark.parametrize(
    ("service", "name", "saw"),
    [
        ("redis", "redis.durable", "Redis does not answer"),
        ("mailpit", "smtp.conversation", "banner"),
        ("db", "ready", "answers 503"),
        ("api", "ready", "/api/health/ready"),
        ("traefik", "ready", "/api/health/ready"),
    ],
)
def test_a_container_that_hangs_is_caught(
    stack: Stack, running: Deployment, service: str, name: str, saw: str
) -> None:
    stack.compose("pause", service)
    try:
        result = assert_caught(running, name, saw)
    finally:
        stack.compose("unpause", service)
    assert len(result.log) <= 50
    if name == "ready":
        assert any("api" in line for line in result.log)
    eventually("it is as before", 60, lambda: look(running, name).status == "pass")


def test_a_backup_volume_of_somebody_else_is_caught(stack: Stack, running: Deployment) -> None:
    volume = docker("volume", "inspect", "--format", "{{.Mountpoint}}", f"{stack.name}_backups")
    user = "0:0"
    within = ("run", "--rm", "--network", "none", "--user", user, "--entrypoint", "chown")
    mount = ("--volume", f"{stack.name}_backups:/backups", "sysndd-api:lane")
    assert volume
    docker(*within, *mount, "0:0", "/backups")
    try:
        assert_caught(running, "backup.directory", "Permission denied")
    finally:
        docker(*within, *mount, "10001:10001", "/backups")
    assert look(running, "backup.directory").status == "pass"


@contextlib.contextmanager
def live_proxy(stack: Stack, change: Callable[[str], str]) -> Iterator[None]:
    """Change the file that the running proxy reads; it takes a new one by itself."""
    path = stack.site / PROXY
    old = path.read_text()
    replace(path, change(old))
    try:
        yield
    finally:
        replace(path, old)


def replace(path: Path, text: str) -> None:
    """In one step: the proxy would read half a file."""
    new = path.with_name(".new")
    new.write_text(text)
    new.replace(path)


@pytest.mark.parametrize(
    ("name", "old", "new", "saw"),
    [
        ("routes.closed", "(api|admin|account)(/|$)`)'\n      priority: 10", "`)'\n      priority: 10", "is answered 200"),
        ("headers.security", "security-headers, ", "", "x-content-type-options is missing"),
    ],
)  # fmt: skip
def test_a_wrong_route_is_caught(  # noqa: PLR0917 - a row of the table
    stack: Stack, running: Deployment, name: str, old: str, new: str, saw: str
) -> None:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new)

    with live_proxy(stack, change):
        eventually("Traefik has it", 30, lambda: saw in look(running, name).saw)
        assert_caught(running, name, saw)
    eventually("it is as before", 30, lambda: look(running, name).status == "pass")


def test_a_proxy_that_believes_everybody_is_caught(stack: Stack, running: Deployment) -> None:
    stack.configure(SYSNDD_TRUSTED_NETWORKS="172.16.0.0/12")
    stack.compose("up", "--wait", "--no-deps", "--timeout", "1", "traefik")
    try:
        assert_caught(running, "forwarded.spoofed", "203.0.113.66 was recorded")
    finally:
        stack.configure(SYSNDD_TRUSTED_NETWORKS="")
        stack.compose("up", "--wait", "--no-deps", "--timeout", "1", "traefik")
    assert look(running, "forwarded.spoofed").status == "pass"


def test_an_administrator_who_cannot_sign_in_is_caught(running: Deployment) -> None:
    wrong = dataclasses.replace(running, admin=("admin", "not-the-password"))
    assert_caught(wrong, "account.known", "signing in as admin was answered 401")


def test_a_certificate_that_runs_out_is_caught(
    stack: Stack, running: Deployment, tmp_path: Path
) -> None:
    assert look(running, "tls.certificate").status == "pass"
    kept = {path: path.read_bytes() for path in stack.certificate.parent.iterdir()}
    made = self_signed(tmp_path, days=4)
    certificate, key = (Path(made[f"SYSNDD_TLS_{kind}_FILE"]) for kind in ("CERT", "KEY"))
    replaced = {"fullchain.pem": certificate, "privkey.pem": key}
    for path in kept:
        path.chmod(0o644)
        path.write_bytes(replaced[path.name].read_bytes())
    late = dataclasses.replace(running, ca_file=certificate)
    try:
        # As docs/runbooks/first-deployment.md says: a certificate is read again when the proxy's file is touched.
        (stack.site / PROXY).touch()
        eventually("the new one", 30, lambda: "days left" in look(late, "tls.certificate").saw)
        assert_caught(late, "tls.certificate", "3 days left")
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
        (stack.site / PROXY).touch()
    eventually("the old one", 30, lambda: look(running, "tls.certificate").status == "pass")
