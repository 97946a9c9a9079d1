"""The public URL of the site, and the key of the links in its emails."""

from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from sysndd_core.settings.base import SettingsGroup

LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


class TokenSettings(SettingsGroup):
    """The key that links in emails are derived from. It is in no database and no backup."""

    key: SecretStr | None = Field(
        None,
        alias="TOKEN_KEY",
        min_length=24,
        description="Random secret that links in emails are derived from, the same for API and"
        " mailer. Without it, registration and password reset are unavailable.",
    )


class Environment(StrEnum):
    """The purpose of an installation."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class SiteSettings(SettingsGroup):
    """The environment and the public URL of the site."""

    environment: Environment = Field(
        Environment.PRODUCTION,
        alias="ENVIRONMENT",
        description="`production`, which rejects a `PUBLIC_URL` with `http://` unless its host is"
        " this machine, or `development`.",
    )
    public_url: str = Field(
        alias="PUBLIC_URL",
        pattern=r"^https?://[^\s/]+$",
        description="URL of the site, used for links in emails. It is never taken from a request.",
    )

    @field_validator("public_url")
    @classmethod
    def _is_not_in_clear(cls, address: str, info: ValidationInfo) -> str:
        """Reject a URL that would send links and sessions unencrypted in production."""
        parts = urlsplit(address)
        in_clear = parts.scheme == "http" and parts.hostname not in LOOPBACK_NAMES
        if in_clear and info.data.get("environment") is not Environment.DEVELOPMENT:
            raise ValueError("production needs https:// (or set ENVIRONMENT=development)")
        return address
