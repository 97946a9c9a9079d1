"""Static: the services' settings, as the services themselves read them."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from sysndd_core.errors import SettingsError
from sysndd_core.settings.base import load
from sysndd_core.settings.site import LOOPBACK_NAMES
from sysndd_preflight.catalog import NotHere, Phase, Problem, Severity, check
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.service_settings import KINDS, api, built, databases, mailer

SHORTEST_SECRET = 12
# What examples, tutorials and images come with.
WELL_KNOWN = {
    *("password", "passwort", "changeme", "change-me", "change_me", "secret", "example", "default"),
    *("root", "admin", "administrator", "mysql", "mariadb", "redis", "sysndd", "test", "letmein"),
    *("123456789012", "password1234", "changemechangeme"),
}


@check(
    "config.complete",
    Phase.STATIC,
    "Each service's settings are complete and make sense.",
    mend="Set what is named, in .env or the service's environment; docs/settings.md has each.",
)
async def complete(deployment: Deployment) -> str:
    """Build the settings of every service."""
    known = [name for name in KINDS if name in deployment.services]
    if not known:
        raise NotHere("no service's settings are known (--system or --env SERVICE=FILE)")
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
    "No secret is missing, short, well known or used twice.",
    mend="Generate new ones with `make secrets`, and hand them over as files (NAME_FILE).",
)
async def secrets(deployment: Deployment) -> str:
    """Look at every password and key; none is printed."""
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
        elif len(value) < SHORTEST_SECRET:
            problems.append(f"{label} has {len(value)} characters, fewer than {SHORTEST_SECRET}")
        elif owners.setdefault(value, account) != account:
            problems.append(f"{label} is the password of {owners[value]} as well")
    if problems:
        raise Problem("; ".join(dict.fromkeys(problems)))
    return f"{count} secrets, none short, well known or used twice"


def _secrets(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """Yield (what it is called, whose it is, the value)."""
    found = False
    for name in KINDS:
        if name not in deployment.services:
            continue
        found = True
        settings = built(deployment, name)
        for group in type(settings).model_fields:
            for variable, account, value in _of_group(getattr(settings, group)):
                yield f"{variable} of {name}", account, value
    if not found:
        raise NotHere("no service's settings are known (--system or --env SERVICE=FILE)")


def _of_group(group: object) -> Iterator[tuple[str, str, str]]:
    url = getattr(group, "url", None)
    if isinstance(url, SecretStr):
        yield "REDIS_URL's password", "Redis", urlsplit(url.get_secret_value()).password or ""
    for attribute, variable, account in (
        ("password", "DB_PASSWORD", getattr(group, "user", "")),
        ("key", "TOKEN_KEY", "TOKEN_KEY"),
        ("load_password", "BACKUP_LOAD_PASSWORD", getattr(group, "load_user", "")),
    ):
        secret = getattr(group, attribute, None)
        if not isinstance(secret, SecretStr) or not account:
            # An account without a name signs in nowhere.
            continue
        mail = hasattr(group, "mail_from")
        yield ("SMTP_PASSWORD" if mail else variable), account, secret.get_secret_value()


@check(
    "config.token_key",
    Phase.STATIC,
    "API and mailer derive the links in mails with the same key.",
    mend="Give both the same TOKEN_KEY_FILE; without it nobody can register or reset a password.",
)
async def token_key(deployment: Deployment) -> str:
    """Compare the two."""
    keys = [
        deployment.services[name].environment for name in ("api", "mailer")
        if name in deployment.services
    ]  # fmt: skip
    if len(keys) < 2:
        raise NotHere("the settings of api and mailer are not known")
    for name in ("api", "mailer"):
        built(deployment, name)
    found = {_value(environment, "TOKEN_KEY") for environment in keys}
    if "" in found:
        raise Problem("TOKEN_KEY is not set for both")
    if len(found) > 1:
        raise Problem("API and mailer have different TOKEN_KEYs: links in mails will not work")
    return "one key for both"


def _value(environment: Mapping[str, str], name: str) -> str:
    path = environment.get(f"{name}_FILE")
    if path:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    return environment.get(name, "")


@check(
    "config.same_schemas",
    Phase.STATIC,
    "All services use the same schemas, and these are two.",
    mend="Set DB_NAME and OPS_DB_NAME to the same two names for every service.",
)
async def same_schemas(deployment: Deployment) -> str:
    """Compare the names."""
    pairs = {(settings.name, settings.ops_name) for _, settings in databases(deployment)}
    if len(pairs) > 1:
        shown = ", ".join(sorted(f"{name} and {ops}" for name, ops in pairs))
        raise Problem(f"the services use different schemas: {shown}")
    ((name, ops),) = pairs
    if name == ops:
        raise Problem(f"DB_NAME and OPS_DB_NAME are both {name}: a restore would undo sessions")
    return f"{name} and {ops}"


@check(
    "config.public_url",
    Phase.STATIC,
    "Links in mails lead to an address that people can use, over TLS.",
    mend="Set PUBLIC_URL to https:// and the site's name.",
    severity=Severity.WARNING,
)
async def public_url(deployment: Deployment) -> str:
    """Look at PUBLIC_URL and MAIL_FROM."""
    address = api(deployment).site.public_url
    parts = urlsplit(address)
    if parts.hostname in LOOPBACK_NAMES:
        return f"{address}, for this machine only"
    if parts.scheme != "https":
        raise Problem(f"PUBLIC_URL is {address}: sign-in and links would travel in clear")
    if "localhost" in mailer(deployment).smtp.mail_from:
        raise Problem("MAIL_FROM is a sender at localhost", "Set MAIL_FROM to the site's sender.")
    return address


@check(
    "config.trusted_proxies",
    Phase.STATIC,
    "Forwarded addresses are believed from named networks only.",
    mend="Set TRUSTED_PROXIES to the proxy's own address or network, and nothing wider than a /16.",
)
async def trusted_proxies(deployment: Deployment) -> str:
    """Look at what API and proxy believe."""
    value = api(deployment).server.trusted_proxies
    proxy = deployment.services.get("traefik")
    in_front = proxy.environment.get("SYSNDD_TRUSTED_NETWORKS", "") if proxy else ""
    for name in filter(None, (part.strip() for part in f"{value},{in_front}".split(","))):
        try:
            network = ip_network(name, strict=False)
        except ValueError as error:
            raise Problem(f"TRUSTED_PROXIES has {name}, which is no address or network") from error
        widest = 16 if network.version == 4 else 32
        if network.prefixlen < widest and not network.is_loopback and not network.is_private:
            raise Problem(f"{name} may say whom it speaks for: that is half the internet")
        if network.prefixlen < 8:
            raise Problem(f"{name} may say whom it speaks for: that is everybody")
    return f"the API believes {value}, the proxy {in_front or 'nobody'}"
