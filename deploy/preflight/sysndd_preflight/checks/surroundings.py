"""Connect: Redis, dump client, backup directory, mail server, clocks, certificate, disks."""

import asyncio
import os
import shutil
import socket
import ssl
import tempfile
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sysndd_backup.server.clients import find_clients
from sysndd_backup.server.server import identify, take_inventory
from sysndd_core.db.database import Database
from sysndd_core.mail.smtp_probe import probe
from sysndd_core.settings.site import LOOPBACK_NAMES
from sysndd_preflight.catalog import NotHere, Phase, Problem, check
from sysndd_preflight.checks.database import row, session
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.http import ask, base_url, context
from sysndd_preflight.service_settings import api, backup_worker, mailer

_GIB = 1 << 30
_SKEW_WARNING, _SKEW_ERROR = 2.0, 30.0  # seconds; links and sessions are counted in minutes
_DAYS_WARNING, _DAYS_ERROR = 21, 7


@check(
    "redis.durable",
    Phase.CONNECT,
    "Redis lets us in, writes what it gets to its disk, and throws nothing away.",
    mend="Set `appendonly yes` and `maxmemory-policy noeviction` in redis.conf; check REDIS_URL.",
    logs=("redis",),
)
async def redis(deployment: Deployment) -> str:
    """Read its own report."""
    url = api(deployment).redis.url.get_secret_value()
    try:
        async with Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            information = await client.info()
    except (RedisError, OSError, ValueError) as error:
        raise Problem(f"Redis does not answer: {error}") from error
    problems = []
    if int(information.get("aof_enabled", 0)) != 1:
        problems.append("appendonly is off: a restart loses the wake-ups")
    policy = information.get("maxmemory_policy")
    if policy != "noeviction":
        problems.append(f"maxmemory-policy is {policy}: under pressure it would drop wake-ups")
    if problems:
        raise Problem("; ".join(problems))
    return f"Redis {information['redis_version']}, append-only, noeviction"


@check(
    "backup.client",
    Phase.CONNECT,
    "The dump client is the server vendor's own.",
    mend="Install it: mariadb-client for MariaDB, mysql-client for MySQL; never the other's.",
)
async def client(deployment: Deployment) -> str:
    """Find it as the backup worker does."""
    settings = backup_worker(deployment)
    if deployment.project is not None:
        return await asyncio.to_thread(deployment.project.dump_client)
    async with Database(settings.database) as database:
        server = await identify(database)
    # With the worker's own PATH, not ours.
    clients = await find_clients(
        server, deployment.services["backup-worker"].environment.get("PATH")
    )
    return f"{server.version} is dumped by {clients.version}"


@check(
    "backup.directory",
    Phase.CONNECT,
    "The backup directory can be written and has room.",
    mend="Give it to the backup worker's user with mode 0700, and make room or a larger volume.",
)
async def backup_directory(deployment: Deployment) -> str:
    """Write, flush and delete a file; compare the room with the data."""
    settings = backup_worker(deployment)
    if deployment.project is not None:
        return await asyncio.to_thread(deployment.project.backup_directory)
    directory = deployment.backup_dir or settings.backup.directory
    try:
        mode = directory.stat().st_mode
        await asyncio.to_thread(_write_and_delete, directory)
        free = shutil.disk_usage(directory).free
    except OSError as error:
        raise Problem(f"{directory}: {error.strerror}") from error
    async with Database(settings.database) as database:
        data = (await take_inventory(database, settings.database.name)).data_bytes
    # A restore keeps the file to be restored and the safety backup at the same time.
    wanted = max(_GIB, 2 * data)
    if free < wanted:
        raise Problem(f"{directory}: {_gib(free)} free, {_gib(wanted)} are wanted")
    if mode & 0o007:
        raise Problem(f"{directory} is open to everybody: dumps hold password hashes", warning=True)
    return f"{directory}: {_gib(free)} free for {_gib(data)} of data"


def _write_and_delete(directory: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".sysndd-preflight-") as file:
        file.write(b"\0" * 65536)
        file.flush()
        os.fsync(file.fileno())


@check(
    "smtp.conversation",
    Phase.CONNECT,
    "The mail server takes mails from us.",
    mend="Check SMTP_HOST, SMTP_PORT, SMTP_SECURITY, SMTP_USER and SMTP_PASSWORD_FILE.",
    logs=("mailer",),
)
async def smtp(deployment: Deployment) -> str:
    """Talk to it up to MAIL FROM, with TLS and sign-in; no mail is sent."""
    found = await probe(mailer(deployment).smtp)
    if not found.success:
        raise Problem(f"{found.host}:{found.port}, {found.stage}: {found.error}", found.hint)
    return f"{found.host}:{found.port}, {len(found.steps)} steps in {found.total_ms:.0f} ms"


