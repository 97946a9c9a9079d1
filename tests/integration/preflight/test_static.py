"""Each static check passes on a valid deployment and reports faults."""

from dataclasses import replace
from pathlib import Path

import pytest

from sysndd_preflight.deployment import Deployment, Service
from tests.support.preflight import (
    assert_problem,
    copy_checked_files,
    replace_in_file,
    run_check,
    with_settings,
)
from tests.support.preflight_faults import PROXY, WRONG_FILES, WRONG_PROXIES, WRONG_SETTINGS
from tests.support.site import MIGRATIONS, REPOSITORY

COMMON = {
    "DB_NAME": "sysndd",
    "OPS_DB_NAME": "sysndd_ops",
    "REDIS_URL": "redis://:0123456789abcdef@127.0.0.1:6379/0",
    "PUBLIC_URL": "https://site.example",
    "MAIL_FROM": "SysNDD <noreply@site.example>",
    "TOKEN_KEY": "k3y-0123456789abcdef-0123456789",
    "MIGRATIONS_DIR": str(MIGRATIONS),
}
STATIC = [
    *("config.complete", "config.secrets", "config.token_key", "config.same_schemas"),
    *("config.public_url", "config.trusted_proxies", "timeouts.order"),
]
FILES = [
    *("compose.files", "compose.confinement", "compose.limits", "compose.images"),
    *("compose.published", "compose.secrets", "compose.order", "compose.networks"),
    *("images.lint", "images.unprivileged"),
]


@pytest.fixture
def valid_deployment() -> Deployment:
    services = {
        name: Service(
            COMMON | {"DB_USER": f"sysndd_{name}", "DB_PASSWORD": f"{name}-0123456789abcdef"},
            stop_seconds=35,
        )
        for name in ("migrator", "api", "backup-worker", "mailer")
    }
    return Deployment(REPOSITORY, services=services)


@pytest.mark.parametrize("name", [*STATIC, *FILES])
def test_a_valid_deployment_passes(valid_deployment: Deployment, name: str) -> None:
    result = run_check(valid_deployment, name)
    assert result.status == "pass", result
    assert result.remedy is None


@pytest.mark.parametrize(("name", "service", "settings", "finding"), WRONG_SETTINGS)
def test_a_wrong_setting_is_reported(
    valid_deployment: Deployment, name: str, service: str, settings: dict[str, str], finding: str
) -> None:
    assert_problem(with_settings(valid_deployment, service, **settings), name, finding)


def test_a_site_without_tls_causes_a_warning(valid_deployment: Deployment) -> None:
    """In development; in production the services would not start, as config.complete reports."""
    without_tls = {"PUBLIC_URL": "http://site.example"}
    broken = with_settings(valid_deployment, "api", **without_tls, ENVIRONMENT="development")
    assert_problem(broken, "config.public_url", "sent unencrypted", status="warn")


def test_a_too_short_stop_grace_period_is_reported(valid_deployment: Deployment) -> None:
    api = replace(valid_deployment.services["api"], stop_seconds=20)
    broken = replace(valid_deployment, services={**valid_deployment.services, "api": api})
    assert_problem(broken, "timeouts.order", "killed 20 s")


@pytest.mark.parametrize(("name", "file", "pattern", "replacement", "finding"), WRONG_FILES)
def test_a_wrong_file_is_reported(  # noqa: PLR0917 - a row of the table
    valid_deployment: Deployment,
    tmp_path: Path,
    name: str,
    file: str,
    pattern: str,
    replacement: str,
    finding: str,
) -> None:
    replace_in_file(copy_checked_files(tmp_path) / file, pattern, replacement)
    assert_problem(replace(valid_deployment, repository=tmp_path), name, finding)


def test_the_files_of_the_proxy_are_accepted(valid_deployment: Deployment) -> None:
    result = run_check(valid_deployment, "proxy.files")
    assert result.status == "pass", result


@pytest.mark.parametrize(("pattern", "replacement", "finding"), WRONG_PROXIES)
def test_a_wrong_proxy_configuration_is_reported(
    valid_deployment: Deployment, tmp_path: Path, pattern: str, replacement: str, finding: str
) -> None:
    replace_in_file(copy_checked_files(tmp_path) / PROXY, pattern, replacement)
    result = assert_problem(replace(valid_deployment, repository=tmp_path), "proxy.files", finding)
    assert result.log, "Traefik's own words help"


def test_contradictory_proxy_settings_are_reported(valid_deployment: Deployment) -> None:
    proxy = Service({"SYSNDD_TLS": "acme", "SYSNDD_DOMAIN": "site.example"})
    broken = replace(valid_deployment, services={**valid_deployment.services, "traefik": proxy})
    assert_problem(broken, "proxy.files", "SYSNDD_ACME_EMAIL")


def test_a_check_without_its_input_is_skipped_with_a_reason(tmp_path: Path) -> None:
    nothing = Deployment(tmp_path)
    for name in (*STATIC[:-1], *FILES, "images.build", "database.lock", "ready", "backup.cycle"):
        result = run_check(nothing, name)
        assert result.status == "skip", result
        assert result.finding
