"""Static: the compose files. `docker compose` merges and validates them where it is installed;
without it the files are read one by one, as they are written."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from sysndd_core.settings.server import GRACEFUL_SECONDS
from sysndd_preflight import programs
from sysndd_preflight.catalog import Function, NotHere, Phase, Problem, check
from sysndd_preflight.deployment import SERVICES, Deployment

BASE = "docker-compose.yml"
PRODUCTION = Path("deploy") / "docker-compose.production.yml"
_PRIVATE = ("db", "redis")
_DEFAULT = re.compile(r"\$\{\w+(?::?-([^{}]*)|:?\?[^{}]*)?\}")
_SECRET = re.compile(r"(PASSWORD|TOKEN_KEY|REDIS_URL|SECRET)$")
# What a decision of the operator is needed for, so that the production file can be looked at.
_STAND_INS = {
    "SYSNDD_TLS": "files",
    "PUBLIC_URL": "https://site.example",
    "SMTP_HOST": "mail.example",
    "MAIL_FROM": "noreply@site.example",
}

Rule = Callable[[str, dict[str, Any]], Iterator[str]]


@check(
    "compose.files",
    Phase.STATIC,
    "The compose files are valid.",
    mend="Mend what is named; `docker compose config` shows the merged result.",
    seconds=40,
)
async def files(deployment: Deployment) -> str:
    """Let `docker compose` read them, or at least a YAML parser."""
    services, how = await merged(deployment)
    missing = [
        name for name in (*SERVICES, "traefik", *_PRIVATE) if name not in services["services"]
    ]
    if missing:
        raise Problem(f"there is no service {', '.join(missing)}")
    return f"{len(services['services'])} services, read by {how}"


async def merged(deployment: Deployment) -> tuple[dict[str, Any], str]:
    """Return the services of base and production file, and who read them.

    Raises:
        NotHere: there are none.
        Problem: they are not valid.
    """
    base = deployment.repository / BASE
    if not base.is_file():
        raise NotHere(f"there is no {BASE}")
    paths = [path for path in (base, deployment.repository / PRODUCTION) if path.is_file()]
    # First: `docker compose` does not say in which file it failed to read a line.
    by_hand = _by_hand(paths)
    docker = programs.find("docker")
    if docker is not None:
        compose = await programs.run([docker, "compose", "version"], seconds=20)
        if compose.returncode == 0:
            command = [docker, "compose", "--project-directory", str(deployment.repository)]
            for path in paths:
                command += ["-f", str(path)]
            done = await programs.run([*command, "config", "--format", "json"], _STAND_INS)
            if done.returncode != 0:
                raise Problem(done.stdout.strip().splitlines()[-1])
            # Warnings about variables come on the same stream, before the document.
            return json.loads(done.stdout[done.stdout.index("{\n"):]), "docker compose"  # fmt: skip
    return by_hand, "a YAML parser"


def _by_hand(paths: list[Path]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in paths:
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise Problem(f"{path.name}: {' '.join(str(error).split())}") from error
        if not isinstance(document, dict) or not isinstance(document.get("services"), dict):
            raise Problem(f"{path.name} has no services")
        found = _merge(found, document)
    return found


def _merge(one: Any, other: Any) -> Any:
    """Merge as compose does: mappings by key, lists one after the other, else the later one."""
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


def rule(name: str, title: str, mend: str) -> Callable[[Rule], Rule]:
    """Make a check of a rule that holds for each service by itself."""

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
            return f"true of all {len(services)} services"

        as_check: Function = apply
        check(name, Phase.STATIC, title, mend=mend, seconds=40)(as_check)
        return function

    return register


@rule(
    "compose.confinement",
    "No service can do more to the machine than it needs to.",
    "Take `x-hardened` into the service, and take out what is named.",
)
def confinement(service: str, content: dict[str, Any]) -> Iterator[str]:
    """Privileges, capabilities, the engine's socket, a root folder that can be written."""
    volumes = [str(volume) for volume in content.get("volumes", [])]
    if any("docker.sock" in volume for volume in volumes):
        yield "the engine's socket is mounted (docker.sock): that is root on the machine"
    if content.get("privileged"):
        yield "privileged"
    for space in ("network_mode", "pid", "ipc"):
        if content.get(space) == "host":
            yield f"{space}: host"
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
    "Each service has bounds on memory, processors, processes and logs.",
    "Set deploy.resources.limits (cpus, memory, pids) and logging with max-size.",
)
def limits(_: str, content: dict[str, Any]) -> Iterator[str]:
    """Limits and log rotation."""
    found = content.get("deploy", {}).get("resources", {}).get("limits", {})
    for name, short in (("memory", "mem_limit"), ("cpus", "cpus"), ("pids", "pids_limit")):
        if not found.get(name) and not content.get(short):
            yield f"no limit of {name}"
    if "max-size" not in (content.get("logging") or {}).get("options", {}):
        yield "its log is never rotated (logging.options.max-size)"


