"""Settings of the API and its command line."""

from sysndd_core.settings.accounts import AccountSettings, LimitSettings
from sysndd_core.settings.backup import BackupSettings
from sysndd_core.settings.base import Settings
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.settings.log import LogSettings
from sysndd_core.settings.migrations import MigrationSettings
from sysndd_core.settings.offsite import S3Settings
from sysndd_core.settings.redis import RedisSettings
from sysndd_core.settings.retention import RetentionSettings
from sysndd_core.settings.server import ApiServerSettings
from sysndd_core.settings.site import AppearanceSettings, SiteSettings, TokenSettings
from sysndd_core.settings.smtp import SmtpSettings


class ApiSettings(Settings):
    """The settings groups of ``sysndd-api`` and ``sysndd-admin``."""

    server: ApiServerSettings
    site: SiteSettings
    appearance: AppearanceSettings
    account: AccountSettings
    limit: LimitSettings
    token: TokenSettings
    database: DatabaseSettings
    redis: RedisSettings
    smtp: SmtpSettings
    backup: BackupSettings
    retention: RetentionSettings
    s3: S3Settings
    migrations: MigrationSettings
    log: LogSettings
