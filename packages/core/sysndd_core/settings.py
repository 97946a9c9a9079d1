"""Settings groups: frozen, checked together, composed per service.

Nothing here reads the environment. A service's ``__main__`` calls ``load(ItsSettings, os.environ)``
once; every field is an environment variable ``NAME`` or, for anything better kept in a file,
``NAME_FILE`` with the path of a file that holds the value.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo

from sysndd_core.errors import SettingsError

LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


class SettingsGroup(BaseModel):
    """A handful of related settings; each field's alias is its environment variable."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, extra="forbid")


class Settings(BaseModel):
    """What one service reads: its fields are groups."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(SettingsGroup):
    """Where the MySQL or MariaDB server is and how many connections to hold."""

    host: str = Field("127.0.0.1", alias="DB_HOST", description="Host of the database server.")
    port: int = Field(
        3306, alias="DB_PORT", ge=1, le=65535, description="Port of the database server."
    )
    socket: Path | None = Field(
        None, alias="DB_SOCKET", description="Unix socket; used instead of host and port when set."
    )
    user: str = Field("sysndd", alias="DB_USER", description="Account of this service.")
    password: SecretStr = Field(
        SecretStr(""), alias="DB_PASSWORD", description="Password of the account."
    )
    name: str = Field(
        "sysndd",
        alias="DB_NAME",
        pattern=r"^[A-Za-z0-9_]{1,48}$",
        description="Application schema: the site's own tables.",
    )
    ops_name: str = Field(
        "sysndd_ops",
        alias="OPS_DB_NAME",
        pattern=r"^[A-Za-z0-9_]{1,48}$",
        description="Platform schema: jobs, mail, sessions, audit. Never backed up or restored.",
    )
    pool_size: int = Field(
        5, alias="DB_POOL_SIZE", ge=1, le=200, description="Connections held by one process."
    )
    pool_timeout: float = Field(
        2.0,
        alias="DB_POOL_TIMEOUT",
        gt=0,
        le=60,
        description="Seconds a request waits for a connection before it answers 503.",
    )
    statement_timeout: float = Field(
        10.0,
        alias="DB_STATEMENT_TIMEOUT",
        gt=0,
        description="Seconds after which the server itself ends a statement of a request.",
    )


class RedisSettings(SettingsGroup):
    """Redis carries wake-ups only: losing it loses speed, never work."""

    url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        alias="REDIS_URL",
        description="Address of Redis, with its password if it has one.",
    )


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class SmtpSettings(SettingsGroup):
    """The mail transport. The TLS mode is always explicit: opportunistic STARTTLS can be stripped."""

    host: str = Field("127.0.0.1", alias="SMTP_HOST", description="Host of the mail server.")
    port: int = Field(
        587, alias="SMTP_PORT", ge=1, le=65535, description="Port of the mail server."
    )
    security: SmtpSecurity = Field(
        SmtpSecurity.STARTTLS,
        alias="SMTP_SECURITY",
        description="none, starttls (required, never opportunistic) or tls.",
    )
    user: str | None = Field(None, alias="SMTP_USER", description="Account; empty for none.")
    password: SecretStr | None = Field(
        None, alias="SMTP_PASSWORD", description="Password of the account."
    )
    mail_from: str = Field(
        "SysNDD <noreply@localhost.localdomain>",
        alias="MAIL_FROM",
        pattern=r"^[^\r\n]*[^@\s<]+@[^@\s>]+>?$",
        description="Sender of every mail.",
    )
    timeout: float = Field(
        20.0, alias="SMTP_TIMEOUT", gt=0, le=120, description="Seconds for one step of a delivery."
    )
    ca_file: Path | None = Field(
        None,
        alias="SMTP_CA_FILE",
        description="Certificates that the mail server's may be signed by; the system's by default.",
    )
    connections: int = Field(
        4, alias="SMTP_CONNECTIONS", ge=1, le=20, description="Connections kept to the mail server."
    )


class TokenSettings(SettingsGroup):
    """The key that links in mails are derived with. It is in no database and no backup."""

    key: SecretStr | None = Field(
        None,
        alias="TOKEN_KEY",
        min_length=24,
        description="Derives the links of mails; the same random text for API and mailer."
        " Without it nobody can register or reset a password.",
    )


class Environment(StrEnum):
    """What an installation is for."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class SiteSettings(SettingsGroup):
    """How people reach the site."""

    environment: Environment = Field(
        Environment.PRODUCTION,
        alias="ENVIRONMENT",
        description="production, which refuses a `PUBLIC_URL` with http:// (but of this machine), or"
        " development.",
    )
    public_url: str = Field(
        alias="PUBLIC_URL",
        pattern=r"^https?://[^\s/]+$",
        description="Address that links in mails start with; never taken from a request.",
    )

    @field_validator("public_url")
    @classmethod
    def _is_not_in_clear(cls, address: str, info: ValidationInfo) -> str:
        """Refuse links and sessions that anybody on the way could read, where people rely on them."""
        parts = urlsplit(address)
        in_clear = parts.scheme == "http" and parts.hostname not in LOOPBACK_NAMES
        if in_clear and info.data.get("environment") is not Environment.DEVELOPMENT:
            raise ValueError("production needs https:// (or set ENVIRONMENT=development)")
        return address


class BackupCompression(StrEnum):
    """How a dump is packed."""

    ZSTD = "zstd"
    GZIP = "gzip"
    NONE = "none"


class ProofPolicy(StrEnum):
    """When a new backup is proven by loading it and dumping it again."""

    ALWAYS = "always"
    DAILY = "daily"
    NEVER = "never"


