"""The site: its address, its name and contacts, its logo and colour, and the key of its links."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from sysndd_core.addresses import email_address, web_address
from sysndd_core.settings.base import SettingsGroup

LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}
MAX_NAME = 64
"""Characters of ``SITE_NAME``."""

_WebAddress = Annotated[str, Field(max_length=1000), AfterValidator(web_address)]
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


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
    """The environment, the addresses of platform and site, and what people see of the site."""

    environment: Environment = Field(
        Environment.PRODUCTION,
        alias="ENVIRONMENT",
        description="`production`, which rejects a `PUBLIC_URL` with `http://` unless its host is"
        " this machine, or `development`.",
    )
    public_url: str = Field(
        alias="PUBLIC_URL",
        pattern=r"^https?://[^\s/]+$",
        description="URL of this platform, used for links in emails. It is never taken from a"
        " request.",
    )
    name: str = Field(
        "SysNDD",
        alias="SITE_NAME",
        description="Name of the site in pages, emails and API documentation: 1 to 64 printable"
        " characters.",
    )
    own_url: _WebAddress | None = Field(
        None,
        alias="SITE_URL",
        description="URL of the site itself. The signature of emails leads there; by default, to"
        " `PUBLIC_URL`. If set, pages also have a link back to the site.",
    )
    support_email: Annotated[str, AfterValidator(email_address)] | None = Field(
        None,
        alias="SUPPORT_EMAIL",
        max_length=254,
        description="Email address for questions, shown in pages and emails. If empty, none is"
        " shown.",
    )
    imprint_url: _WebAddress | None = Field(
        None,
        alias="IMPRINT_URL",
        description="URL of the imprint, linked in pages and emails. If empty, no link is shown.",
    )
    privacy_url: _WebAddress | None = Field(
        None,
        alias="PRIVACY_URL",
        description="URL of the privacy policy, linked in pages and emails. If empty, no link is"
        " shown.",
    )

    @property
    def url(self) -> str:
        """URL of the site itself: ``SITE_URL`` or, if it is not set, ``PUBLIC_URL``."""
        return self.own_url or self.public_url

    @property
    def support_link(self) -> str | None:
        """``SUPPORT_EMAIL`` as a mailto URL (RFC 6068), or None."""
        return f"mailto:{quote(self.support_email, safe='@')}" if self.support_email else None

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        """Reject what a header of an email or the title of a page cannot show as it is."""
        if not name.isprintable():
            # Line breaks start another header; invisible characters imitate another sender.
            raise ValueError("must not contain a line break or another invisible character")
        name = " ".join(name.split())
        if not 1 <= len(name) <= MAX_NAME:
            raise ValueError(f"must have 1 to {MAX_NAME} characters")
        if "=?" in name:
            raise ValueError("must not contain =?, which starts an encoded word (RFC 2047)")
        return name

    @field_validator("public_url")
    @classmethod
    def _is_not_in_clear(cls, address: str, info: ValidationInfo) -> str:
        """Reject a URL that would send links and sessions unencrypted in production."""
        parts = urlsplit(address)
        in_clear = parts.scheme == "http" and parts.hostname not in LOOPBACK_NAMES
        if in_clear and info.data.get("environment") is not Environment.DEVELOPMENT:
            raise ValueError("production needs https:// (or set ENVIRONMENT=development)")
        return address


class AppearanceSettings(SettingsGroup):
    """The logo and the colour of the pages.

    The logo is a file on this machine and not a URL. The pages' Content-Security-Policy allows
    images of the platform's own origin only; an image of another server would tell that server who
    opens which page and when, and could change or vanish without notice.
    """

    logo: Path | None = Field(
        None,
        alias="SITE_LOGO",
        description="Path of the site's logo on this machine, an SVG or PNG file of at most 256"
        " KiB. If empty, pages show a neutral mark.",
    )
    accent: str | None = Field(
        None,
        alias="SITE_ACCENT",
        description="Colour of buttons and links, as `#rrggbb`. Text on it is black or white, and"
        " links are darkened or lightened until they are readable. If empty, it is blue.",
    )

    @field_validator("logo", mode="before")
    @classmethod
    def _is_a_path(cls, value: Any) -> Any:
        """Reject a URL with a message that says what to do instead."""
        if isinstance(value, str) and (_SCHEME.match(value) or value.startswith("//")):
            raise ValueError(
                "must be the path of a file, not a URL, because pages load nothing from other"
                " servers. Save the logo on this machine and set its path"
            )
        return value

    @field_validator("accent")
    @classmethod
    def _is_a_color(cls, value: str | None) -> str | None:
        """Reject every notation but the one of HTML's color input."""
        if value is not None and not re.fullmatch("#[0-9A-Fa-f]{6}", value):
            raise ValueError("must be a colour such as #2060df")
        return value.lower() if value is not None else None
