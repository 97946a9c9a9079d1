"""The backup schedule."""

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError
from pydantic import Field, field_validator

from sysndd_core.settings.base import SettingsGroup

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class BackupScheduleSettings(SettingsGroup):
    """When backups are created automatically."""

    schedule: str | None = Field(
        None,
        alias="BACKUP_SCHEDULE",
        description="Cron expression with five fields, such as `0 3 * * *`. If empty, no backups"
        " are scheduled.",
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
