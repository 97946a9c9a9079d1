"""Each check of the phase `connect` on real servers: it passes, and reports faults."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sysndd_preflight.catalog import Phase
from sysndd_preflight.checks import CATALOG
from sysndd_preflight.deployment import Deployment
from tests.support.preflight import assert_problem, run_check, with_settings
from tests.support.proxy import self_signed, start_backend, start_proxy
from tests.support.servers import DatabaseServer, TestRedis
from tests.support.site import Site


def test_a_valid_deployment_passes(deployment: Deployment) -> None:
    for check in CATALOG.values():
        if check.phase is Phase.CONNECT:
            result = run_check(deployment, check.id)
            expected = "skip" if check.id == "tls.certificate" else "pass"
            assert result.status == expected, result


@contextlib.contextmanager
def server_variable(server: DatabaseServer, name: str, value: object) -> Iterator[None]:
    ((old,),) = server.execute(f"SELECT @@GLOBAL.{name}")
    server.execute(f"SET GLOBAL {name} = %s", (value,))
    try:
        yield
    finally:
        server.execute(f"SET GLOBAL {name} = %s", (old,))


@pytest.mark.parametrize(
    ("name", "variable", "value", "finding", "status"),
    [
        ("database.connections", "max_connections", 30, "max_connections is 30", "fail"),
        ("database.sql_mode", "sql_mode", "NO_ENGINE_SUBSTITUTION", "not strict", "fail"),
        ("database.sql_mode", "sql_mode", "STRICT_TRANS_TABLES,ANSI_QUOTES", "ANSI_QUOTES", "fail"),
        ("database.time_zone", "time_zone", "+02:00", "time_zone is +02:00", "warn"),
        ("database.wait_timeout", "wait_timeout", 120, "wait_timeout is 120 s", "fail"),
        (
            "database.character_set",
            "character_set_server",
            "latin1",
            "the server uses latin1",
            "fail",
        ),
    ],
)
def test_a_wrong_server_variable_is_reported(  # noqa: PLR0917 - a row of the table
    deployment: Deployment,
    database_server: DatabaseServer,
    name: str,
    variable: str,
    value: object,
    finding: str,
    status: str,
) -> None:
    with server_variable(database_server, variable, value):
        assert_problem(deployment, name, finding, status=status)
    assert run_check(deployment, name).status == "pass"


def test_the_connection_budget_includes_all_replicas(deployment: Deployment) -> None:
    result = assert_problem(
        replace(deployment, replicas=20), "database.connections", "20 × (4 + 1)"
    )
    assert "error 1040" in result.finding


def test_a_schema_with_another_character_set_is_reported(
    deployment: Deployment, site: Site
) -> None:
    site.server.execute(f"ALTER DATABASE `{site.ops}` CHARACTER SET latin1")
    try:
        assert_problem(deployment, "database.character_set", f"{site.ops} uses latin1")
    finally:
        site.server.execute(f"ALTER DATABASE `{site.ops}` CHARACTER SET utf8mb4")


def test_a_wrong_password_is_reported_with_its_account(deployment: Deployment) -> None:
    broken = with_settings(deployment, "mailer", DB_PASSWORD="not-the-password")
    result = assert_problem(broken, "database.sign_in", "mailer as sysndd_mailer")
    assert "not-the-password" not in str(result)


def test_a_wrong_password_of_the_load_account_is_reported(deployment: Deployment) -> None:
    broken = with_settings(deployment, "backup-worker", BACKUP_LOAD_PASSWORD="not-the-password")
    assert_problem(broken, "database.sign_in", "load account as sysndd_load")


def test_an_unreachable_database_is_reported(deployment: Deployment) -> None:
    assert_problem(
        with_settings(deployment, "api", DB_PORT="1"), "database.sign_in", "api as sysndd_api"
    )


def test_a_lock_that_is_not_granted_is_reported(
    deployment: Deployment, database_server: DatabaseServer
) -> None:
    with database_server.connect() as other, other.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK('sysndd-preflight', 0)")
        assert_problem(deployment, "database.lock", "the lock was not granted")


def test_a_pending_migration_is_reported(deployment: Deployment, site: Site) -> None:
    applied = f"UPDATE `{site.app}`.schema_version SET success = %s WHERE filename LIKE '005%%'"
    site.server.execute(applied, (0,))
    try:
        assert_problem(deployment, "database.schema", "005_vocabularies.sql")
    finally:
        site.server.execute(applied, (1,))


@pytest.mark.parametrize(
    ("statement", "name", "finding"),
    [
        (
            "REVOKE UPDATE ON {app} FROM 'sysndd_api'@'%'",
            "privileges.sufficient",
            "sysndd_api lacks UPDATE on",
        ),
        (
            "REVOKE PROCESS ON *.* FROM 'sysndd_backup'@'%'",
            "privileges.sufficient",
            "lacks PROCESS on *.*",
        ),
        (
            "REVOKE ALL PRIVILEGES ON {shadow} FROM 'sysndd_load'@'%'",
            "privileges.sufficient",
            "sysndd_load lacks",
        ),
        (
            "GRANT CREATE ON {app} TO 'sysndd_api'@'%'",
            "privileges.minimal",
            "sysndd_api has CREATE on",
        ),
        (
            "GRANT SELECT ON {app} TO 'sysndd_mailer'@'%' WITH GRANT OPTION",
            "privileges.minimal",
            "GRANT OPTION",
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
    ],
)
def test_missing_and_excess_privileges_are_reported(
    deployment: Deployment, site: Site, statement: str, name: str, finding: str
) -> None:
    escaped = site.app.replace("_", r"\_")
    site.server.execute(statement.format(app=f"`{escaped}`.*", shadow=rf"`{escaped}\_shadow\_%`.*"))
    assert_problem(deployment, name, finding)


def test_a_redis_that_loses_data_is_reported(
    deployment: Deployment, redis_server: TestRedis
) -> None:
    with redis_server.client() as client:
        for setting, value, finding in (
            ("appendonly", "no", "appendonly is off"),
            ("maxmemory-policy", "allkeys-lru", "maxmemory-policy is allkeys-lru"),
        ):
            old = client.config_get(setting)[setting]
            client.config_set(setting, value)
            try:
                assert_problem(deployment, "redis.durable", finding)
            finally:
                client.config_set(setting, old)


def test_a_wrong_redis_password_is_reported(deployment: Deployment) -> None:
    url = deployment.services["api"].environment["REDIS_URL"]
    broken = with_settings(deployment, "api", REDIS_URL=url.replace("@", "x@"))
    assert_problem(broken, "redis.durable", "Redis does not answer")


def test_a_missing_dump_client_is_reported(deployment: Deployment, tmp_path: Path) -> None:
    broken = with_settings(deployment, "backup-worker", PATH=str(tmp_path))
    assert_problem(broken, "backup.client", "are not on the PATH")


def test_a_dump_client_of_the_other_vendor_is_reported(
    deployment: Deployment, database_server: DatabaseServer, tmp_path: Path
) -> None:
    names = ("mariadb-dump", "mariadb") if database_server.is_mariadb else ("mysqldump", "mysql")
    version = (
        "mysqldump  Ver 8.4.3" if database_server.is_mariadb else "mysqldump  Ver 10.19-MariaDB"
    )
    for name in names:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{version}'\n")
        program.chmod(0o755)
    broken = with_settings(deployment, "backup-worker", PATH=str(tmp_path))
    assert_problem(broken, "backup.client", version)


def test_a_missing_backup_directory_is_reported(deployment: Deployment, tmp_path: Path) -> None:
    broken = replace(deployment, backup_dir=tmp_path / "nowhere")
    assert_problem(broken, "backup.directory", "No such file")


def test_a_world_readable_backup_directory_causes_a_warning(
    deployment: Deployment, site: Site
) -> None:
    site.backup_dir.chmod(0o777)
    assert_problem(deployment, "backup.directory", "accessible to every user", status="warn")


def test_a_full_disk_is_reported(deployment: Deployment) -> None:
    # A file system without free space that exists on every machine.
    full = replace(deployment, backup_dir=Path("/proc"))
    assert_problem(full, "disk.free_space", "/proc: 0.0 GiB free")


def test_an_unreachable_mail_server_is_reported(deployment: Deployment) -> None:
    assert_problem(
        with_settings(deployment, "mailer", SMTP_PORT="1"), "smtp.conversation", "connect"
    )


def test_a_mail_server_without_the_required_tls_is_reported(deployment: Deployment) -> None:
    broken = with_settings(deployment, "mailer", SMTP_SECURITY="starttls")
    result = assert_problem(broken, "smtp.conversation", "STARTTLS")
    assert result.remedy
    assert "SMTP_SECURITY=tls" in result.remedy


@pytest.mark.parametrize(("seconds", "status"), [(10, "warn"), (3600, "fail")])
def test_a_wrong_clock_is_reported(deployment: Deployment, seconds: int, status: str) -> None:
    class Late(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def date_time_string(self, timestamp: float | None = None) -> str:
            import time

            return super().date_time_string(time.time() - seconds)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Late)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        late = replace(deployment, base_url=f"http://127.0.0.1:{server.server_address[1]}")
        assert_problem(late, "clock.skew", "proxy", status=status)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("days", "status"), [(60, "pass"), (15, "warn"), (4, "fail")])
def test_an_expiring_certificate_is_reported(
    deployment: Deployment, tmp_path: Path, days: int, status: str
) -> None:
    files = self_signed(tmp_path, days=days)
    with start_backend() as backend, start_proxy(tmp_path, backend.url, **files) as proxy:
        secure = replace(
            deployment,
            base_url=f"https://localhost:{proxy.tls_port}",
            ca_file=Path(files["SYSNDD_TLS_CERT_FILE"]),
        )
        if status == "pass":
            assert run_check(secure, "tls.certificate").status == "pass"
            untrusted = replace(secure, ca_file=None)
            assert_problem(untrusted, "tls.certificate", "self-signed")
        else:
            assert_problem(secure, "tls.certificate", "expires in", status=status)


def test_a_site_without_tls_is_reported(deployment: Deployment) -> None:
    assert_problem(replace(deployment, base_url="http://site.example"), "tls.certificate", "plain")
