"""Each static check lets a sound deployment pass and catches its faults by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from sysndd_preflight.deployment import Deployment, Service
from tests.support.preflight import assert_caught, changed, copy_of_files, look, spoil
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
def sound() -> Deployment:
    services = {
        name: Service(
            COMMON | {"DB_USER": f"sysndd_{name}", "DB_PASSWORD": f"{name}-0123456789abcdef"},
            stop_seconds=35,
        )
        for name in ("migrator", "api", "backup-worker", "mailer")
    }
    return Deployment(REPOSITORY, services=services)


@pytest.mark.parametrize("name", [*STATIC, *FILES])
def test_the_sound_deployment_passes(sound: Deployment, name: str) -> None:
    result = look(sound, name)
    assert result.status == "pass", result
    assert result.mend is None


@pytest.mark.parametrize(("name", "service", "settings", "saw"), WRONG_SETTINGS)
def test_a_wrong_setting_is_caught(
    sound: Deployment, name: str, service: str, settings: dict[str, str], saw: str
) -> None:
    assert_caught(changed(sound, service, **settings), name, saw)


def test_a_site_without_tls_is_warned_of(sound: Deployment) -> None:
    """In development; in production neither service would start, and the first check says so."""
    in_clear = {"PUBLIC_URL": "http://site.example"}
    broken = changed(sound, "api", **in_clear, ENVIRONMENT="development")
    assert_caught(broken, "config.public_url", "in clear", status="warn")


def test_a_supervisor_that_kills_too_early_is_caught(sound: Deployment) -> None:
    api = replace(sound.services["api"], stop_seconds=20)
    broken = replace(sound, services={**sound.services, "api": api})
    assert_caught(broken, "timeouts.order", "killed 20 s")


@pytest.mark.parametrize(("name", "file", "pattern", "replacement", "saw"), WRONG_FILES)
def test_a_wrong_file_is_caught(  # noqa: PLR0917 - a row of the table
    sound: Deployment,
    tmp_path: Path,
    name: str,
    file: str,
    pattern: str,
    replacement: str,
    saw: str,
) -> None:
    spoil(copy_of_files(tmp_path) / file, pattern, replacement)
    assert_caught(replace(sound, repository=tmp_path), name, saw)


def test_the_proxys_files_are_taken(sound: Deployment) -> None:
    result = look(sound, "proxy.files")
    assert result.status == "pass", result


@pytest.mark.parametrize(("pattern", "replacement", "saw"), WRONG_PROXIES)
def test_a_broken_proxy_is_caught(
    sound: Deployment, tmp_path: Path, pattern: str, replacement: str, saw: str
) -> None:
    spoil(copy_of_files(tmp_path) / PROXY, pattern, replacement)
    result = assert_caught(replace(sound, repository=tmp_path), "proxy.files", saw)
    assert result.log, "Traefik's own words help"


def test_proxy_settings_that_make_no_sense_are_caught(sound: Deployment) -> None:
    proxy = Service({"SYSNDD_TLS": "acme", "SYSNDD_DOMAIN": "site.example"})
    broken = replace(sound, services={**sound.services, "traefik": proxy})
    assert_caught(broken, "proxy.files", "SYSNDD_ACME_EMAIL")


def test_what_is_not_known_is_not_called_sound(tmp_path: Path) -> None:
    nothing = Deployment(tmp_path)
    for name in (*STATIC[:-1], *FILES, "images.build", "database.lock", "ready", "backup.cycle"):
        result = look(nothing, name)
        assert result.status == "skip", result
        assert result.saw