class BackupSettings(SettingsGroup):
    """Where backups are kept and how they are packed."""

    directory: Path = Field(
        Path("/var/lib/sysndd/backups"),
        alias="BACKUP_DIR",
        description="Directory that holds the backup files and their manifests.",
    )
    compression: BackupCompression = Field(
        BackupCompression.ZSTD,
        alias="BACKUP_COMPRESSION",
        description="zstd (level 3 on 2 threads), gzip or none.",
    )
    proof: ProofPolicy = Field(
        ProofPolicy.ALWAYS,
        alias="BACKUP_PROOF",
        description="Prove new backups by loading them: always, daily (once in 24 h) or never.",
    )
    undo_hours: float = Field(
        24.0,
        alias="BACKUP_UNDO_HOURS",
        ge=0,
        le=8760,
        description="Hours for which a restore can be undone; its previous tables stay that long.",
    )
    upload_max_bytes: int = Field(
        200 * 10**9,
        alias="BACKUP_UPLOAD_MAX_BYTES",
        gt=0,
        description="Bytes that an uploaded dump may have and may unpack to.",
    )
    restore_migrate: bool = Field(
        True,
        alias="BACKUP_RESTORE_MIGRATE",
        description="Apply pending migrations to an older backup before it comes live, by"
        " `sysndd-migrator` (which must be installed beside the worker) with `MIGRATIONS_DIR`.",
    )
    load_user: str | None = Field(
        None,
        alias="BACKUP_LOAD_USER",
        description="Account that backups are loaded by; may touch only `<DB_NAME>_shadow_…`."
        " Empty: the worker makes one for each load, which takes CREATE USER.",
    )
    load_password: SecretStr | None = Field(
        None, alias="BACKUP_LOAD_PASSWORD", description="Password of that account."
    )


class MigrationSettings(SettingsGroup):
    """The application's migrations."""

    directory: Path = Field(
        Path("db/migrations"),
        alias="MIGRATIONS_DIR",
        description="Directory of NNN_name.sql files.",
    )


class ApiServerSettings(SettingsGroup):
    """How the API listens."""

    host: str = Field("127.0.0.1", alias="API_HOST", description="Address to listen on.")
    port: int = Field(8000, alias="API_PORT", ge=1, le=65535, description="Port to listen on.")
    workers: int = Field(
        4, alias="API_WORKERS", ge=1, le=64, description="Worker processes; each has its own pool."
    )
    migrate_on_start: bool = Field(
        False,
        alias="MIGRATE_ON_START",
        description="Run the migrator once before the workers are spawned.",
    )
    start_timeout: float = Field(
        60.0,
        alias="API_START_TIMEOUT",
        gt=0,
        description="Seconds to wait at start for the database and its migrations.",
    )
    drain: float = Field(
        0.0,
        alias="API_DRAIN",
        ge=0,
        le=60,
        description="Seconds between SIGTERM and the stop in which connections are wound down:"
        " with several replicas, none of their requests is lost then.",
    )
    trusted_proxies: str = Field(
        "127.0.0.1",
        alias="TRUSTED_PROXIES",
        description="Addresses or networks, comma separated, whose X-Forwarded-For is believed.",
    )


class LogLevel(StrEnum):
    """The least serious record that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """JSON lines, or text for a person."""

    JSON = "json"
    CONSOLE = "console"


class LogSettings(SettingsGroup):
    """What is logged, and in which shape."""

    level: LogLevel = Field(
        LogLevel.INFO, alias="LOG_LEVEL", description="debug, info, warning or error."
    )
    format: LogFormat = Field(
        LogFormat.JSON, alias="LOG_FORMAT", description="json for machines, console for people."
    )


SettingsT = TypeVar("SettingsT", bound=Settings)


def load(settings: type[SettingsT], environ: Mapping[str, str]) -> SettingsT:
    """Build a service's settings from environment variables.

    Args:
        settings: the service's composition of groups.
        environ: usually ``os.environ``, read only in a ``__main__``.

    Returns:
        The frozen settings.

    Raises:
        SettingsError: naming every variable that is missing or wrong, all at once.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    for name, group in groups_of(settings):
        raw: dict[str, str] = {}
        for variable, _ in variables_of(group):
            value = _read(variable, environ, problems)
            if value is not None:
                raw[variable] = value
        try:
            values[name] = group.model_validate(raw)
        except ValidationError as error:
            problems.extend(_sentences(error))
    if problems:
        raise SettingsError(problems)
    return settings.model_validate(values)


def groups_of(settings: type[Settings]) -> Iterator[tuple[str, type[SettingsGroup]]]:
    """Yield each group of a composition as (field name, class)."""
    for name, field in settings.model_fields.items():
        group = field.annotation
        assert isinstance(group, type), name
        assert issubclass(group, SettingsGroup), name
        yield name, group


def variables_of(group: type[SettingsGroup]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield each field of a group as (environment variable, field)."""
    for field in group.model_fields.values():
        assert field.alias is not None
        yield field.alias, field


def _read(variable: str, environ: Mapping[str, str], problems: list[str]) -> str | None:
    direct, path = environ.get(variable), environ.get(f"{variable}_FILE")
    # An empty variable is how compose files and shells spell "not set".
    if path:
        if direct:
            problems.append(f"{variable} and {variable}_FILE are both set; keep one")
            return None
        try:
            # An empty file is a secret that nobody has given, like an empty variable.
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n") or None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            problems.append(f"{variable}_FILE={path} can't be read: {reason}")
            return None
    return direct or None


def _sentences(error: ValidationError) -> list[str]:
    # The rejected value itself is left out: it may be a secret in the wrong variable.
    return [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
