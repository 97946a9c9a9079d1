"""Each check of the phase `connect`, on real servers: sound, then sabotaged."""

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
from tests.support.preflight import assert_caught, changed, look
from tests.support.proxy import self_signed, start_backend, start_proxy
from tests.support.servers import TestMariadb, TestRedis
from tests.support.site import Site


def test_the_sound_deployment_passes(deployment: Deployment) -> None:
    for check in CATALOG.values():
        if check.phase is Phase.CONNECT:
            result = look(deployment, check.id)
            expected = "skip" if check.id == "tls.certificate" else "pass"
            assert result.status == expected, result


@contextlib.contextmanager
def server_variable(server: TestMariadb, name: str, value: object) -> Iterator[None]:
    ((old,),) = server.execute(f"SELECT @@GLOBAL.{name}")
    server.execute(f"SET GLOBAL {name} = %s", (value,))
    try:
        yield
    finally:
        server.execute(f"SET GLOBAL {name} = %s", (old,))


@pytest.mark.parametrize(
    ("name", "variable", "value", "saw", "status"),
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
            "the server has latin1",
            "fail",
        ),
    ],
)
def test_a_wrong_server_variable_is_caught(  # noqa: PLR0917 - a row of the table
    deployment: Deployment, mariadb: TestMariadb, name: str, variable: str, value: object,
    saw: str, status: str,
) -> None:  # fmt: skip
    with server_variable(mariadb, variable, value):
        assert_caught(deployment, name, saw, status=status)
    assert look(deployment, name).status == "pass"


def test_the_budget_counts_replicas(deployment: Deployment) -> None:
    result = assert_caught(replace(deployment, replicas=20), "database.connections", "20 × (4 + 1)")
    assert "error 1040" in result.saw


def test_a_schema_in_another_character_set_is_caught(deployment: Deployment, site: Site) -> None:
    site.server.execute(f"ALTER DATABASE `{site.ops}` CHARACTER SET latin1")
    try:
        assert_caught(deployment, "database.character_set", f"{site.ops} has latin1")
    finally:
        site.server.execute(f"ALTER DATABASE `{site.ops}` CHARACTER SET utf8mb4")


def test_a_wrong_password_is_caught_with_the_account(deployment: Deployment) -> None:
    broken = changed(deployment, "mailer", DB_PASSWORD="not-the-password")
    result = assert_caught(broken, "database.sign_in", "mailer as sysndd_mailer")
    assert "not-the-password" not in str(result)


def test_a_wrong_password_for_loading_is_caught(deployment: Deployment) -> None:
    broken = changed(deployment, "backup-worker", BACKUP_LOAD_PASSWORD="not-the-password")
    assert_caught(broken, "database.sign_in", "loading as sysndd_load")


def test_a_server_that_is_not_there_is_caught(deployment: Deployment) -> None:
    assert_caught(changed(deployment, "api", DB_PORT="1"), "database.sign_in", "api as sysndd_api")


def test_a_lock_that_cannot_be_had_is_caught(deployment: Deployment, mariadb: TestMariadb) -> None:
    with mariadb.connect() as other, other.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK('sysndd-preflight', 0)")
        assert_caught(deployment, "database.lock", "GET_LOCK is refused")


def test_a_pending_migration_is_caught(deployment: Deployment, site: Site) -> None:
    applied = f"UPDATE `{site.app}`.schema_version SET success = %s WHERE filename LIKE '005%%'"
    site.server.execute(applied, (0,))
    try:
        assert_caught(deployment, "database.schema", "005_vocabularies.sql")
    finally:
        site.server.execute(applied, (1,))


@pytest.mark.parametrize(
    ("statement", "name", "saw"),
    [
        ("REVOKE UPDATE ON {app} FROM 'sysndd_api'@'%'", "privileges.sufficient", "sysndd_api lacks UPDATE on"),
        ("REVOKE PROCESS ON *.* FROM 'sysndd_backup'@'%'", "privileges.sufficient", "lacks PROCESS on *.*"),
        ("REVOKE ALL PRIVILEGES ON {shadow} FROM 'sysndd_load'@'%'", "privileges.sufficient", "sysndd_load lacks"),
        ("GRANT CREATE ON {app} TO 'sysndd_api'@'%'", "privileges.minimal", "sysndd_api has CREATE on"),
        ("GRANT SELECT ON {app} TO 'sysndd_mailer'@'%' WITH GRANT OPTION", "privileges.minimal", "GRANT OPTION"),
        ("GRANT FILE ON *.* TO 'sysndd_backup'@'%'", "privileges.minimal", "sysndd_backup has FILE on *.*"),
        ("GRANT ALL PRIVILEGES ON *.* TO 'sysndd_mailer'@'%'", "privileges.minimal", "sysndd_mailer has"),
    ],
)  # fmt: skip
def test_wrong_privileges_are_caught(
    deployment: Deployment, site: Site, statement: str, name: str, saw: str
) -> None:
    escaped = site.app.replace("_", r"\_")
    site.server.execute(statement.format(app=f"`{escaped}`.*", shadow=rf"`{escaped}\_shadow\_%`.*"))
    assert_caught(deployment, name, saw)


