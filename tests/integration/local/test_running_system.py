"""`make up` and the commands on the running system, with every real program."""

import http.client
import json
import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pymysql
import pytest

from tests.support.local_run import LocalRun

PROGRAMS = ["mariadb", "redis", "mail-catcher", "api", "backup-worker", "mailer", "traefik"]


def test_up_describes_the_system_for_scripts(local_run: LocalRun) -> None:
    path = local_run.run_dir / "system.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    system = local_run.system
    assert httpx.get(f"{system['base_url']}/api/health/ready").status_code == 200
    assert httpx.get(f"{system['mail_url']}/api/v1/messages").json()["total"] >= 0
    assert [process["name"] for process in system["processes"]] == PROGRAMS
    assert all(Path(process["log"]).is_file() for process in system["processes"])
    with _connect(system["database"]) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@port, @@datadir, @@sql_mode, @@max_connections")
        ((port, data, sql_mode, connections),) = cursor.fetchall()
    assert port == system["database"]["port"] != 3306
    assert Path(data) == local_run.run_dir / "mariadb" / "data"
    assert "STRICT_TRANS_TABLES" in sql_mode
    assert connections >= 6 * 5
    login = httpx.post(f"{system['base_url']}/api/auth/login", json=system["admin"])
    assert login.status_code == 200, login.text