@rule(
    "compose.images",
    "Each image is named by a version.",
    "Name a version: name:1.2.3, or name@sha256:….",
)
def images(_: str, content: dict[str, Any]) -> Iterator[str]:
    """A tag that is not `latest`."""
    image = _defaults(str(content.get("image", "")))
    if not image:
        if "build" not in content:
            yield "no image"
        return
    name, _, tag = image.rpartition("/")[2].partition(":")
    if "@sha256:" not in image and (not tag or tag == "latest"):
        yield f"{name} has no version"


@rule(
    "compose.published",
    "Nothing but the proxy can be reached from outside.",
    "Take out `ports` of every service but traefik.",
)
def published(service: str, content: dict[str, Any]) -> Iterator[str]:
    """Published ports."""
    if service != "traefik" and content.get("ports"):
        yield "it publishes ports"


@rule(
    "compose.secrets",
    "Secrets are files, never values in a configuration or a command.",
    "Use `secrets:` and NAME_FILE; a health check reads its password from the file.",
)
def secrets(_: str, content: dict[str, Any]) -> Iterator[str]:
    """Environment, command and health check."""
    environment = content.get("environment") or {}
    if isinstance(environment, list):
        environment = dict(str(item).partition("=")[::2] for item in environment)
    for name, value in environment.items():
        if _SECRET.search(name) and _defaults(str(value or "")):
            yield f"{name} is in its environment"
    health = content.get("healthcheck") or {}
    for what, text in (("command", content.get("command")), ("health check", health.get("test"))):
        if re.search(r"--password[= ]|\s-p\S|PASSWORD(?!_FILE)|redis-cli.* -a ", _words(text)):
            yield f"its {what} has a password in its arguments"


@rule(
    "compose.order",
    "Everyone waits for the migrator, and may finish its work before it is killed.",
    "Restore depends_on migrator: service_completed_successfully, and stop_grace_period.",
)
def order(service: str, content: dict[str, Any]) -> Iterator[str]:
    """Dependencies and grace periods."""
    if service in ("api", "backup-worker", "mailer"):
        depends = content.get("depends_on") or {}
        found = depends.get("migrator", {}) if isinstance(depends, dict) else {}
        if found.get("condition") != "service_completed_successfully":
            yield "it does not wait for the migrator's success"
    if service == "api":
        grace = _duration(str(content.get("stop_grace_period", "10s")))
        environment = content.get("environment")
        drain = environment.get("API_DRAIN", 0) if isinstance(environment, dict) else 0
        needed = float(_defaults(str(drain))) + GRACEFUL_SECONDS + 5
        if grace < needed:
            yield f"stop_grace_period is {grace:g} s, below {needed:g} s"
    if (content.get("healthcheck") or {}).get("disable") and content.get("restart") != "no":
        yield "it has no health check"


@check(
    "compose.networks",
    Phase.STATIC,
    "Database and Redis are on internal networks only.",
    mend="Give db and redis the network `data` and nothing else, and `internal: true` to that.",
)
async def networks(deployment: Deployment) -> str:
    """Look at the networks of both."""
    document, _ = await merged(deployment)
    internal = {
        name for name, network in (document.get("networks") or {}).items()
        if (network or {}).get("internal")
    }  # fmt: skip
    for service in _PRIVATE:
        used = set(document["services"].get(service, {}).get("networks") or ["default"])
        if not used <= internal:
            raise Problem(
                f"{service} is on {', '.join(sorted(used - internal))}, which is not internal"
            )
    return f"both are on {', '.join(sorted(internal))} only"


def _defaults(text: str) -> str:
    """Put in the defaults of ${NAME:-default}, as an empty environment would."""
    return _DEFAULT.sub(lambda found: found[1] or "", text)


def _words(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _duration(text: str) -> float:
    units = {"h": 3600.0, "m": 60.0, "s": 1.0}
    return sum(float(n) * units[u] for n, u in re.findall(r"([\d.]+)([hms])", text))
