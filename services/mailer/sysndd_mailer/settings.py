"""The settings of the mailer."""

from sysndd_core.settings.base import Settings
from sysndd_core.settings.database import DatabaseSettings
from sysndd_core.settings.log import LogSettings
from sysndd_core.settings.redis import RedisSettings
from sysndd_core.settings.site import SiteSettings, TokenSettings
from sysndd_core.settings.smtp import SmtpSettings


class MailerSettings(Settings):
    """All settings that the mailer reads."""

    database: DatabaseSettings
    redis: RedisSettings
    smtp: SmtpSettings
    site: SiteSettings
    token: TokenSettings
    log: LogSettings