def test_secrets_are_in_private_files_only(local_run: LocalRun) -> None:
    for name in ("secrets.json", "state.json", "supervisor/supervisord.conf", "redis/redis.conf"):
        assert stat.S_IMODE((local_run.run_dir / name).stat().st_mode) == 0o600, name
    for path in (local_run.run_dir / "programs").glob("*.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    secrets = json.loads((local_run.run_dir / "secrets.json").read_text()).values()
    for process in local_run.system["processes"]:
        arguments = Path(f"/proc/{process['pid']}/cmdline").read_bytes().decode()
        assert not any(secret in arguments for secret in secrets), process["name"]
        logged = Path(process["log"]).read_text(errors="replace")
        assert not any(secret in logged for secret in secrets), process["name"]


def test_a_second_up_changes_nothing_and_prints_the_same(local_run: LocalRun) -> None:
    before = local_run.system
    started = time.monotonic()
    printed = local_run.up()
    assert time.monotonic() - started < 5
    assert local_run.system == before
    assert before["admin"]["password"] in printed
    assert all(name in printed for name in PROGRAMS)


def test_up_of_a_running_system_reports_that_another_port_is_not_applied(
    local_run: LocalRun,
) -> None:
    before = local_run.system
    assert "HTTP_PORT=9 is not applied" in local_run.up(HTTP_PORT="9")
    assert local_run.system == before


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_killed_program_is_restarted(local_run: LocalRun, program: str) -> None:
    killed = local_run.pid(program)
    os.kill(killed, signal.SIGKILL)
    _wait_until(lambda: local_run.pid(program) != killed)
    _wait_until(lambda: local_run.command("status").returncode == 0)
    (line,) = [
        line.split()
        for line in local_run.command("status").stdout.splitlines()
        if line.split()[:1] == [program]
    ]
    assert line[1] == "RUNNING"
    assert int(line[4]) >= 1  # restarts


def test_status_fails_with_the_reason_when_the_database_hangs(local_run: LocalRun) -> None:
    os.kill(local_run.pid("mariadb"), signal.SIGSTOP)
    try:
        result = local_run.command("status")
    finally:
        os.kill(local_run.pid("mariadb"), signal.SIGCONT)
    assert result.returncode == 1
    assert "Ready: no: /api/health/ready answers 503" in result.stdout
    _wait_until(lambda: local_run.command("status").returncode == 0)


def test_logs_shows_all_logs_or_one(local_run: LocalRun) -> None:
    result = local_run.command("logs", LINES="3")
    assert result.returncode == 0
    assert all(f"{name}.log" in result.stdout for name in [*PROGRAMS, "migrator", "supervisord"])
    assert "ready for connections" in local_run.command("logs", SERVICE="mariadb").stdout
    unknown = local_run.command("logs", SERVICE="nginx")
    assert unknown.returncode == 1
    assert "backup-worker" in unknown.stdout


def test_seed_is_idempotent(local_run: LocalRun) -> None:
    for _ in range(2):
        result = local_run.command("seed")
        assert result.returncode == 0, result.stdout
        assert "gene" in result.stdout


def test_each_account_has_only_the_privileges_it_needs(local_run: LocalRun) -> None:
    secrets = json.loads((local_run.run_dir / "secrets.json").read_text())
    database = local_run.system["database"]

    def attempt(role: str, *statements: str) -> int:
        """Run statements as a service's account; return the last error's number, or 0."""
        account = {"user": f"sysndd_{role}", "password": secrets[f"database_{role}"]}
        with _connect({**database, **account}) as connection, connection.cursor() as cursor:
            try:
                for statement in statements:
                    cursor.execute(statement)
            except pymysql.err.OperationalError as error:
                return int(error.args[0])
            return 0

    denied = {1044, 1142, 1227}
    assert attempt("api", "SELECT 1 FROM sysndd.gene", "SELECT 1 FROM sysndd_ops.job") == 0
    assert attempt("api", "CREATE TABLE sysndd.x (a INT)") in denied
    assert attempt("api", "DROP TABLE sysndd_ops.job") in denied
    for role in ("migrator", "backup"):
        made = ("CREATE DATABASE sysndd_try", "CREATE TABLE sysndd_try.x (a INT)")
        assert attempt(role, *made, "DROP DATABASE sysndd_try") == 0
        assert attempt(role, "CREATE DATABASE sysnddXtry") in denied
        assert attempt(role, "SELECT 1 FROM mysql.user") in denied
    assert attempt("backup", "UPDATE sysndd_ops.job SET id = id WHERE FALSE") == 0
    assert attempt("backup", "DROP TABLE sysndd_ops.job") in denied
    assert attempt("mailer", "SELECT 1 FROM sysndd_ops.mail") == 0
    assert attempt("mailer", "UPDATE sysndd.gene SET symbol = symbol WHERE FALSE") in denied


def test_the_backup_account_can_recreate_routines_with_their_definer(local_run: LocalRun) -> None:
    secrets = json.loads((local_run.run_dir / "secrets.json").read_text())
    database = local_run.system["database"]
    body = "CREATE DEFINER='sysndd_migrator'@'%' PROCEDURE sysndd_try.p() SELECT 1"
    with _connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE sysndd_try")
        try:
            cursor.execute(body)
            account = {"user": "sysndd_backup", "password": secrets["database_backup"]}
            with _connect({**database, **account}) as backup, backup.cursor() as dumping:
                dumping.execute("SHOW CREATE PROCEDURE sysndd_try.p")
                ((_, _, shown, *_),) = dumping.fetchall()
                assert shown is not None, "a dump would silently omit the text of the routine"
                dumping.execute("DROP PROCEDURE sysndd_try.p")
                dumping.execute(body)
        finally:
            cursor.execute("DROP DATABASE sysndd_try")


@pytest.mark.parametrize("path", ["/apix", "/", "/metrics", "/health/live", "/api/../metrics"])
def test_the_proxy_routes_no_other_paths(local_run: LocalRun, path: str) -> None:
    status, content_type, _ = _get(local_run, path)
    assert status == 404
    assert content_type.startswith("text/plain")  # answered by the proxy itself


def test_an_encoded_slash_reaches_the_api(local_run: LocalRun) -> None:
    status, content_type, body = _get(local_run, "/api/admin/backups/..%2f..%2fetc%2fpasswd")
    assert status in {401, 404, 422}
    assert content_type == "application/problem+json"
    assert json.loads(body)["code"]


def test_the_proxy_adds_security_headers_and_logs_no_secret(local_run: LocalRun) -> None:
    secret = "s3cr3t-t0ken"
    answer = httpx.get(
        f"{local_run.system['base_url']}/api/health/live?token={secret}",
        headers={"Authorization": f"Bearer {secret}", "Cookie": f"a={secret}", "Referer": secret},
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Server" not in answer.headers
    logs = local_run.run_dir / "logs"
    _wait_until(lambda: "/api/health/live" in (logs / "traefik.log").read_text())
    for log in logs.glob("*.log"):
        assert secret not in log.read_text(errors="replace"), log


def test_up_recovers_from_a_killed_supervisor(local_run: LocalRun) -> None:
    before = local_run.system
    supervisor = int((local_run.run_dir / "supervisor" / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    assert local_run.command("status").returncode == 1
    local_run.up()
    after = local_run.system
    assert {**after, "processes": None} == {**before, "processes": None}
    assert local_run.command("status").returncode == 0


def test_down_stops_everything_and_up_continues_with_the_data(local_run: LocalRun) -> None:
    before = local_run.system
    pids = [process["pid"] for process in before["processes"]]
    sockets = Path(before["database"]["socket"]).parent
    assert len(os.fsencode(sockets)) < 80  # the path of the run folder is too long for a socket
    printed = local_run.down()
    assert all(f"{name} " in printed for name in PROGRAMS)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not sockets.exists()
    assert not (local_run.run_dir / "system.json").exists()
    assert "is not running in" in local_run.down()
    assert local_run.command("status").returncode == 1
    local_run.up()
    assert local_run.system["admin"] == before["admin"]
    login = httpx.post(f"{local_run.system['base_url']}/api/auth/login", json=before["admin"])
    assert login.status_code == 200, login.text


def test_reset_requires_confirmation_and_deletes_its_own_files_only(local_run: LocalRun) -> None:
    refused = local_run.command("reset")
    assert refused.returncode == 1
    assert "CONFIRM=yes" in refused.stdout
    assert local_run.command("status").returncode == 0
    foreign = local_run.run_dir / "notes.txt"
    foreign.write_text("mine")
    assert local_run.command("reset", CONFIRM="yes").returncode == 0
    assert list(local_run.run_dir.iterdir()) == [foreign]


def _connect(database: dict[str, Any]) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    return pymysql.connect(
        unix_socket=database["socket"],
        user=database["user"],
        password=database["password"],
        autocommit=True,
    )


def _get(local_run: LocalRun, path: str) -> tuple[int, str, bytes]:
    """Request a path exactly as written; other clients normalize it first."""
    host = local_run.system["base_url"].removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def _wait_until(condition: Callable[[], bool], *, timeout: float = 60) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} seconds"
        time.sleep(0.1)
