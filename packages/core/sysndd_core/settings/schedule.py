"""The backup schedule and the retention policy."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator

from sysndd_core.settings.base import SettingsGroup

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Keep:
    """How many to keep.

    Attributes:
        last: newest proven ones.
        daily, weekly, monthly, yearly: periods, the newest proven one of each.
        pre_restore: newest ones that were taken before a restore; they count nowhere else.
        zone: where days, weeks, months and years begin.
    """

    last: int = 7
    daily: int = 14
    weekly: int = 8
    monthly: int = 12
    yearly: int = 5
    pre_restore: int = 5
    zone: tzinfo = UTC


class RoutineSettings(SettingsGroup):
    """When backups are taken by themselves, and which ones stay."""

    schedule: str | None = Field(
        None,
        alias="BACKUP_SCHEDULE",
        description="Cron expression of five fields, such as `0 3 * * *`; empty for none.",
    )
    timezone: str = Field(
        "UTC",
        alias="BACKUP_TIMEZONE",
        description="IANA zone of the schedule, and of the days and weeks that are kept.",
    )
    keep_last: int = Field(
        7, alias="BACKUP_KEEP_LAST", ge=0, description="Newest proven backups to keep."
    )
    keep_daily: int = Field(
        14, alias="BACKUP_KEEP_DAILY", ge=0, description="Days of which to keep the newest one."
    )
    keep_weekly: int = Field(
        8, alias="BACKUP_KEEP_WEEKLY", ge=0, description="Weeks of which to keep the newest one."
    )
    keep_monthly: int = Field(
        12, alias="BACKUP_KEEP_MONTHLY", ge=0, description="Months of which to keep the newest one."
    )
    keep_yearly: int = Field(
        5, alias="BACKUP_KEEP_YEARLY", ge=0, description="Years of which to keep the newest one."
    )
    keep_pre_restore: int = Field(
        5,
        alias="BACKUP_KEEP_PRE_RESTORE",
        ge=0,
        description="Newest backups to keep of those that were taken before a restore.",
    )

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                # Five fields: one of six would have seconds, which nobody means here.
                if len(value.split()) != 5:
                    raise ValueError("a cron expression has five fields")
                # Any moment will do: only the expression is checked.
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
            raise ValueError("not a time zone that this machine knows") from error
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    @property
    def keep(self) -> Keep:
        """What is kept."""
        return Keep(
            last=self.keep_last,
            daily=self.keep_daily,
            weekly=self.keep_weekly,
            monthly=self.keep_monthly,
            yearly=self.keep_yearly,
            pre_restore=self.keep_pre_restore,
            zone=self.zone,
        )
