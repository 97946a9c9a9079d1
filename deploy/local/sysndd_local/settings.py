"""The settings of a run: environment variables, read once by the command line.

The settings of the services (DB_POOL_SIZE, LOG_LEVEL, BACKUP_KEEP_…) are passed on unchanged; this
module contains those that the run itself uses.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sysndd_local.errors import LocalRunError

DEFAULT_PORTS = {"HTTP_PORT": 8080, "MAIL_HTTP_PORT": 8025}
# All requests of a local run come from the loopback address, which the proxy counts as one client.
DEFAULT_RATE_FACTOR = 100
SCHEMA_NAME = re.compile(r"[A-Za-z0-9_]{1,52}")


@dataclass(frozen=True)
class ExternalDatabase:
    """An existing database server; its one account is used for everything."""

    host: str
    port: int
    socket: Path | None
    user: str
    password: str = field(repr=False)
    load_user: str | None = None
    load_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class LocalSettings:
    """The settings of one run.

    Args:
        repository: absolute path of the checkout.
        run_dir: absolute path of the run folder.
        ports: HTTP_PORT, MAIL_HTTP_PORT, API_PORT, DB_PORT, REDIS_PORT and SMTP_PORT; None if not
            requested.
        schema: the application schema.
        ops_schema: the platform schema.
        database: an existing server to use instead of a private one.
        redis_url: an existing server to use instead of a private one.
        smtp_host: a mail server to use instead of the mail catcher.
        mailpit: a Mailpit program to use instead of the built-in mail catcher.
        api_workers: worker processes of the API.
        pool_size: database connections per process.
        rate_factor: multiplies the rate limits of the proxy.
        public_url: start of the links in emails; None for the address of the proxy.
        migrations: directory of the application's migrations.
        backups: directory of the backups; None for one in the run folder.
        log_format: json or console.
        start_timeout: seconds until the system must be ready.
    """

    repository: Path
    run_dir: Path
    ports: dict[str, int | None]
    schema: str
    ops_schema: str
    database: ExternalDatabase | None
    redis_url: str | None = field(repr=False)
    smtp_host: str | None
    mailpit: Path | None
    api_workers: int
    pool_size: int
    rate_factor: int
    public_url: str | None
    migrations: Path
    backups: Path | None
    log_format: str
    start_timeout: float


def read_settings(environ: Mapping[str, str], *, repository: Path) -> LocalSettings:
    """Build the settings from environment variables.

    Args:
        environ: usually ``os.environ``.
        repository: absolute path of the checkout; the base of relative paths.

    Raises:
        LocalRunError: a variable has an invalid value; the message names it.
    """
    reader = _Reader(environ, repository)
    database = _external_database(reader)
    smtp_host = reader.text("SMTP_HOST")
    return LocalSettings(
        repository=repository,
        run_dir=reader.path("RUN_DIR") or repository / ".run",
        ports=_ports(reader, own_database=database is None, own_smtp=smtp_host is None),
        schema=reader.schema("DB_NAME", "sysndd"),
        ops_schema=reader.schema("OPS_DB_NAME", f"{reader.schema('DB_NAME', 'sysndd')}_ops"),
        database=database,
        redis_url=reader.url("REDIS_URL", {"redis", "rediss", "unix"}),
        smtp_host=smtp_host,
        mailpit=_mailpit(reader),
        api_workers=reader.number("API_WORKERS", 4, most=64),
        pool_size=reader.number("DB_POOL_SIZE", 5, most=200),
        rate_factor=reader.number("SYSNDD_RATE_FACTOR", DEFAULT_RATE_FACTOR, most=100_000),
        public_url=reader.url("PUBLIC_URL", {"http", "https"}),
        migrations=_migrations(reader, repository),
        backups=reader.path("BACKUP_DIR"),
        # These logs are read by people.
        log_format=reader.text("LOG_FORMAT") or "console",
        start_timeout=float(reader.number("START_TIMEOUT", 120, most=3600)),
    )


def _ports(reader: "_Reader", *, own_database: bool, own_smtp: bool) -> dict[str, int | None]:
    return {
        "HTTP_PORT": reader.port("HTTP_PORT", DEFAULT_PORTS["HTTP_PORT"]),
        "MAIL_HTTP_PORT": reader.port("MAIL_HTTP_PORT", DEFAULT_PORTS["MAIL_HTTP_PORT"]),
        "API_PORT": reader.port("API_PORT"),
        "REDIS_PORT": reader.port("REDIS_PORT"),
        # With an existing server, these two are the ports of that server.
        "DB_PORT": reader.port("DB_PORT") if own_database else None,
        "SMTP_PORT": reader.port("SMTP_PORT") if own_smtp else None,
    }


def _mailpit(reader: "_Reader") -> Path | None:
    program = reader.path("MAILPIT_BIN") or reader.on_path("mailpit")
    if program is not None and not program.is_file():
        raise LocalRunError(
            f"MAILPIT_BIN={program}: no such file. Correct the path, or unset MAILPIT_BIN to use "
            "the built-in mail catcher."
        )
    return program


def _migrations(reader: "_Reader", repository: Path) -> Path:
    directory = reader.path("MIGRATIONS_DIR") or repository / "db" / "migrations"
    if not directory.is_dir():
        raise LocalRunError(f"MIGRATIONS_DIR={directory}: no such directory. Correct the path.")
    return directory


def _external_database(reader: "_Reader") -> ExternalDatabase | None:
    host, socket = reader.text("DB_HOST"), reader.path("DB_SOCKET")
    if not host and not socket:
        return None
    user = reader.text("DB_USER")
    if not user:
        raise LocalRunError(
            "DB_HOST or DB_SOCKET names an existing database server, but DB_USER is not set.\n"
            "    Set DB_USER and DB_PASSWORD (or DB_PASSWORD_FILE) to an account of that server."
        )
    return ExternalDatabase(
        host=host or "127.0.0.1",
        port=reader.port("DB_PORT") or 3306,
        socket=socket,
        user=user,
        password=reader.secret("DB_PASSWORD"),
        load_user=reader.text("BACKUP_LOAD_USER") or None,
        load_password=reader.secret("BACKUP_LOAD_PASSWORD"),
    )


class _Reader:
    """Reads variables; an empty one counts as not set, as in compose files."""

    def __init__(self, environ: Mapping[str, str], repository: Path) -> None:
        self._environ = environ
        self._repository = repository

    def text(self, name: str) -> str | None:
        return self._environ.get(name, "").strip() or None

    def secret(self, name: str) -> str:
        path = self.path(f"{name}_FILE")
        if path is None:
            return self._environ.get(name, "")
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise LocalRunError(f"{name}_FILE={path} could not be read: {error}") from error

    def path(self, name: str) -> Path | None:
        text = self.text(name)
        return (self._repository / Path(text).expanduser()).absolute() if text else None

    def on_path(self, program: str) -> Path | None:
        for directory in self._environ.get("PATH", "").split(":"):
            if directory and (candidate := Path(directory) / program).is_file():
                return candidate.absolute()
        return None

    def number(self, name: str, default: int, *, most: int, least: int = 1) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise LocalRunError(f"{name}={text}: must be a number from {least} to {most}")
        return int(text)

    def port(self, name: str, default: int | None = None) -> int | None:
        if self.text(name) is None:
            return default
        return self.number(name, 0, least=0, most=65535)

    def schema(self, name: str, default: str) -> str:
        text = self.text(name) or default
        if not SCHEMA_NAME.fullmatch(text):
            raise LocalRunError(f"{name}={text}: must be 1 to 48 letters, digits and underscores")
        return text

    def url(self, name: str, schemes: set[str]) -> str | None:
        text = self.text(name)
        if text and urlsplit(text).scheme not in schemes:
            # The value may contain a password and is not printed.
            raise LocalRunError(f"{name} must start with {' or '.join(sorted(schemes))} and ://")
        return text
