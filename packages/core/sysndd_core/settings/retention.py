"""The retention policy, and the time zone in which its periods begin."""

from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from sysndd_core.settings.base import SettingsGroup


@dataclass(frozen=True)
class RetentionPolicy:
    """The retention policy: how many backups to keep.

    Attributes:
        last: Number of latest backups, and of latest verified backups; at least 1. With fewer
            verified scheduled or manual backups, no backup expires.
        daily, weekly, monthly, yearly: Number of periods; the latest backup of each period is
            kept, a verified one if there is one.
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

    def __post_init__(self) -> None:
        if self.last < 1:
            raise ValueError("At least one backup must be kept.")


class RetentionSettings(SettingsGroup):
    """Which backups are kept."""

    timezone: str = Field(
        "UTC",
        alias="BACKUP_TIMEZONE",
        description="IANA time zone of the schedule and of the retention policy's days, weeks,"
        " months and years.",
    )
    keep_last: int = Field(
        7,
        alias="BACKUP_KEEP_LAST",
        ge=1,
        description="Number of latest scheduled and manual backups to keep, and of latest verified"
        " ones; at least 1. With fewer verified ones, no backup is deleted.",
    )
    keep_daily: int = Field(
        14,
        alias="BACKUP_KEEP_DAILY",
        ge=0,
        description="Number of days for which to keep the latest scheduled or manual backup.",
    )
    keep_weekly: int = Field(
        8,
        alias="BACKUP_KEEP_WEEKLY",
        ge=0,
        description="Number of weeks for which to keep the latest scheduled or manual backup.",
    )
    keep_monthly: int = Field(
        12,
        alias="BACKUP_KEEP_MONTHLY",
        ge=0,
        description="Number of months for which to keep the latest scheduled or manual backup.",
    )
    keep_yearly: int = Field(
        5,
        alias="BACKUP_KEEP_YEARLY",
        ge=0,
        description="Number of years for which to keep the latest scheduled or manual backup.",
    )
    keep_pre_restore: int = Field(
        5,
        alias="BACKUP_KEEP_PRE_RESTORE",
        ge=0,
        description="Number of latest safety backups to keep. They do not count towards the other"
        " limits.",
    )

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
    def policy(self) -> RetentionPolicy:
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
