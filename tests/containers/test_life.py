"""Scaling, replacing under load, stopping workers, and a migration that fails."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.containers.stack import (
    SERVICES,
    Stack,
    create_stack,
    docker,
    eventually,
    processes,
    run_end_to_end,
)
from tests.containers.traffic import Traffic, administrator


def test_the_end_to_end_tests_pass_through_the_proxy(system: Path) -> None:
    walked = run_end_to_end(system)
    assert walked.returncode == 0, walked.stdout[-6000:]


def test_every_worker_of_each_replica_answers_concurrently(stack: Stack, system: Path) -> None:
    """Through the proxy and directly, until each of the eight has answered."""
    workers = {
        container["Name"]: [pid for pid in processes(container) if is_worker(pid)]
        for container in stack.containers("api")
    }
    assert [len(pids) for pids in workers.values()] == [4, 4], workers
    before = {pid: cpu_ticks(pid) for pids in workers.values() for pid in pids}
    direct = [f"http://{address}:8000" for address in api_addresses(stack)]
    load = Traffic(system, clients=12, direct=direct)

    def all_worked() -> bool:
        enough = sum(load.answers.values()) > 600
        return enough and all(cpu_ticks(pid) > ticks + 10 for pid, ticks in before.items())

    with load:
        eventually("all eight have answered", 120, all_worked)
    # An exhausted pool would have answered 503.
    assert load.failures == []


def is_worker(pid: int) -> bool:
    return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()


def cpu_ticks(pid: int) -> int:
    """Return the CPU time of a process in hundredths of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(fields[11]) + int(fields[12])


def api_addresses(stack: Stack) -> list[str]:
    """Return the address of each replica as seen from this machine."""
    edge = f"{stack.name}_edge"
    networks = [one["NetworkSettings"]["Networks"] for one in stack.containers("api")]
    return [network[edge]["IPAddress"] for network in networks]


def test_three_replicas_become_healthy(stack: Stack) -> None:
    stack.up("--no-recreate", "--scale", "api=3")
    states = [one["State"]["Health"]["Status"] for one in stack.containers("api")]
    assert states == ["healthy"] * 3
    stack.up("--scale", "api=2")


def test_up_with_a_new_version_under_load_loses_no_request(
    stack: Stack, system: Path, record_property: Callable[[str, object], None]
) -> None:
    """Compose stops both replicas before it starts the new ones; the proxy holds the requests."""
    before = {container["Id"] for container in stack.containers("api")}
    for service in SERVICES:
        docker("tag", f"sysndd-{service}:lane", f"sysndd-{service}:1.0.0")
    load = Traffic(system, clients=6)
    with load:
        time.sleep(2)
        stack.configure(SYSNDD_VERSION="1.0.0")
        stack.up("--detach", "--no-build")
        time.sleep(2)
    after = {container["Id"] for container in stack.containers("api")}
    assert len(after) == 2
    assert not before & after
    record_property("longest wait in seconds", round(load.longest, 1))
    assert load.failures == []
    assert load.answers["GET", 200] > 50
    assert load.answers["POST", 401] > 20


def test_a_stopping_worker_releases_or_finishes_its_job(stack: Stack, system: Path) -> None:
    admin = administrator(system)
    accepted = admin.post("/api/admin/backups")
    assert accepted.status_code == 202, accepted.text
    status = accepted.json()["status_url"]
    eventually("the job runs", 60, lambda: admin.get(status).json()["state"] != "queued")
    stack.compose("stop", "backup-worker")
    job = admin.get(status).json()
    assert job["state"] in {"queued", "succeeded"}, job
    stack.up()
    eventually("the job has finished", 120, lambda: admin.get(status).json()["finished_at"])
    assert admin.get(status).json()["state"] == "succeeded"


@pytest.mark.usefixtures("stack")  # the images
def test_no_service_starts_after_a_failed_migration(tmp_path: Path) -> None:
    broken = create_stack(tmp_path / "site", subnet=242)
    (broken.site / "db" / "migrations" / "900_broken.sql").write_text(
        "ALTER TABLE no_such_table ADD COLUMN x INT;\n"
    )
    (broken.site / "broken.yml").write_text(
        'services: {migrator: {volumes: ["./db/migrations:/app/migrations:ro"]}}\n'
    )
    broken.configure(COMPOSE_FILE="docker-compose.yml:on-this-machine.yml:broken.yml")
    try:
        refused = broken.compose("up", "--wait", "--no-build", check=False)
        assert refused.returncode != 0
        states = {
            service: broken.containers(service)[0]["State"]["Status"]
            for service in ("migrator", "api", "backup-worker", "mailer")
        }
        assert states == {
            "migrator": "exited",
            "api": "created",
            "backup-worker": "created",
            "mailer": "created",
        }
        log = broken.compose("logs", "--no-log-prefix", "migrator").stdout
        assert "900_broken.sql:1" in log
        assert "no_such_table" in log
    finally:
        broken.down()
