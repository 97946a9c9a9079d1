"""Static: the settings of the services, loaded as the services do."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from sysndd_core.errors import SettingsError
from sysndd_core.settings.base import load
from sysndd_core.settings.site import LOOPBACK_NAMES
from sysndd_preflight.catalog import Phase, Problem, Severity, Skipped, check
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.service_settings import (
    KINDS,
    api_settings,
    database_accounts,
    known_services,
    load_settings,
    mailer_settings,
)

MIN_SECRET_LENGTH = 12
# Values from examples, tutorials and images.
WELL_KNOWN = {
    *("password", "passwort", "changeme", "change-me", "change_me", "secret", "example", "default"),
    *("root", "admin", "administrator", "mysql", "mariadb", "redis", "sysndd", "test", "letmein"),
    *("123456789012", "password1234", "changemechangeme"),
}


@check(
    "config.complete",
    Phase.STATIC,
    "The settings of every service are complete and valid.",
    remedy="Set the variable that is named, in .env or the environment of the service; see"
    " docs/settings.md.",
)
async def complete(deployment: Deployment) -> str:
    """Load the settings of every service."""
    known = known_services(deployment)
    problems = []
    for name in known:
        try:
            load(KINDS[name], deployment.services[name].environment)
        except SettingsError as error:
            problems.append(f"{name}: {error.detail}")
    if problems:
        raise Problem("; ".join(problems))
    return f"the settings of {', '.join(known)} are complete"


@check(
    "config.secrets",
    Phase.STATIC,
    "No secret is missing, short, well-known or reused.",
    remedy="Generate new secrets with `make secrets`, and pass them as files (NAME_FILE).",
)
async def secrets(deployment: Deployment) -> str:
    """Check every password and key; none is printed."""
    problems: list[str] = []
    owners: dict[str, str] = {}
    count = 0
    for label, account, value in _secrets(deployment):
        count += 1
        lowered = value.lower()
        if not value:
            problems.append(f"{label} is empty")
        elif lowered in WELL_KNOWN or lowered == account.lower():
            problems.append(f"{label} is a well-known word")
        elif len(value) < MIN_SECRET_LENGTH:
            problems.append(f"{label} has {len(value)} characters, fewer than {MIN_SECRET_LENGTH}")
        elif owners.setdefault(value, account) != account:
            problems.append(f"{label} is also the password of {owners[value]}")
    if problems:
        raise Problem("; ".join(dict.fromkeys(problems)))
    return f"{count} secrets; none is short, well-known or reused"


def _secrets(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """Yield (label, account, value) for each secret."""
    for name in known_services(deployment):
        settings = load_settings(deployment, name)
        for group in type(settings).model_fields:
            for variable, account, value in _of_group(getattr(settings, group)):
                yield f"{variable} of {name}", account, value


def _of_group(group: object) -> Iterator[tuple[str, str, str]]:
    url = getattr(group, "url", None)
    if isinstance(url, SecretStr):
        yield "REDIS_URL's password", "Redis", urlsplit(url.get_secret_value()).password or ""
    for attribute, variable, account in (
        ("password", "DB_PASSWORD", getattr(group, "user", "")),
        ("key", "TOKEN_KEY", "TOKEN_KEY"),
        ("load_password", "BACKUP_LOAD_PASSWORD", getattr(group, "load_user", "")),
        ("lock_password", "RESTORE_LOCK_PASSWORD", getattr(group, "lock_user", "")),
    ):
        secret = getattr(group, attribute, None)
        if not isinstance(secret, SecretStr) or not account:
            # Without a name, the account is not used.
            continue
        mail = hasattr(group, "mail_from")
        yield ("SMTP_PASSWORD" if mail else variable), account, secret.get_secret_value()


@check(
    "config.token_key",
    Phase.STATIC,
    "API and mailer use the same key for the links in emails.",
    remedy="Set the same TOKEN_KEY_FILE for both; without it, users cannot register or reset a"
    " password.",
)
async def token_key(deployment: Deployment) -> str:
    """Compare the keys of both."""
    keys = [
        deployment.services[name].environment
        for name in ("api", "mailer")
        if name in deployment.services
    ]
    if len(keys) < 2:
        raise Skipped("the settings of api or mailer are unknown; use --system or --env")
    for name in ("api", "mailer"):
        load_settings(deployment, name)
    found = {_value(environment, "TOKEN_KEY") for environment in keys}
    if "" in found:
        raise Problem("TOKEN_KEY is not set for both services")
    if len(found) > 1:
        raise Problem("API and mailer have different TOKEN_KEYs, so links in emails do not work")
    return "both use the same key"


def _value(environment: Mapping[str, str], name: str) -> str:
    path = environment.get(f"{name}_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    return environment.get(name, "")


@check(
    "config.same_schemas",
    Phase.STATIC,
    "All services use the same two schemas.",
    remedy="Set DB_NAME and OPS_DB_NAME to two different names, which are the same for every"
    " service.",
)
async def same_schemas(deployment: Deployment) -> str:
    """Compare the names."""
    pairs = {(settings.name, settings.ops_name) for _, settings in database_accounts(deployment)}
    if len(pairs) > 1:
        shown = ", ".join(sorted(f"{name} and {ops}" for name, ops in pairs))
        raise Problem(f"the services use different schemas: {shown}")
    ((name, ops),) = pairs
    if name == ops:
        raise Problem(
            f"DB_NAME and OPS_DB_NAME are both {name}: a restore would revert sessions and jobs"
        )
    return f"{name} and {ops}"


@check(
    "config.public_url",
    Phase.STATIC,
    "Links in emails lead to a public HTTPS address.",
    remedy="Set PUBLIC_URL to https:// and the name of the site.",
    severity=Severity.WARNING,
)
async def public_url(deployment: Deployment) -> str:
    """Check PUBLIC_URL and MAIL_FROM."""
    address = api_settings(deployment).site.public_url
    parts = urlsplit(address)
    if parts.hostname in LOOPBACK_NAMES:
        return f"{address}, on this machine only"
    if parts.scheme != "https":
        raise Problem(f"PUBLIC_URL is {address}: passwords and links would be sent unencrypted")
    if "localhost" in mailer_settings(deployment).smtp.sender_address:
        raise Problem(
            "MAIL_FROM is an address at localhost",
            "Set MAIL_FROM to an address at the domain of the site.",
        )
    return address


@check(
    "config.trusted_proxies",
    Phase.STATIC,
    "Forwarded client addresses are trusted from known networks only.",
    remedy="Set TRUSTED_PROXIES to the address or network of the proxy, no larger than a /16.",
)
async def trusted_proxies(deployment: Deployment) -> str:
    """Check the trusted networks of API and proxy."""
    value = api_settings(deployment).server.trusted_proxies
    proxy = deployment.services.get("traefik")
    balancers = proxy.environment.get("SYSNDD_TRUSTED_NETWORKS", "") if proxy else ""
    for name in filter(None, (part.strip() for part in f"{value},{balancers}".split(","))):
        try:
            network = ip_network(name, strict=False)
        except ValueError as error:
            raise Problem(
                f"TRUSTED_PROXIES contains {name}, which is not an address or network"
            ) from error
        widest = 16 if network.version == 4 else 32
        if network.prefixlen < widest and not network.is_loopback and not network.is_private:
            raise Problem(f"{name} is trusted, a public network with more than 65,536 addresses")
        if network.prefixlen < 8:
            raise Problem(f"{name} is trusted, which includes most or all addresses")
    return f"the API trusts {value}, the proxy {balancers or 'no network'}"
