"""How ``sysndd-api`` starts, and what makes the start fail."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from sysndd_local.ports import free_port
from tests.support.site import REPOSITORY, Site
from tests.support.workers import PACKAGES, eventually, service_process


def start_and_wait(site: Site, **changes: str) -> "subprocess.CompletedProcess[str]":
    """Start the API and wait until it has exited."""
    environ = {
        **os.environ,
        **site.environ,
        "API_PORT": str(free_port()),
        "API_START_TIMEOUT": "2",
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **changes,
    }
    return subprocess.run(
        [sys.executable, "-m", "sysndd_api"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def pending_migration(site: Site, tmp_path: Path) -> dict[str, str]:
    """A migrations directory with one pending migration."""
    directory = tmp_path / "migrations"
    directory.mkdir()
    for path in (REPOSITORY / "db" / "migrations").iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
    (directory / "900_more.sql").write_text("CREATE TABLE more (id INT PRIMARY KEY);\n")
    return {"MIGRATIONS_DIR": str(directory)}


def test_a_schema_with_pending_migrations_is_a_failed_start(
    site: Site, pending_migration: dict[str, str]
) -> None:
    done = start_and_wait(site, **pending_migration)
    assert done.returncode == 1
    assert "900_more.sql" in done.stderr


def test_migrations_run_once_at_the_start_of_several_workers(
    site: Site, pending_migration: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    changes = {
        **pending_migration,
        "MIGRATE_ON_START": "true",
        "API_PORT": str(port),
        "API_WORKERS": "4",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    with service_process("sysndd_api", site, tmp_path, **changes):
        eventually("ready", lambda: ready(port), seconds=120)
        log = (tmp_path / "sysndd_api.log").read_text()
        assert log.count("900_more.sql") >= 1
        ((rows,),) = site.server.execute(
            f"SELECT COUNT(*) FROM `{site.app}`.schema_version WHERE filename = '900_more.sql'"
        )
        assert rows == 1


def test_the_api_starts_without_the_application_schema_so_that_an_operator_can_restore(
    site: Site, tmp_path: Path
) -> None:
    site.server.execute(f"DROP DATABASE `{site.app}`")
    port = free_port()
    with service_process("sysndd_api", site, tmp_path, API_PORT=str(port)):
        eventually("live", lambda: live(port), seconds=60)
        answer = httpx.get(f"http://127.0.0.1:{port}/api/health/ready")
        assert answer.status_code == 503
        assert answer.json()["reason"].startswith("The application schema is missing.")


def live(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200
    except httpx.HTTPError:
        return False


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready").status_code == 200
    except httpx.HTTPError:
        return False


def test_a_failed_migration_is_a_failed_start(
    site: Site, pending_migration: dict[str, str]
) -> None:
    path = Path(pending_migration["MIGRATIONS_DIR"]) / "900_more.sql"
    path.write_text("CREATE TABLE broken (;\n")
    done = start_and_wait(site, MIGRATE_ON_START="true", **pending_migration)
    assert done.returncode == 1
    assert "900_more.sql" in done.stderr


def test_an_unreachable_database_is_a_failed_start(site: Site) -> None:
    done = start_and_wait(site, DB_PORT=str(free_port()))
    assert done.returncode == 1
    assert "The database is not responding." in done.stderr


def test_all_invalid_settings_are_named_without_their_values(site: Site) -> None:
    done = start_and_wait(
        site, DB_PORT="secret-in-the-wrong-place", API_WORKERS="0", LOG_LEVEL="loud"
    )
    assert done.returncode == 1
    for name in ("DB_PORT", "API_WORKERS", "LOG_LEVEL"):
        assert name in done.stderr
    assert "secret-in-the-wrong-place" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_secret_is_read_from_a_file(site: Site, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(site.environ["DB_PASSWORD"] + "\n")
    done = start_and_wait(
        site, DB_PASSWORD="", DB_PASSWORD_FILE=str(secret), MIGRATIONS_DIR="/nowhere"
    )
    assert done.returncode == 1
    assert "MIGRATIONS_DIR" in done.stderr
    both = start_and_wait(site, DB_PASSWORD_FILE=str(secret))
    assert "are both set. Set only one of them" in both.stderr


def test_an_invalid_public_url_is_a_failed_start(site: Site) -> None:
    """It is the only source of links in emails; the Host of a request must not be one."""
    for wrong in ("", "sysndd.example", "ftp://sysndd.example", "http://sysndd.example/path"):
        done = start_and_wait(site, PUBLIC_URL=wrong)
        assert done.returncode == 1
        assert "PUBLIC_URL" in done.stderr


def test_production_requires_an_https_url(site: Site) -> None:
    """Production is the default environment."""
    for environment in ("", "production"):
        done = start_and_wait(site, PUBLIC_URL="http://sysndd.example", ENVIRONMENT=environment)
        assert done.returncode == 1
        assert "PUBLIC_URL: Value error, production needs https://" in done.stderr
    for address in ("https://sysndd.example", "http://localhost:8080"):
        accepted = start_and_wait(
            site, PUBLIC_URL=address, ENVIRONMENT="", MIGRATIONS_DIR="/nowhere"
        )
        assert "PUBLIC_URL" not in accepted.stderr


def test_a_logo_that_cannot_be_used_is_a_failed_start(site: Site, tmp_path: Path) -> None:
    """Before the workers start: later, each of them would fail in turn."""
    missing = start_and_wait(site, SITE_LOGO=str(tmp_path / "logo.svg"))
    assert missing.returncode == 1
    assert f"SITE_LOGO={tmp_path / 'logo.svg'} cannot be read: No such file" in missing.stderr
    address = start_and_wait(site, SITE_LOGO="https://cdn.example/logo.svg")
    assert address.returncode == 1
    assert "must be the path of a file, not a URL" in address.stderr
