"""Static: the Compose files.

They are merged and validated by `docker compose`, or by a YAML parser where it is not installed.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from sysndd_core.settings.server import GRACEFUL_SECONDS
from sysndd_preflight import programs
from sysndd_preflight.catalog import Function, Phase, Problem, Skipped, check
from sysndd_preflight.deployment import SERVICES, Deployment, parse_duration

BASE = "docker-compose.yml"
PRODUCTION = Path("deploy") / "docker-compose.production.yml"
_PRIVATE = ("db", "redis")
_DEFAULT = re.compile(r"\$\{\w+(?::?-([^{}]*)|:?\?[^{}]*)?\}")
_SECRET = re.compile(r"(PASSWORD|TOKEN_KEY|REDIS_URL|SECRET)$")
# Values for the required variables of the production file.
_PLACEHOLDERS = {
    "SYSNDD_TLS": "files",
    "PUBLIC_URL": "https://site.example",
    "SMTP_HOST": "mail.example",
    "MAIL_FROM": "noreply@site.example",
}

Rule = Callable[[str, dict[str, Any]], Iterator[str]]


@check(
    "compose.files",
    Phase.STATIC,
    "The Compose files are valid.",
    remedy="Correct the file that is named; `docker compose config` shows the merged"
    " configuration.",
    seconds=40,
)
async def files(deployment: Deployment) -> str:
    """Load the files with `docker compose` or a YAML parser."""
    document, reader = await merged(deployment)
    missing = [
        name for name in (*SERVICES, "traefik", *_PRIVATE) if name not in document["services"]
    ]
    if missing:
        raise Problem(f"missing service: {', '.join(missing)}")
    return f"{len(document['services'])} services, read by {reader}"


async def merged(deployment: Deployment) -> tuple[dict[str, Any], str]:
    """Return the merged base and production files, and the program that read them.

    Raises:
        Skipped: there is no base file.
        Problem: a file is invalid.
    """
    base = deployment.repository / BASE
    if not base.is_file():
        raise Skipped(f"{BASE} does not exist in the checkout")
    paths = [path for path in (base, deployment.repository / PRODUCTION) if path.is_file()]
    # First, because `docker compose` does not say which file is invalid.
    parsed = _parse(paths)
    docker = programs.find("docker")
    if docker is not None:
        compose = await programs.run([docker, "compose", "version"], seconds=20)
        if compose.returncode == 0:
            command = [docker, "compose", "--project-directory", str(deployment.repository)]
            for path in paths:
                command += ["-f", str(path)]
            done = await programs.run([*command, "config", "--format", "json"], _PLACEHOLDERS)
            if done.returncode != 0:
                raise Problem(done.stdout.strip().splitlines()[-1])
            # Warnings about variables precede the document in the same stream.
            return json.loads(done.stdout[done.stdout.index("{\n") :]), "docker compose"
    return parsed, "a YAML parser"


def _parse(paths: list[Path]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in paths:
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise Problem(f"{path.name}: {' '.join(str(error).split())}") from error
        if not isinstance(document, dict) or not isinstance(document.get("services"), dict):
            raise Problem(f"{path.name} defines no services")
        found = _merge(found, document)
    return found


def _merge(one: Any, other: Any) -> Any:
    """Merge as Compose does: mappings by key, lists concatenated, otherwise the later value."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            **one,
            **{
                key: _merge(one[key], value) if key in one else value
                for key, value in other.items()
            },
        }
    if isinstance(one, list) and isinstance(other, list):
        return [*one, *other]
    return other


def rule(name: str, title: str, remedy: str) -> Callable[[Rule], Rule]:
    """Register a rule that applies to each service as a check."""

    def register(function: Rule) -> Rule:
        async def apply(deployment: Deployment) -> str:
            document, _ = await merged(deployment)
            services = document["services"]
            problems = [
                f"{service}: {text}"
                for service, content in services.items()
                for text in function(service, content)
            ]
            if problems:
                raise Problem("; ".join(problems))
            return f"all {len(services)} services comply"

        as_check: Function = apply
        check(name, Phase.STATIC, title, remedy=remedy, seconds=40)(as_check)
        return function

    return register


@rule(
    "compose.confinement",
    "Every service is isolated from the host as far as its work allows.",
    "Add `<<: *hardened` to the service, and remove the option that is named.",
)
def confinement(service: str, content: dict[str, Any]) -> Iterator[str]:
    """Check privileges, capabilities, the engine's socket and the root file system."""
    volumes = [str(volume) for volume in content.get("volumes", [])]
    if any("docker.sock" in volume for volume in volumes):
        yield "the engine's socket (docker.sock) is mounted, which gives root access to the host"
    if content.get("privileged"):
        yield "privileged is set"
    for space in ("network_mode", "pid", "ipc"):
        if content.get(space) == "host":
            yield f"{space}: host is set"
    if "ALL" not in content.get("cap_drop", []):
        yield "cap_drop ALL is missing"
    options = [str(option).replace("=", ":") for option in content.get("security_opt", [])]
    if not any(
        option.startswith("no-new-privileges") and "false" not in option for option in options
    ):
        yield "no-new-privileges is missing"
    if not content.get("read_only"):
        yield "read_only is missing"
    if not content.get("init"):
        yield "init is missing"


