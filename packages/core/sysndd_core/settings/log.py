"""Logging."""

from enum import StrEnum

from pydantic import Field

from sysndd_core.settings.base import SettingsGroup


class LogLevel(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """JSON lines or human-readable text."""

    JSON = "json"
    CONSOLE = "console"


class LogSettings(SettingsGroup):
    """The level and format of the log."""

    level: LogLevel = Field(
        LogLevel.INFO,
        alias="LOG_LEVEL",
        description="Lowest level that is logged: `debug`, `info`, `warning` or `error`.",
    )
    format: LogFormat = Field(
        LogFormat.JSON,
        alias="LOG_FORMAT",
        description="Format of log lines: `json` or `console` (human-readable text).",
    )