def test_a_redis_that_forgets_is_caught(deployment: Deployment, redis_server: TestRedis) -> None:
    with redis_server.client() as client:
        for setting, value, saw in (
            ("appendonly", "no", "appendonly is off"),
            ("maxmemory-policy", "allkeys-lru", "maxmemory-policy is allkeys-lru"),
        ):
            old = client.config_get(setting)[setting]
            client.config_set(setting, value)
            try:
                assert_caught(deployment, "redis.durable", saw)
            finally:
                client.config_set(setting, old)


def test_a_redis_that_does_not_let_us_in_is_caught(deployment: Deployment) -> None:
    url = deployment.services["api"].environment["REDIS_URL"]
    broken = changed(deployment, "api", REDIS_URL=url.replace("@", "x@"))
    assert_caught(broken, "redis.durable", "Redis does not answer")


def test_a_missing_dump_client_is_caught(deployment: Deployment, tmp_path: Path) -> None:
    broken = changed(deployment, "backup-worker", PATH=str(tmp_path))
    assert_caught(broken, "backup.client", "are not on the PATH")


def test_a_dump_client_of_the_other_vendor_is_caught(
    deployment: Deployment, mariadb: TestMariadb, tmp_path: Path
) -> None:
    theirs = ("mariadb-dump", "mariadb") if mariadb.is_mariadb else ("mysqldump", "mysql")
    version = "mysqldump  Ver 8.4.3" if mariadb.is_mariadb else "mysqldump  Ver 10.19-MariaDB"
    for name in theirs:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{version}'\n")
        program.chmod(0o755)
    broken = changed(deployment, "backup-worker", PATH=str(tmp_path))
    assert_caught(broken, "backup.client", version)


def test_a_backup_directory_that_is_not_there_is_caught(
    deployment: Deployment, tmp_path: Path
) -> None:
    broken = replace(deployment, backup_dir=tmp_path / "nowhere")
    assert_caught(broken, "backup.directory", "No such file")


def test_a_backup_directory_that_everybody_reads_is_warned_of(
    deployment: Deployment, site: Site
) -> None:
    site.backup_dir.chmod(0o777)
    assert_caught(deployment, "backup.directory", "open to everybody", status="warn")


def test_a_full_disk_is_caught(deployment: Deployment) -> None:
    # The one file system without a free byte that every machine has.
    full = replace(deployment, backup_dir=Path("/proc"))
    assert_caught(full, "disk.room", "/proc: 0.0 GiB free")


def test_a_mail_server_that_is_not_there_is_caught(deployment: Deployment) -> None:
    assert_caught(changed(deployment, "mailer", SMTP_PORT="1"), "smtp.conversation", "connect")


def test_a_mail_server_without_the_demanded_tls_is_caught(deployment: Deployment) -> None:
    broken = changed(deployment, "mailer", SMTP_SECURITY="starttls")
    result = assert_caught(broken, "smtp.conversation", "STARTTLS")
    assert result.mend
    assert "SMTP_SECURITY=tls" in result.mend


@pytest.mark.parametrize(("seconds", "status"), [(10, "warn"), (3600, "fail")])
def test_a_clock_that_is_wrong_is_caught(deployment: Deployment, seconds: int, status: str) -> None:
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
        assert_caught(late, "clock.skew", "proxy", status=status)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("days", "status"), [(60, "pass"), (15, "warn"), (4, "fail")])
def test_a_certificate_that_runs_out_is_caught(
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
            assert look(secure, "tls.certificate").status == "pass"
            untrusted = replace(secure, ca_file=None)
            assert_caught(untrusted, "tls.certificate", "self-signed")
        else:
            assert_caught(secure, "tls.certificate", "days left", status=status)


def test_a_site_in_clear_is_caught(deployment: Deployment) -> None:
    assert_caught(replace(deployment, base_url="http://site.example"), "tls.certificate", "plain")
