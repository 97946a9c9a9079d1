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
from sysndd_preflight.catalog import Phase, Problem, Skipped, check
from sysndd_preflight.checks.database import fetch_row, open_connection
from sysndd_preflight.deployment import Deployment
from sysndd_preflight.http import base_url, request, tls_context
from sysndd_preflight.service_settings import (
    api_settings,
    backup_worker_settings,
    mailer_settings,
)

_GIB = 1 << 30
_SKEW_WARNING, _SKEW_ERROR = 2.0, 30.0  # seconds; links and sessions expire after minutes
_DAYS_WARNING, _DAYS_ERROR = 21, 7


@check(
    "redis.durable",
    Phase.CONNECT,
    "Redis accepts the services, persists its data and evicts nothing.",
    remedy="Set `appendonly yes` and `maxmemory-policy noeviction` in redis.conf; check REDIS_URL.",
    logs=("redis",),
)
async def redis(deployment: Deployment) -> str:
    """Check its configuration."""
    url = api_settings(deployment).redis.url.get_secret_value()
    try:
        async with Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as client:
            information = await client.info()
    except (RedisError, OSError, ValueError) as error:
        raise Problem(f"Redis does not answer: {error}") from error
    problems = []
    if int(information.get("aof_enabled", 0)) != 1:
        problems.append("appendonly is off, so a restart loses wake-ups")
    policy = information.get("maxmemory_policy")
    if policy != "noeviction":
        problems.append(f"maxmemory-policy is {policy}, so wake-ups may be evicted")
    if problems:
        raise Problem("; ".join(problems))
    return f"Redis {information['redis_version']}, append-only, noeviction"


@check(
    "backup.client",
    Phase.CONNECT,
    "The dump client is from the vendor of the server.",
    remedy="Install mariadb-client for MariaDB, or mysql-client for MySQL.",
)
async def client(deployment: Deployment) -> str:
    """Find it as the backup worker does."""
    settings = backup_worker_settings(deployment)
    if deployment.project is not None:
        return await asyncio.to_thread(deployment.project.dump_client)
    async with Database(settings.database) as database:
        server = await identify(database)
    # With the PATH of the worker, not that of this process.
    clients = await find_clients(
        server, deployment.services["backup-worker"].environment.get("PATH")
    )
    return f"{server.version} with dump client {clients.version}"


@check(
    "backup.directory",
    Phase.CONNECT,
    "The backup directory is writable and has enough free space.",
    remedy="Make the user of the backup worker its owner, with mode 0700; free space or use a"
    " larger volume.",
)
async def backup_directory(deployment: Deployment) -> str:
    """Write, flush and delete a file; compare free space and size of the data."""
    settings = backup_worker_settings(deployment)
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
    # A restore needs space for the backup and the safety backup at the same time.
    required = max(_GIB, 2 * data)
    if free < required:
        raise Problem(f"{directory}: {_gib(free)} free, at least {_gib(required)} are required")
    if mode & 0o007:
        raise Problem(
            f"{directory} is accessible to every user, and dumps contain password hashes",
            warning=True,
        )
    return f"{directory}: {_gib(free)} free for {_gib(data)} of data"


def _write_and_delete(directory: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".sysndd-preflight-") as file:
        file.write(b"\0" * 65536)
        file.flush()
        os.fsync(file.fileno())


@check(
    "smtp.conversation",
    Phase.CONNECT,
    "The mail server accepts emails from the mailer.",
    remedy="Check SMTP_HOST, SMTP_PORT, SMTP_SECURITY, SMTP_USER and SMTP_PASSWORD_FILE.",
    logs=("mailer",),
)
async def smtp(deployment: Deployment) -> str:
    """Connect with TLS, sign in, and send MAIL FROM; no email is sent."""
    found = await probe(mailer_settings(deployment).smtp)
    if not found.success:
        raise Problem(f"{found.host}:{found.port}, {found.stage}: {found.error}", found.hint)
    return f"{found.host}:{found.port}, {len(found.steps)} steps in {found.total_ms:.0f} ms"


