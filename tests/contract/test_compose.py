"""The compose files confine every container and pass every setting to its service."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from sysndd_api.settings import ApiSettings
from sysndd_backup.settings import BackupWorkerSettings
from sysndd_core import __version__
from sysndd_core.settings.base import Settings, groups_of, variables_of
from sysndd_core.settings.server import GRACEFUL_SECONDS
from sysndd_mailer.settings import MailerSettings
from sysndd_migrator.settings import MigratorSettings

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCTION = REPOSITORY / "deploy" / "docker-compose.production.yml"
SETTINGS: dict[str, type[Settings]] = {
    "api": ApiSettings,
    "backup-worker": BackupWorkerSettings,
    "mailer": MailerSettings,
    "migrator": MigratorSettings,
}
ONE_SHOT = {"accounts", "migrator"}
# Passed to one command by the operator, never by a deployment.
NOT_A_DEPLOYMENTS = {"VERIFY_SERVER_PASSWORD"}


def read(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return document


BASE = read(REPOSITORY / "docker-compose.yml")
OVERRIDE = read(REPOSITORY / "docker-compose.override.yml")
SERVICES: dict[str, dict[str, Any]] = BASE["services"]
COMPLETE = SERVICES | {"mailpit": OVERRIDE["services"]["mailpit"]}


@pytest.mark.parametrize("name", COMPLETE)
def test_every_container_is_confined(name: str) -> None:
    service = COMPLETE[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert service["init"] is True
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert "docker.sock" not in str(service)


@pytest.mark.parametrize("name", COMPLETE)
def test_images_have_a_fixed_version_that_a_setting_can_change(name: str) -> None:
    found = re.fullmatch(r".*\$\{\w+:-([^}:]+:)?([^}:]+)\}", COMPLETE[name]["image"])
    assert found is not None
    assert found[2] != "latest"


@pytest.mark.parametrize("name", ["migrator", "api", "backup-worker", "mailer"])
def test_our_images_carry_the_version_of_the_code(name: str) -> None:
    assert COMPLETE[name]["build"]["args"]["VERSION"] == __version__


@pytest.mark.parametrize("name", sorted(set(COMPLETE) - ONE_SHOT))
def test_long_running_services_have_a_health_check_and_time_to_stop(name: str) -> None:
    service = COMPLETE[name]
    has_check = "healthcheck" in service or "HEALTHCHECK --" in dockerfile(name)
    assert has_check
    assert int(service["stop_grace_period"].removesuffix("s")) >= 10


def test_the_api_has_more_time_to_stop_than_it_uses_to_drain() -> None:
    drain = int(SERVICES["api"]["environment"]["API_DRAIN"])
    grace = int(SERVICES["api"]["stop_grace_period"].removesuffix("s"))
    assert drain > 0
    assert grace >= drain + GRACEFUL_SECONDS + 5


def test_the_proxy_outlives_the_api_containers() -> None:
    """Compose stops the dependents of a container that it replaces."""
    assert "depends_on" not in SERVICES["traefik"]


@pytest.mark.parametrize("path", [REPOSITORY / "docker-compose.yml", PRODUCTION])
def test_only_the_proxy_publishes_ports(path: Path) -> None:
    published = {name for name, service in read(path)["services"].items() if "ports" in service}
    assert published <= {"traefik"}


def test_development_publishes_ports_on_the_loopback_address_only() -> None:
    for service in OVERRIDE["services"].values():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:")


def test_the_data_network_has_no_route_to_the_internet() -> None:
    assert BASE["networks"]["data"]["internal"] is True
    assert {name: service.get("networks") for name, service in SERVICES.items()} == {
        "traefik": ["edge"],
        "db": ["data"],
        "accounts": None,
        "redis": ["data"],
        "migrator": ["data"],
        "api": ["edge", "data", "egress"],
        "backup-worker": ["data", "egress"],
        "mailer": ["data", "egress"],
    }
    assert SERVICES["accounts"]["network_mode"] == "none"


def test_all_services_wait_for_the_migrator() -> None:
    for name in ("api", "backup-worker", "mailer"):
        gate = SERVICES[name]["depends_on"]["migrator"]
        assert gate == {"condition": "service_completed_successfully"}
    assert SERVICES["migrator"]["depends_on"]["accounts"] == {
        "condition": "service_completed_successfully"
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_reaches_its_service(name: str) -> None:
    """.env is passed through; the compose file itself sets required and secret settings."""
    service = SERVICES[name]
    assert service["env_file"] == [{"path": ".env", "required": False}]
    given = service["environment"]
    for _, group in groups_of(SETTINGS[name]):
        for variable, field in variables_of(group):
            if variable in NOT_A_DEPLOYMENTS:
                continue
            if SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ())):
                file = given.get(f"{variable}_FILE", "")
                assert file.startswith("/run/secrets/"), (
                    f"{variable}: give it to {name} in docker-compose.yml as {variable}_FILE, and"
                    " name its secret in deploy/secrets.sh"
                )
                assert file.removeprefix("/run/secrets/") in service["secrets"]
                assert variable not in given
            else:
                assert not field.is_required() or variable in given, variable


def test_services_get_no_secret_that_they_do_not_read() -> None:
    for name in SETTINGS:
        used = {
            Path(value).name
            for value in SERVICES[name]["environment"].values()
            if str(value).startswith("/run/secrets/")
        }
        assert set(SERVICES[name]["secrets"]) == used, name


def test_secrets_are_files_that_git_ignores() -> None:
    written = (REPOSITORY / "deploy" / "secrets.sh").read_text(encoding="utf-8")
    for name, secret in BASE["secrets"].items():
        assert secret == {"file": f"${{SECRETS_DIR:-./secrets}}/{name}"}
        assert name in written
    assert "/secrets/\n" in (REPOSITORY / ".gitignore").read_text(encoding="utf-8")


def test_each_service_signs_in_with_its_own_account() -> None:
    template = (REPOSITORY / "deploy" / "accounts" / "accounts.sql").read_text(encoding="utf-8")
    users = [SERVICES[name]["environment"]["DB_USER"] for name in SETTINGS]
    assert len(set(users)) == len(users)
    for user in users:
        assert f"CREATE USER IF NOT EXISTS '{user}'@'%'" in template


@pytest.mark.parametrize("name", SETTINGS)
def test_dockerfiles_pass_the_linter(name: str) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run(
        [hadolint, REPOSITORY / "services" / name / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def dockerfile(name: str) -> str:
    path = REPOSITORY / "services" / name / "Dockerfile"
    return path.read_text(encoding="utf-8") if path.exists() else ""
