"""Each static check lets a sound deployment pass and catches its faults by name."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from sysndd_preflight.deployment import Deployment, Service
from tests.support.preflight import assert_caught, changed, copy_of_files, look
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


@pytest.mark.parametrize(
    ("name", "service", "settings", "saw"),
    [
        ("config.complete", "api", {"DB_PORT": "x"}, "DB_PORT"),
        ("config.complete", "mailer", {"PUBLIC_URL": ""}, "PUBLIC_URL"),
        ("config.complete", "api", {"PUBLIC_URL": "http://site.example"}, "production needs https"),
        ("config.complete", "mailer", {"SMTP_SECURITY": "maybe"}, "SMTP_SECURITY"),
        ("config.complete", "api", {"DB_PASSWORD": "", "DB_PASSWORD_FILE": "/nowhere"}, "can't be"),
        ("config.secrets", "api", {"DB_PASSWORD": ""}, "DB_PASSWORD of api is empty"),
        ("config.secrets", "mailer", {"DB_PASSWORD": "changeme"}, "DB_PASSWORD of mailer is a well"),
        ("config.secrets", "api", {"DB_PASSWORD": "short-one"}, "fewer than 12"),
        ("config.secrets", "api", {"REDIS_URL": "redis://127.0.0.1/0"}, "REDIS_URL's password"),
        (
            "config.secrets", "api", {"DB_PASSWORD": "mailer-0123456789abcdef"},
            "is the password of sysndd_api as well",
        ),
        ("config.token_key", "mailer", {"TOKEN_KEY": "another-0123456789abcdef01"}, "different"),
        ("config.token_key", "api", {"TOKEN_KEY": ""}, "not set for both"),
        ("config.same_schemas", "mailer", {"OPS_DB_NAME": "other_ops"}, "different schemas"),
        ("config.trusted_proxies", "api", {"TRUSTED_PROXIES": "0.0.0.0/0"}, "0.0.0.0/0"),
        ("config.trusted_proxies", "api", {"TRUSTED_PROXIES": "*"}, "no address or network"),
        ("config.trusted_proxies", "api", {"TRUSTED_PROXIES": "198.0.0.0/8"}, "198.0.0.0/8"),
        ("timeouts.order", "api", {"DB_POOL_TIMEOUT": "20"}, "DB_POOL_TIMEOUT 20 s"),
        ("timeouts.order", "api", {"DB_STATEMENT_TIMEOUT": "90"}, "DB_STATEMENT_TIMEOUT 90 s"),
    ],
)  # fmt: skip
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


PROXY = "proxy/dynamic/site.yml"
COMPOSE = "docker-compose.yml"


def _service(name: str) -> str:
    """Match the first line of a service in the compose file."""
    return rf"(?m)^  {name}:\n"


@pytest.mark.parametrize(
    ("name", "file", "pattern", "replacement", "saw"),
    [
        ("timeouts.order", PROXY, r"idleConnTimeout: 60s", "idleConnTimeout: 100s", "idleConnTimeout"),
        ("timeouts.order", PROXY, r"responseHeaderTimeout: 60s", "responseHeaderTimeout: 5s", "5 s"),
        ("compose.files", COMPOSE, r"(?m)^services:", "services: [", "docker-compose.yml"),
        ("compose.files", COMPOSE, _service("redis"), "  cache:\n", "no service redis"),
        (
            "compose.confinement", COMPOSE, _service("api"),
            "  api:\n    privileged: true\n", "api: privileged",
        ),
        (
            "compose.confinement", COMPOSE, r"- \./proxy:/etc/traefik:ro",
            "- /var/run/docker.sock:/var/run/docker.sock", "traefik: the engine's socket",
        ),
        ("compose.confinement", COMPOSE, r"cap_drop: \[ALL\]", "cap_drop: []", "cap_drop ALL"),
        ("compose.confinement", COMPOSE, r"read_only: true", "read_only: false", "read_only"),
        ("compose.confinement", COMPOSE, r"no-new-privileges:true", "label:x", "no-new-privileges"),
        ("compose.confinement", COMPOSE, _service("db"), "  db:\n    pid: host\n", "db: pid: host"),
        ("compose.limits", COMPOSE, r", pids: 1000", "", "db: no limit of pids"),
        ("compose.limits", COMPOSE, r"max-size: 10m, ", "", "never rotated"),
        ("compose.images", COMPOSE, r"mariadb:11\.8\}", "mariadb:latest}", "db: mariadb has no"),
        ("compose.images", COMPOSE, r"traefik:v[\d.]+\}", "traefik}", "traefik has no version"),
        (
            "compose.published", COMPOSE, _service("db"),
            '  db:\n    ports: ["3306:3306"]\n', "db: it publishes ports",
        ),
        (
            "compose.secrets", COMPOSE, r"DB_USER: sysndd_api",
            "DB_PASSWORD: geheim", "api: DB_PASSWORD is in its environment",
        ),
        (
            "compose.order", COMPOSE, r"migrator: \{condition: service_completed_successfully\}",
            "migrator: {condition: service_started}", "api: it does not wait",
        ),
        ("compose.order", COMPOSE, r"stop_grace_period: 40s", "stop_grace_period: 10s", "10 s"),
        ("compose.networks", COMPOSE, r"(?m)^    internal: true\n", "    internal: false\n", "data"),
        (
            "images.unprivileged", "services/api/Dockerfile", r"(?m)^USER .*$", "USER root",
            "services/api/Dockerfile runs as root",
        ),
        (
            "images.lint", "services/api/Dockerfile", r"\Z",
            "\nRUN apt-get install curl\n", "services/api/Dockerfile",
        ),
    ],
)  # fmt: skip
def test_a_wrong_file_is_caught(  # noqa: PLR0917 - a row of the table
    sound: Deployment,
    tmp_path: Path,
    name: str,
    file: str,
    pattern: str,
    replacement: str,
    saw: str,
) -> None:
    path = copy_of_files(tmp_path) / file
    text, count = re.subn(pattern, replacement.replace("\\", "\\\\"), path.read_text())
    assert count, f"{file} has changed: {pattern}"
    path.write_text(text)
    assert_caught(replace(sound, repository=tmp_path), name, saw)


def test_the_proxys_files_are_taken(sound: Deployment) -> None:
    result = look(sound, "proxy.files")
    assert result.status == "pass", result


@pytest.mark.parametrize(
    ("pattern", "replacement", "saw"),
    [
        (r"PathRegexp\(`\^/\(api\|admin\|account\)\(/\|\$\)`\)'\n      priority: 10", "PathPrefix(`/`)'\n      priority: 10", "is answered 50"),
        (r"middlewares:\n    security-headers:", "middlewares:\n    other-headers:", "not routed"),
        (r"routers:", "routers: [", "not routed"),
    ],
)  # fmt: skip
def test_a_broken_proxy_is_caught(
    sound: Deployment, tmp_path: Path, pattern: str, replacement: str, saw: str
) -> None:
    path = copy_of_files(tmp_path) / PROXY
    text, count = re.subn(pattern, replacement, path.read_text())
    assert count, pattern
    path.write_text(text)
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
