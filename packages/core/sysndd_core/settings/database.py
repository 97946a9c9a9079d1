"""The database server and the pool of connections to it."""

from pathlib import Path

from pydantic import Field, SecretStr

from sysndd_core.settings.base import SettingsGroup


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
