"""The preflight of a running system: it passes, changes nothing, and reports faults."""

import dataclasses
import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from sysndd_preflight.command_line import main
from sysndd_preflight.deployment import Deployment, from_run_folder
from tests.support.preflight import assert_problem, copy_checked_files, run_check, with_settings
from tests.support.proxy import start_proxy
from tests.support.site import REPOSITORY
from tests.support.system import System

LIVE = [
    *("ready", "workers.serving", "routes.closed", "routes.admin", "health.details"),
    *("forwarded.spoofed", "headers.security", "account.known", "ready.pending"),
    *("ready.database_down", "backup.cycle"),
]


@pytest.fixture
def system_file(system: System) -> Path:
    assert system.run is not None
    return system.run.run_dir / "system.json"


@pytest.fixture
def running(system_file: Path) -> Deployment:
    return from_run_folder(system_file, REPOSITORY, None)


def preflight(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("sysndd-preflight")), *arguments],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_a_valid_system_passes_and_is_not_changed(
    system: System, system_file: Path, tmp_path: Path
) -> None:
    def state() -> tuple[Any, ...]:
        backups = sorted(path.name for path in Path(system.description["backup_dir"]).iterdir())
        with system.sql() as cursor:
            cursor.execute("SHOW DATABASES")
            schemas = cursor.fetchall()
            cursor.execute(f"SELECT COUNT(*) FROM {system.description['database']['ops_name']}.job")
            jobs = cursor.fetchall()
        # Signing in changes the time of the last sign-in.
        tables = {name: sum_ for name, sum_ in system.checksums().items() if name != "user"}
        return schemas, jobs, backups, tables

    before, junit = state(), tmp_path / "junit.xml"
    done = preflight("--system", str(system_file), "--json", "--junit", str(junit))
    assert done.returncode == 0, done.stdout + done.stderr
    assert state() == before
    document = json.loads(done.stdout)
    assert document["status"] == "pass"
    for check in document["checks"]:
        assert set(check) == {"id", "severity", "status", "finding", "remedy", "ms"}
        assert check["status"] in {"pass", "skip"}, check
    passed = {check["id"] for check in document["checks"] if check["status"] == "pass"}
    assert set(LIVE) <= passed
    suite = ElementTree.fromstring(junit.read_text())  # noqa: S314 - a trusted file
    assert int(suite.attrib["tests"]) == len(document["checks"])
    assert suite.attrib["failures"] == "0"
    secrets = json.loads((system_file.parent / "secrets.json").read_text()).values()
    assert not any(secret in done.stdout + junit.read_text() for secret in secrets)


