"""The backup schedule and the retention policy."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator

from sysndd_core.settings.base import SettingsGroup

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RetentionPolicy:
    """The retention policy: how many backups to keep.

    Attributes:
        last: Number of latest verified backups.
        daily, weekly, monthly, yearly: Number of periods; the latest verified backup of each
            period is kept.
        pre_restore: Number of latest safety backups; they do not count towards the other limits.
        zone: Time zone in which days, weeks, months and years begin.
    """

    last: int = 7
    daily: int = 14
    weekly: int = 8
    monthly: int = 12
    yearly: int = 5
    pre_restore: int = 5
    zone: tzinfo = UTC


class BackupScheduleSettings(SettingsGroup):
    """When backups are created automatically, and which ones are kept."""

    schedule: str | None = Field(
        None,
        alias="BACKUP_SCHEDULE",
        description="Cron expression with five fields, such as `0 3 * * *`. If empty, no backups"
        " are scheduled.",
    )
    timezone: str = Field(
        "UTC",
        alias="BACKUP_TIMEZONE",
        description="IANA time zone of the schedule and of the retention policy's days, weeks,"
        " months and years.",
    )
    keep_last: int = Field(
        7, alias="BACKUP_KEEP_LAST", ge=0, description="Number of latest verified backups to keep."
    )
    keep_daily: int = Field(
        14,
        alias="BACKUP_KEEP_DAILY",
        ge=0,
        description="Number of days for which to keep the latest verified backup.",
    )
    keep_weekly: int = Field(
        8,
        alias="BACKUP_KEEP_WEEKLY",
        ge=0,
        description="Number of weeks for which to keep the latest verified backup.",
    )
    keep_monthly: int = Field(
        12,
        alias="BACKUP_KEEP_MONTHLY",
        ge=0,
        description="Number of months for which to keep the latest verified backup.",
    )
    keep_yearly: int = Field(
        5,
        alias="BACKUP_KEEP_YEARLY",
        ge=0,
        description="Number of years for which to keep the latest verified backup.",
    )
    keep_pre_restore: int = Field(
        5,
        alias="BACKUP_KEEP_PRE_RESTORE",
        ge=0,
        description="Number of latest safety backups to keep. They do not count towards the other"
        " limits.",
    )

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                # CronSim also accepts six fields, the first of which are seconds.
                if len(value.split()) != 5:
                    raise ValueError("a cron expression has five fields")
                # Only the expression is checked, so any start time will do.
                CronSim(value, _EPOCH)
            except CronSimError as error:
                raise ValueError(f"not a cron expression: {error}") from error
        return value

    @field_validator("timezone")
    @classmethod
    def _check_timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError("not a time zone that is known on this machine") from error
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    @property
    def retention(self) -> RetentionPolicy:
        """The retention policy."""
        return RetentionPolicy(
            last=self.keep_last,
            daily=self.keep_daily,
            weekly=self.keep_weekly,
            monthly=self.keep_monthly,
            yearly=self.keep_yearly,
            pre_restore=self.keep_pre_restore,
            zone=self.zone,
        )
