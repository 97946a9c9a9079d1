"""The settings of the backup worker."""

from sysndd_core.settings.backup import BackupSettings
from sysndd_core.settings.base import Settings
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.settings.encryption import EncryptionSettings
from sysndd_core.settings.log import LogSettings
from sysndd_core.settings.offsite import S3Settings
from sysndd_core.settings.redis import RedisSettings
from sysndd_core.settings.retention import RetentionSettings
from sysndd_core.settings.schedule import BackupScheduleSettings
from sysndd_core.settings.site_hold import SiteHoldSettings


class BackupWorkerSettings(Settings):
    """The settings of the backup worker, from environment variables."""

    database: DatabaseSettings
    redis: RedisSettings
    backup: BackupSettings
    backup_schedule: BackupScheduleSettings
    retention: RetentionSettings
    site_hold: SiteHoldSettings
    encryption: EncryptionSettings
    s3: S3Settings
    log: LogSettings
