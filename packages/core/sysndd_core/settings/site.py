"""The site's public address, and the key of the links in its emails."""

from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from sysndd_core.settings.base import SettingsGroup

LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}


class TokenSettings(SettingsGroup):
    """The key that links in mails are derived with. It is in no database and no backup."""

    key: SecretStr | None = Field(
        None,
        alias="TOKEN_KEY",
        min_length=24,
        description="Derives the links of mails; the same random text for API and mailer."
        " Without it nobody can register or reset a password.",
    )


class Environment(StrEnum):
    """What an installation is for."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class SiteSettings(SettingsGroup):
    """How people reach the site."""

    environment: Environment = Field(
        Environment.PRODUCTION,
        alias="ENVIRONMENT",
        description="production, which refuses a `PUBLIC_URL` with http:// (but of this machine), or"
        " development.",
    )
    public_url: str = Field(
        alias="PUBLIC_URL",
        pattern=r"^https?://[^\s/]+$",
        description="Address that links in mails start with; never taken from a request.",
    )

    @field_validator("public_url")
    @classmethod
    def _is_not_in_clear(cls, address: str, info: ValidationInfo) -> str:
        """Refuse links and sessions that anybody on the way could read, where people rely on them."""
        parts = urlsplit(address)
        in_clear = parts.scheme == "http" and parts.hostname not in LOOPBACK_NAMES
        if in_clear and info.data.get("environment") is not Environment.DEVELOPMENT:
            raise ValueError("production needs https:// (or set ENVIRONMENT=development)")
        return address
