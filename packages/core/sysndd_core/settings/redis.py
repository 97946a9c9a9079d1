"""Redis, which carries wake-ups and counts requests for the rate limits."""

from pydantic import Field, SecretStr

from sysndd_core.settings.base import SettingsGroup


class RedisSettings(SettingsGroup):
    """The connection to Redis. Without Redis, work starts later, but none is lost."""

    url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"),
        alias="REDIS_URL",
        description="URL of Redis, including the password if Redis requires one.",
    )
