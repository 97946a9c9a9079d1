"""Logging."""

from enum import StrEnum

from pydantic import Field

from sysndd_core.settings.base import SettingsGroup


class LogLevel(StrEnum):
    """The least serious record that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """JSON lines, or text for a person."""

    JSON = "json"
    CONSOLE = "console"


class LogSettings(SettingsGroup):
    """What is logged, and in which shape."""

    level: LogLevel = Field(
        LogLevel.INFO, alias="LOG_LEVEL", description="debug, info, warning or error."
    )
    format: LogFormat = Field(
        LogFormat.JSON, alias="LOG_FORMAT", description="json for machines, console for people."
    )