def test_an_address_alone_is_enough_for_checks_from_outside(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--target", system.base_url, "--only", "live"]) == 0
    output = capsys.readouterr().out
    assert "ok    routes.closed" in output
    assert "--    workers.serving" in output
    assert output.splitlines()[-1].startswith("PASS: ")


def test_exit_codes_and_text_output(
    system_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = tmp_path / "api.env"
    settings = json.loads((system_file.parent / "programs" / "api.json").read_text())["environment"]
    environment.write_text(
        "".join(f"{k}={v}\n" for k, v in settings.items()) + "PUBLIC_URL=http://site.example\n"
    )
    warned = ["--system", str(system_file), "--env", f"api={environment}", "--only", "config"]
    assert main(warned) == 4
    assert main([*warned, "--strict"]) == 3
    assert main([*warned, "--skip", "config.public_url"]) == 0
    capsys.readouterr()
    assert main(["--target", "http://127.0.0.1:1", "--only", "ready"]) == 3
    output = capsys.readouterr().out
    assert "FAIL  ready" in output
    assert "remedy:" in output
    assert output.splitlines()[-1].startswith("FAIL: 0 passed, 1 failed")
    for call in (
        ["--only", "no.such.check", "--target", "http://127.0.0.1:1"],
        ["--target", "localhost"],
        ["--system", "/nowhere/system.json"],
        ["--repository", str(tmp_path)],
    ):
        assert main(call) == 2, call
    with pytest.raises(SystemExit, match="2"):
        main(["--no-such-option"])
    capsys.readouterr()
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.count("\n") > 40


def test_a_system_that_is_not_ready_is_reported_with_its_log(
    system: System, running: Deployment
) -> None:
    with system.paused("mariadb"):
        result = assert_problem(running, "ready", "answers 503")
    assert 0 < len(result.log) <= 50
    assert any(line.startswith("api: ") for line in result.log)


def test_a_missing_api_worker_is_reported(running: Deployment) -> None:
    assert_problem(
        with_settings(running, "api", API_WORKERS="5"), "workers.serving", "4 of 5 workers"
    )


@contextmanager
def another_proxy(
    running: Deployment, directory: Path, change: Callable[[str], str] = str, **settings: str
) -> Iterator[Deployment]:
    """Run a second proxy in front of the same API, with a changed configuration."""
    path = copy_checked_files(directory / "files") / "proxy" / "dynamic" / "site.yml"
    path.write_text(change(path.read_text()))
    api_url = running.services["traefik"].environment["SYSNDD_API_URL"]
    dynamic = {"SYSNDD_DYNAMIC_DIR": str(path.parent), "SYSNDD_RATE_FACTOR": "100"}
    with start_proxy(directory, api_url, **dynamic, **settings) as proxy:
        yield dataclasses.replace(running, base_url=proxy.url)


def test_a_proxy_that_routes_every_path_is_reported(running: Deployment, tmp_path: Path) -> None:
    everything = r"rule: 'PathPrefix(`/`)'\n      priority: 10"
    pattern = r"rule: 'PathRegexp\(`\^/\(api\|admin\|account\)\(/\|\$\)`\)'\n      priority: 10"

    def change(text: str) -> str:
        changed_text, count = re.subn(pattern, everything, text)
        assert count
        return changed_text

    with another_proxy(running, tmp_path, change) as open_system:
        assert_problem(open_system, "routes.closed", "is answered with 200")


def test_a_proxy_without_security_headers_is_reported(running: Deployment, tmp_path: Path) -> None:
    with another_proxy(
        running, tmp_path, lambda text: text.replace("security-headers, ", "")
    ) as bare:
        assert_problem(bare, "headers.security", "x-content-type-options is missing")


def test_a_proxy_that_trusts_every_client_is_reported(running: Deployment, tmp_path: Path) -> None:
    with another_proxy(running, tmp_path, SYSNDD_TRUSTED_NETWORKS="127.0.0.0/8") as trusting:
        assert_problem(trusting, "forwarded.spoofed", "203.0.113.66 was recorded")


def test_an_api_with_public_details_is_reported(running: Deployment) -> None:
    class Open(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"status": "pass", "checks": {"database": {"status": "pass"}}})
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Open)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_address[1]}"
        shown = dataclasses.replace(running, base_url=base)
        assert_problem(shown, "health.details", "the details of database are public")
        assert_problem(shown, "routes.admin", "is answered with 200")
    finally:
        server.shutdown()
        server.server_close()


def test_an_administrator_who_cannot_sign_in_is_reported(running: Deployment) -> None:
    wrong = dataclasses.replace(running, admin=("admin", "not-the-password"))
    assert_problem(wrong, "account.known", "signing in as admin was answered with 401")


@pytest.mark.parametrize("name", ["ready.pending", "ready.database_down"])
def test_an_api_that_does_not_start_is_reported(running: Deployment, name: str) -> None:
    broken = with_settings(running, "api", API_START_TIMEOUT="0", LOG_LEVEL="loud")
    result = run_check(broken, name)
    assert (result.status, result.check.id) == ("fail", name), result
    assert "LOG_LEVEL" in result.finding


def test_backups_that_cannot_be_restored_are_reported(running: Deployment) -> None:
    """With a wrong password of the load account, no backup can be verified or restored."""
    broken = with_settings(running, "backup-worker", BACKUP_LOAD_PASSWORD="not-the-password")
    result = assert_problem(broken, "backup.cycle", "sysndd-admin restore: Job")
    assert result.log


def test_a_migrator_without_privileges_is_reported(running: Deployment) -> None:
    api = running.services["api"].environment
    account = {"DB_USER": api["DB_USER"], "DB_PASSWORD": api["DB_PASSWORD"]}
    broken = with_settings(running, "migrator", **account)
    result = assert_problem(broken, "backup.cycle", "the migrator failed with")
    assert result.log