@check(
    "clock.skew",
    Phase.CONNECT,
    "All clocks agree.",
    mend="Let every machine keep its time by NTP (systemd-timesyncd, chrony).",
)
async def clocks(deployment: Deployment) -> str:
    """Compare database, Redis and proxy with this machine."""
    skews: dict[str, float] = {}
    if "api" in deployment.services:
        settings = api(deployment)
        async with session(settings.database) as connection:
            begun = time.time()
            found = (await row(connection, "SELECT UTC_TIMESTAMP(6) AS t"))["t"]
            skews["database"] = _skew(found.replace(tzinfo=UTC).timestamp(), begun, 0)
        try:
            async with Redis.from_url(
                settings.redis.url.get_secret_value(), socket_timeout=5
            ) as client:
                begun = time.time()
                seconds, micros = await client.time()
                skews["Redis"] = _skew(seconds + micros / 1e6, begun, 0)
        except (RedisError, OSError):
            pass  # redis.durable says it
    if deployment.base_url is not None:
        begun = time.time()
        answer = await ask(deployment, "/api/health/live")
        if "date" in answer.headers:
            stamp = parsedate_to_datetime(answer.headers["date"]).timestamp()
            # The header has whole seconds.
            skews["proxy"] = _skew(stamp, begun, 1)
    if not skews:
        raise NotHere("there is nobody to compare with")
    worst = max(skews, key=lambda name: skews[name])
    told = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in skews.items())
    if skews[worst] > _SKEW_WARNING:
        warning = skews[worst] <= _SKEW_ERROR
        raise Problem(f"away from this machine's clock: {told}", warning=warning)
    return told


def _skew(theirs: float, begun: float, grain: float) -> float:
    """Return how far a clock is away: 0 when it lies between question and answer."""
    now = time.time()
    return max(0.0, begun - grain - theirs, theirs - now)


@check(
    "tls.certificate",
    Phase.CONNECT,
    "The certificate is for this name, trusted, and good for weeks.",
    mend="With SYSNDD_TLS=acme look for `acme` in Traefik's log (port 443 must be reachable);"
    " with files, renew SYSNDD_TLS_CERT_FILE.",
    logs=("traefik",),
)
async def certificate(deployment: Deployment) -> str:
    """Make a TLS connection as a browser would."""
    parts = urlsplit(base_url(deployment))
    if parts.scheme != "https":
        if parts.hostname in LOOPBACK_NAMES:
            return "plain HTTP, on this machine only"
        raise Problem("the target is plain HTTP: passwords travel in clear", "Set SYSNDD_TLS.")
    host, port = parts.hostname or "", parts.port or 443

    def look() -> x509.Certificate:
        with (
            socket.create_connection((host, port), 10) as raw,
            context(deployment).wrap_socket(raw, server_hostname=host) as secure,
        ):
            return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")

    try:
        found = await asyncio.to_thread(look)
    except ssl.SSLCertVerificationError as error:
        raise Problem(f"{host}: {error.verify_message}") from error
    except (OSError, ValueError) as error:
        raise Problem(f"{host}:{port}: {error}") from error
    days = (found.not_valid_after_utc - datetime.now(UTC)).days
    if days < _DAYS_WARNING:
        raise Problem(f"{host}: {days} days left", warning=days >= _DAYS_ERROR)
    return f"{host}: {days} days left, by {found.issuer.rfc4514_string()}"


@check(
    "disk.room",
    Phase.CONNECT,
    "The disks have room.",
    mend="Make room: old logs, images (`docker image prune`), backups by their retention.",
)
async def disk(deployment: Deployment) -> str:
    """Look at the disks of this checkout, of temporary files and of the backups."""
    places = [deployment.repository, Path(tempfile.gettempdir())]
    if deployment.backup_dir is not None:
        places.append(deployment.backup_dir)
    told = {}
    for place in places:
        usage = shutil.disk_usage(place)
        part = usage.free / max(usage.total, 1)
        told[place.stat().st_dev] = f"{place}: {_gib(usage.free)} free ({part:.0%})"
        if usage.free < _GIB or (part < 0.03 and usage.free < 10 * _GIB):
            raise Problem(told[place.stat().st_dev])
        if usage.free < 5 * _GIB:
            raise Problem(told[place.stat().st_dev], warning=True)
    return "; ".join(told.values())


def _gib(size: float) -> str:
    return f"{size / _GIB:.1f} GiB"
