"""Redis, which carries wake-ups and counts rate limits."""

from pydantic import Field, SecretStr

from sysndd_core.settings.base import SettingsGroup


class RedisSettings(SettingsGroup):
    """Redis carries wake-ups only: losing it loses speed, never work."""

    url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        alias="REDIS_URL",
        description="Address of Redis, with its password if it has one.",
    )
