"""The database server and the connection pool."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr

from sysndd_core.settings.base import SettingsGroup


class SchemaMode(StrEnum):
    """What the platform may do with an application schema that it did not create."""

    MANAGE = "manage"
    """The migrator applies the site's migrations to it."""

    OBSERVE = "observe"
    """It is backed up and restored; nothing is created in it."""


class DatabaseSettings(SettingsGroup):
    """The MySQL or MariaDB server, its two schemas and the connection pool."""

    @property
    def is_managed(self) -> bool:
        """Whether the migrator applies the site's migrations to the application schema."""
        return self.schema_mode is not SchemaMode.OBSERVE

    host: str = Field("127.0.0.1", alias="DB_HOST", description="Host of the database server.")
    port: int = Field(
        3306, alias="DB_PORT", ge=1, le=65535, description="Port of the database server."
    )
    socket: Path | None = Field(
        None,
        alias="DB_SOCKET",
        description="Path of the Unix socket of the database server. If set, `DB_HOST` and"
        " `DB_PORT` are not used.",
    )
    user: str = Field("sysndd", alias="DB_USER", description="Database account of this service.")
    password: SecretStr = Field(
        SecretStr(""), alias="DB_PASSWORD", description="Password of `DB_USER`."
    )
    name: str = Field(
        "sysndd",
        alias="DB_NAME",
        pattern=r"^[A-Za-z0-9_]{1,48}$",
        description="Name of the application schema, which holds the site's own tables.",
    )
    ops_name: str = Field(
        default_factory=lambda values: f"{values.get('name', '')}_ops",
        alias="OPS_DB_NAME",
        pattern=r"^[A-Za-z0-9_]{1,52}$",
        description="Name of the platform schema, which holds operators, jobs, the outbox, sessions"
        " and the audit log. It is never backed up or restored. By default, the name of the"
        " application schema followed by `_ops`.",
    )
    schema_mode: SchemaMode | None = Field(
        None,
        alias="SCHEMA_MODE",
        description="What the platform may do with an application schema that already had tables:"
        " `manage` (migrate it) or `observe` (back it up and restore it, and create nothing in it)."
        " Not needed for a schema that the migrator created. See `sysndd-admin attach`.",
    )
    pool_size: int = Field(
        5,
        alias="DB_POOL_SIZE",
        ge=1,
        le=200,
        description="Maximum number of database connections per process.",
    )
    pool_timeout: float = Field(
        2.0,
        alias="DB_POOL_TIMEOUT",
        gt=0,
        le=60,
        description="Seconds that a request waits for a database connection before it gets a 503"
        " response.",
    )
    statement_timeout: float = Field(
        10.0,
        alias="DB_STATEMENT_TIMEOUT",
        gt=0,
        description="Seconds after which the database server ends a statement of a request.",
    )
