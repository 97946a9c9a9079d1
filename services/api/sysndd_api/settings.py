"""What the API and its command line read."""

from sysndd_core.settings import (
    ApiServerSettings,
    BackupSettings,
    DatabaseSettings,
    LogSettings,
    MigrationSettings,
    RedisSettings,
    Settings,
    SiteSettings,
)


class ApiSettings(Settings):
    """The groups of ``sysndd-api`` and ``sysndd-admin``."""

    server: ApiServerSettings
    site: SiteSettings
    database: DatabaseSettings
    redis: RedisSettings
    backup: BackupSettings
    migrations: MigrationSettings
    log: LogSettings
