"""`make up` with taken ports, invalid settings, failing migrations and existing servers."""

import json
import shutil
import socket
from pathlib import Path

import pytest

from tests.support.catchers import TestCatcher
from tests.support.local_run import REPOSITORY, LocalRun
from tests.support.servers import DatabaseServer, TestRedis


def test_commands_before_the_first_up_say_how_to_start(tmp_path: Path) -> None:
    run = LocalRun(tmp_path / "run")
    for command in ("status", "logs", "seed", "admin"):
        done = run.command(command)
        assert done.returncode == 1, command
        assert "`make up`" in done.stdout
        assert "Traceback" not in done.stdout
    assert not run.run_dir.exists()


def test_a_port_in_use_is_reported_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = LocalRun(tmp_path / ("d" * 90), {"HTTP_PORT": str(port)})
        done = run.command("up")
        assert done.returncode == 1
        assert f"port {port}" in done.stdout
        assert "HTTP_PORT=" in done.stdout
        assert "Traceback" not in done.stdout
        sockets = Path(json.loads((run.run_dir / "state.json").read_text())["sockets"])
        assert sockets.is_dir()
        assert "is not running in" in run.down()
        assert not sockets.exists()


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("HTTP_PORT", "eighty", "HTTP_PORT=eighty: must be a number from 0 to 65535"),
        ("DB_PORT", "3306", "never listens on 3306"),
        ("DB_NAME", "my-site", "DB_NAME=my-site"),
        ("DB_HOST", "127.0.0.1", "DB_USER is not set"),
        ("REDIS_URL", "http://:secret@x", "REDIS_URL must start with"),
        ("MIGRATIONS_DIR", "nowhere", "no such directory"),
        ("MAILPIT_BIN", "nowhere", "no such file"),
    ],
)
def test_an_invalid_setting_is_rejected(
    tmp_path: Path, setting: str, value: str, message: str
) -> None:
    run = LocalRun(tmp_path / "run", {setting: value})
    done = run.command("up")
    assert done.returncode == 1
    assert message in done.stdout
    assert "secret" not in done.stdout
    assert "Traceback" not in done.stdout


def test_a_failed_migration_is_reported_and_the_next_up_continues(tmp_path: Path) -> None:
    migrations = tmp_path / "migrations"
    shutil.copytree(REPOSITORY / "db" / "migrations", migrations)
    broken = migrations / "900_broken.sql"
    broken.write_text("CREATE TABEL gene (id INT);\n")
    run = LocalRun(tmp_path / "run", {"MIGRATIONS_DIR": str(migrations)})
    try:
        done = run.command("up")
        assert done.returncode == 1
        assert "migrator.log" in done.stdout
        assert "900_broken.sql" in done.stdout
        status = run.command("status")
        assert status.returncode == 1
        assert "Not running: api STOPPED" in status.stdout
        broken.unlink()
        run.up()
        assert run.command("status").returncode == 0
    finally:
        run.command("reset", CONFIRM="yes")


def test_existing_servers_are_used_and_left_running(
    tmp_path: Path,
    database_server: DatabaseServer,
    redis_server: TestRedis,
    smtp_catcher: TestCatcher,
) -> None:
    with (
        database_server.temporary_schema("site") as name,
        database_server.temporary_schema("ops") as ops_name,
    ):
        run = LocalRun(
            tmp_path / "run",
            {
                **database_server.environ(name=name, ops_name=ops_name),
                **smtp_catcher.environ(),
                "REDIS_URL": redis_server.url,
            },
        )
        try:
            run.up()
            system = run.system
            started = [process["name"] for process in system["processes"]]
            assert started == ["api", "backup-worker", "mailer", "traefik"]
            assert system["mail_url"] is None
            assert system["database"]["port"] == database_server.port
            assert not (run.run_dir / "mariadb").exists()
            tables = database_server.execute(
                "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (name,)
            )
            assert tables[0][0] > 5
            assert run.command("seed").returncode == 0
        finally:
            run.command("reset", CONFIRM="yes")
        assert database_server.execute("SELECT 1") == ((1,),)
        assert database_server.execute(f"SELECT COUNT(*) > 0 FROM `{name}`.gene") == ((1,),)


def test_an_account_without_privileges_is_rejected_with_the_grants_to_run(
    tmp_path: Path, database_server: DatabaseServer
) -> None:
    database_server.execute("CREATE USER 'weak'@'%%' IDENTIFIED BY 'weakpass'", ())
    try:
        run = LocalRun(
            tmp_path / "run",
            {
                **database_server.environ(name="site_x", ops_name="site_x_ops"),
                "DB_USER": "weak",
                "DB_PASSWORD": "weakpass",
            },
        )
        done = run.command("up")
        run.command("reset", CONFIRM="yes")
    finally:
        database_server.execute("DROP USER 'weak'@'%%'", ())
    assert done.returncode == 1
    assert "CREATE DATABASE IF NOT EXISTS `site_x`" in done.stdout
    assert r"GRANT ALL PRIVILEGES ON `site\_x\_%`.*" in done.stdout
    assert "weakpass" not in done.stdout
