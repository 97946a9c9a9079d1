"""What can be chosen about a run: environment variables, read once by the command line.

Everything that the services understand (DB_POOL_SIZE, LOG_LEVEL, BACKUP_KEEP_…) reaches them as it
is; this holds what the run itself decides with.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sysndd_local.errors import LocalRunError

DEFAULT_HTTP_PORT = 8080
DEFAULT_MAIL_HTTP_PORT = 8025
# Tests and people share the loopback address, which would be one visitor to the proxy.
DEFAULT_RATE_FACTOR = 100
SCHEMA_NAME = re.compile(r"[A-Za-z0-9_]{1,48}")


@dataclass(frozen=True)
class ExternalDatabase:
    """A database server that is there already; its one account is used for everything."""

    host: str
    port: int
    socket: Path | None
    user: str
    password: str = field(repr=False)
    load_user: str | None = None
    load_password: str = field(default="", repr=False)


@dataclass(frozen=True)
class LocalSettings:
    """What somebody chose for this run; None for a port stands for "not chosen".

    Arguments:
        repository: absolute path of the checkout.
        run_dir: absolute path of the run folder.
        ports: by setting: HTTP_PORT, MAIL_HTTP_PORT, API_PORT, DB_PORT, REDIS_PORT, SMTP_PORT.
        schema: the application schema.
        ops_schema: the platform schema.
        database: a server to use in place of a private one.
        redis_url: a server to use in place of a private one.
        smtp_host: a mail server to use in place of the catcher.
        mailpit: program to catch mail with in place of the built-in catcher.
        api_workers: processes of the API.
        pool_size: database connections of one process.
        rate_factor: multiplies the proxy's rate limits.
        public_url: what links in mails start with; None for the proxy's address.
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

    Arguments:
        environ: usually ``os.environ``.
        repository: absolute path of the checkout; relative paths start there.

    Raises:
        LocalRunError: a variable makes no sense; the message names it.
    """
    reader = _Reader(environ, repository)
    external = _external_database(reader)
    smtp_host = reader.text("SMTP_HOST")
    ports = {
        "HTTP_PORT": reader.port("HTTP_PORT", DEFAULT_HTTP_PORT),
        "MAIL_HTTP_PORT": reader.port("MAIL_HTTP_PORT", DEFAULT_MAIL_HTTP_PORT),
        "API_PORT": reader.port("API_PORT"),
        "REDIS_PORT": reader.port("REDIS_PORT"),
        # With a server that is there already, these two say where that one listens.
        "DB_PORT": None if external else reader.port("DB_PORT"),
        "SMTP_PORT": None if smtp_host else reader.port("SMTP_PORT"),
    }
    mailpit = reader.path("MAILPIT_BIN") or reader.on_path("mailpit")
    if mailpit is not None and not mailpit.is_file():
        raise LocalRunError(f"MAILPIT_BIN={mailpit}: there is no such program")
    migrations = reader.path("MIGRATIONS_DIR") or repository / "db" / "migrations"
    if not migrations.is_dir():
        raise LocalRunError(f"MIGRATIONS_DIR={migrations}: there is no such folder")
    return LocalSettings(
        repository=repository,
        run_dir=reader.path("RUN_DIR") or repository / ".run",
        ports=ports,
        schema=reader.schema("DB_NAME", "sysndd"),
        ops_schema=reader.schema("OPS_DB_NAME", "sysndd_ops"),
        database=external,
        redis_url=reader.url("REDIS_URL", {"redis", "rediss", "unix"}),
        smtp_host=smtp_host,
        mailpit=mailpit,
        api_workers=reader.number("API_WORKERS", 4, most=64),
        pool_size=reader.number("DB_POOL_SIZE", 5, most=200),
        rate_factor=reader.number("SYSNDD_RATE_FACTOR", DEFAULT_RATE_FACTOR, most=100_000),
        public_url=reader.url("PUBLIC_URL", {"http", "https"}),
        migrations=migrations,
        backups=reader.path("BACKUP_DIR"),
        # People read these logs, not machines.
        log_format=reader.text("LOG_FORMAT") or "console",
        start_timeout=float(reader.number("START_TIMEOUT", 120, most=3600)),
    )


def _external_database(reader: "_Reader") -> ExternalDatabase | None:
    host, socket = reader.text("DB_HOST"), reader.path("DB_SOCKET")
    if not host and not socket:
        return None
    user = reader.text("DB_USER")
    if not user:
        raise LocalRunError(
            "DB_HOST or DB_SOCKET names a database server; say with DB_USER and DB_PASSWORD (or "
            "DB_PASSWORD_FILE) which account to use there"
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
    """Reads variables; an empty one is one that is not set, as in compose files."""

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
            raise LocalRunError(f"{name}_FILE={path} can't be read: {error}") from error

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
            # The value may hold a password: it is not repeated.
            raise LocalRunError(f"{name} must start with {' or '.join(sorted(schemes))} and ://")
        return text
