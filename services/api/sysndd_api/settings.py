"""What the API and its command line read."""

from pydantic import Field

from sysndd_core.settings import (
    ApiServerSettings,
    BackupSettings,
    DatabaseSettings,
    LogSettings,
    MigrationSettings,
    RedisSettings,
    Settings,
    SettingsGroup,
    SiteSettings,
    SmtpSettings,
    TokenSettings,
)
from sysndd_core.stores.s3 import S3Settings


class AccountSettings(SettingsGroup):
    """Sessions and the life of an account."""

    session_hours: int = Field(
        12,
        alias="SESSION_HOURS",
        ge=1,
        le=8760,
        description="Hours after which a session ends, however busy it is.",
    )
    session_idle_minutes: int = Field(
        120,
        alias="SESSION_IDLE_MINUTES",
        ge=5,
        le=525_600,
        description="Minutes after which a session that nobody uses ends.",
    )


class ApiSettings(Settings):
    """The groups of ``sysndd-api`` and ``sysndd-admin``."""

    server: ApiServerSettings
    site: SiteSettings
    account: AccountSettings
    token: TokenSettings
    database: DatabaseSettings
    redis: RedisSettings
    smtp: SmtpSettings
    backup: BackupSettings
    s3: S3Settings
    migrations: MigrationSettings
    log: LogSettings