@check(
    "clock.skew",
    Phase.CONNECT,
    "All clocks are synchronized.",
    remedy="Synchronize every machine by NTP (systemd-timesyncd, chrony).",
)
async def clocks(deployment: Deployment) -> str:
    """Compare the clocks of database, Redis and proxy with that of this machine."""
    skews: dict[str, float] = {}
    if "api" in deployment.services:
        settings = api_settings(deployment)
        async with open_connection(settings.database) as connection:
            started = time.time()
            found = (await fetch_row(connection, "SELECT UTC_TIMESTAMP(6) AS t"))["t"]
            skews["database"] = _skew(found.replace(tzinfo=UTC).timestamp(), started, 0)
        try:
            async with Redis.from_url(
                settings.redis.url.get_secret_value(), socket_timeout=5
            ) as client:
                started = time.time()
                seconds, micros = await client.time()
                skews["Redis"] = _skew(seconds + micros / 1e6, started, 0)
        except (RedisError, OSError):
            pass  # redis.durable reports it
    if deployment.base_url is not None:
        started = time.time()
        response = await request(deployment, "/api/health/live")
        if "date" in response.headers:
            stamp = parsedate_to_datetime(response.headers["date"]).timestamp()
            # The header has a resolution of one second.
            skews["proxy"] = _skew(stamp, started, 1)
    if not skews:
        raise Skipped("there is no clock to compare with; use --system, --target or --env api=FILE")
    worst = max(skews, key=lambda name: skews[name])
    shown = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in skews.items())
    if skews[worst] > _SKEW_WARNING:
        warning = skews[worst] <= _SKEW_ERROR
        raise Problem(f"difference from the clock of this machine: {shown}", warning=warning)
    return f"difference from the clock of this machine: {shown}"


def _skew(time_there: float, started: float, resolution: float) -> float:
    """Return the difference of a clock; 0 if its time is between request and response."""
    now = time.time()
    return max(0.0, started - resolution - time_there, time_there - now)


@check(
    "tls.certificate",
    Phase.CONNECT,
    "The certificate matches the name, is trusted, and is valid for at least three weeks.",
    remedy="With SYSNDD_TLS=acme, look for `acme` in the log of Traefik (port 443 must be reachable"
    " from the internet); with SYSNDD_TLS=files, renew SYSNDD_TLS_CERT_FILE.",
    logs=("traefik",),
)
async def certificate(deployment: Deployment) -> str:
    """Open a TLS connection as a browser does."""
    parts = urlsplit(base_url(deployment))
    if parts.scheme != "https":
        if parts.hostname in LOOPBACK_NAMES:
            return "plain HTTP, on this machine only"
        raise Problem(
            "the site uses plain HTTP, so passwords are sent unencrypted",
            "Set SYSNDD_TLS to acme or files.",
        )
    host, port = parts.hostname or "", parts.port or 443

    def fetch() -> x509.Certificate:
        with (
            socket.create_connection((host, port), 10) as raw,
            tls_context(deployment).wrap_socket(raw, server_hostname=host) as secure,
        ):
            return x509.load_der_x509_certificate(secure.getpeercert(binary_form=True) or b"")

    try:
        found = await asyncio.to_thread(fetch)
    except ssl.SSLCertVerificationError as error:
        raise Problem(f"{host}: {error.verify_message}") from error
    except (OSError, ValueError) as error:
        raise Problem(f"{host}:{port}: {error}") from error
    days = (found.not_valid_after_utc - datetime.now(UTC)).days
    if days < _DAYS_WARNING:
        raise Problem(
            f"{host}: the certificate expires in {days} days", warning=days >= _DAYS_ERROR
        )
    return f"{host}: expires in {days} days, issued by {found.issuer.rfc4514_string()}"


@check(
    "disk.free_space",
    Phase.CONNECT,
    "The disks have enough free space.",
    remedy="Delete old logs and images (`docker image prune`), or keep fewer backups"
    " (BACKUP_KEEP_…).",
)
async def disk(deployment: Deployment) -> str:
    """Check the disks of this checkout, of temporary files and of the backups."""
    places = [deployment.repository, Path(tempfile.gettempdir())]
    if deployment.backup_dir is not None:
        places.append(deployment.backup_dir)
    shown = {}
    for place in places:
        usage = shutil.disk_usage(place)
        part = usage.free / max(usage.total, 1)
        shown[place.stat().st_dev] = f"{place}: {_gib(usage.free)} free ({part:.0%})"
        if usage.free < _GIB or (part < 0.03 and usage.free < 10 * _GIB):
            raise Problem(shown[place.stat().st_dev])
        if usage.free < 5 * _GIB:
            raise Problem(shown[place.stat().st_dev], warning=True)
    return "; ".join(shown.values())


def _gib(size: float) -> str:
    return f"{size / _GIB:.1f} GiB"
