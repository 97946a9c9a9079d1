"""Privileges of the running containers, and visibility of their secrets."""

import time
from pathlib import Path
from typing import Any

from tests.containers.stack import Stack, inspect, processes

ONE_SHOT = {"accounts", "migrator"}


def by_service(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for container in stack.containers():
        found.setdefault(container["Config"]["Labels"]["com.docker.compose.service"], []).append(
            container
        )
    return found


def test_all_services_are_healthy_and_the_one_shot_services_succeeded(stack: Stack) -> None:
    services = by_service(stack)
    assert len(services["api"]) == 2
    for name, containers in services.items():
        for container in containers:
            state = container["State"]
            if name in ONE_SHOT:
                assert (state["Status"], state["ExitCode"]) == ("exited", 0), name
            else:
                assert (state["Status"], state["Health"]["Status"]) == ("running", "healthy"), name


def test_every_process_is_confined(stack: Stack) -> None:
    """As enforced by the kernel, for each process of each container."""
    for name, containers in by_service(stack).items():
        for container in containers:
            host = container["HostConfig"]
            assert host["ReadonlyRootfs"] is True, name
            assert host["PidsLimit"] > 0, name
            assert host["Memory"] > 0, name
            assert host["NanoCpus"] > 0, name
            assert host["LogConfig"]["Config"]["max-file"], name
            assert not any("docker.sock" in str(mount) for mount in container["Mounts"]), name
            for pid in processes(container):
                status = dict(
                    line.split(":\t", 1)
                    for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                    if ":\t" in line
                )
                assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, name
                assert status["NoNewPrivs"] == "1", name
                uid = int(status["Uid"].split()[0])
                assert (uid == 0) == (name == "traefik"), name


def test_the_root_file_systems_are_read_only(stack: Stack) -> None:
    for service in ("api", "backup-worker", "mailer"):
        tried = stack.compose(
            "exec", "-T", service, "python", "-c", "open('/opt/venv/x', 'w')", check=False
        )
        assert "Read-only file system" in tried.stderr


def test_only_proxy_and_catcher_are_published_and_the_data_network_is_closed(stack: Stack) -> None:
    services = by_service(stack)
    published = {
        name
        for name, (container, *_) in services.items()
        if container["HostConfig"]["PortBindings"]
    }
    # The port of the database is an addition for these tests (stack.py).
    assert published == {"traefik", "mailpit", "db"}
    (network,) = inspect(f"{stack.name}_data")
    assert network["Internal"] is True
    assert set(services["redis"][0]["NetworkSettings"]["Networks"]) == {f"{stack.name}_data"}
    assert set(services["traefik"][0]["NetworkSettings"]["Networks"]) == {f"{stack.name}_edge"}
    assert set(services["accounts"][0]["NetworkSettings"]["Networks"]) == {"none"}


def test_the_database_administrator_cannot_sign_in_over_the_network(stack: Stack) -> None:
    # The script reads the secret itself, so that it is not on the command line.
    root = stack.secret("db_root_password")
    tried = stack.compose(
        "exec",
        "-T",
        "backup-worker",
        "python",
        "-c",
        "import pymysql, sys\n"
        "try:\n    pymysql.connect(host='db', user='root', password='')\n"
        "except pymysql.err.OperationalError as error:\n    print(error.args[0])",
    )
    assert tried.stdout.strip() in {"1045", "1130", "1698"}
    hosts = stack.compose(
        "exec",
        "-T",
        "db",
        "sh",
        "-c",
        ". /sysndd/client.sh; sql --execute=\"SELECT host FROM mysql.user WHERE user = 'root'\"",
    ).stdout.split()
    assert hosts == ["localhost"]
    assert root


def test_no_secret_is_in_arguments_or_container_descriptions(stack: Stack) -> None:
    secrets = stack.secrets()
    described = str(stack.containers())
    assert not [secret for secret in secrets if secret in described]
    # Long enough for every health check to run twice.
    until = time.monotonic() + 32
    while time.monotonic() < until:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments = path.read_bytes().decode(errors="replace")
            except OSError:  # it has ended
                continue
            assert not [secret for secret in secrets if secret in arguments], arguments
        time.sleep(0.05)