@rule(
    "compose.limits",
    "Every service has limits on memory, CPUs, processes and log size.",
    "Set deploy.resources.limits (cpus, memory, pids) and logging with max-size.",
)
def limits(_: str, content: dict[str, Any]) -> Iterator[str]:
    """Check limits and log rotation."""
    found = content.get("deploy", {}).get("resources", {}).get("limits", {})
    for name, short in (("memory", "mem_limit"), ("cpus", "cpus"), ("pids", "pids_limit")):
        if not found.get(name) and not content.get(short):
            yield f"there is no limit on {name}"
    if "max-size" not in (content.get("logging") or {}).get("options", {}):
        yield "its log is never rotated; logging.options.max-size is missing"


@rule(
    "compose.images",
    "Every image has a fixed version.",
    "Specify a version: name:1.2.3 or name@sha256:….",
)
def images(_: str, content: dict[str, Any]) -> Iterator[str]:
    """Check for a tag other than `latest`."""
    image = _defaults(str(content.get("image", "")))
    if not image:
        if "build" not in content:
            yield "there is no image"
        return
    name, _, tag = image.rpartition("/")[2].partition(":")
    if "@sha256:" not in image and (not tag or tag == "latest"):
        yield f"the image {name} has no fixed version"


@rule(
    "compose.published",
    "Only the proxy publishes ports.",
    "Remove `ports` from every service except traefik.",
)
def published(service: str, content: dict[str, Any]) -> Iterator[str]:
    """Check published ports."""
    if service != "traefik" and content.get("ports"):
        yield "it publishes ports"


@rule(
    "compose.secrets",
    "Secrets are passed as files, never in the environment or on a command line.",
    "Use `secrets:` and NAME_FILE; let a health check read its password from the file.",
)
def secrets(_: str, content: dict[str, Any]) -> Iterator[str]:
    """Check environment, command and health check."""
    environment = content.get("environment") or {}
    if isinstance(environment, list):
        environment = dict(str(item).partition("=")[::2] for item in environment)
    for name, value in environment.items():
        if _SECRET.search(name) and _defaults(str(value or "")):
            yield f"{name} is set in its environment"
    health = content.get("healthcheck") or {}
    for what, words in (("command", content.get("command")), ("health check", health.get("test"))):
        if re.search(r"--password[= ]|\s-p\S|PASSWORD(?!_FILE)|redis-cli.* -a ", _words(words)):
            yield f"its {what} contains a password in the arguments"


@rule(
    "compose.order",
    "Services start after the migrator, and have time to finish their work when they are stopped.",
    "Restore depends_on migrator: service_completed_successfully, or the stop_grace_period.",
)
def order(service: str, content: dict[str, Any]) -> Iterator[str]:
    """Check dependencies, grace periods and health checks."""
    if service in ("api", "backup-worker", "mailer"):
        depends = content.get("depends_on") or {}
        found = depends.get("migrator", {}) if isinstance(depends, dict) else {}
        if found.get("condition") != "service_completed_successfully":
            yield "it does not wait for the migrator to succeed"
    if service == "api":
        grace = parse_duration(str(content.get("stop_grace_period", "10s")))
        environment = content.get("environment")
        drain = environment.get("API_DRAIN", 0) if isinstance(environment, dict) else 0
        needed = float(_defaults(str(drain))) + GRACEFUL_SECONDS + 5
        if grace < needed:
            yield f"stop_grace_period is {grace:g} s; at least {needed:g} s are required"
    if (content.get("healthcheck") or {}).get("disable") and content.get("restart") != "no":
        yield "it has no health check"


@check(
    "compose.networks",
    Phase.STATIC,
    "Database and Redis are on internal networks only.",
    remedy="Connect db and redis to the network `data` only, and set `internal: true` there.",
)
async def networks(deployment: Deployment) -> str:
    """Check the networks of both."""
    document, _ = await merged(deployment)
    internal = {
        name
        for name, network in (document.get("networks") or {}).items()
        if (network or {}).get("internal")
    }
    for service in _PRIVATE:
        used = set(document["services"].get(service, {}).get("networks") or ["default"])
        if not used <= internal:
            raise Problem(
                f"{service} is on {', '.join(sorted(used - internal))}, which is not internal"
            )
    return f"both are on {', '.join(sorted(internal))} only"


def _defaults(text: str) -> str:
    """Substitute the default for each ${NAME:-default}."""
    return _DEFAULT.sub(lambda found: found[1] or "", text)


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")
