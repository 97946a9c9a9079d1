"""The mail server."""

from email.headerregistry import Address
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr

from sysndd_core.settings.base import SettingsGroup

DEFAULT_SENDER_ADDRESS = "noreply@localhost.localdomain"
"""Address of the sender where ``MAIL_FROM`` is not set."""


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is protected."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class SmtpSettings(SettingsGroup):
    """The mail server. The TLS mode is explicit, as opportunistic STARTTLS can be stripped."""

    host: str = Field("127.0.0.1", alias="SMTP_HOST", description="Host of the mail server.")
    port: int = Field(
        587, alias="SMTP_PORT", ge=1, le=65535, description="Port of the mail server."
    )
    security: SmtpSecurity = Field(
        SmtpSecurity.STARTTLS,
        alias="SMTP_SECURITY",
        description="Connection security: `none`, `starttls` (required, never opportunistic) or"
        " `tls`.",
    )
    user: str | None = Field(
        None,
        alias="SMTP_USER",
        description="Account at the mail server. If empty, no authentication is used.",
    )
    password: SecretStr | None = Field(
        None, alias="SMTP_PASSWORD", description="Password of `SMTP_USER`."
    )
    mail_from: str | None = Field(
        None,
        alias="MAIL_FROM",
        pattern=r"^[^\r\n]*[^@\s<]+@[^@\s>]+>?$",
        description="Sender of all emails, such as `Gene Atlas <noreply@example.org>`. By default,"
        f" `SITE_NAME` with the address `{DEFAULT_SENDER_ADDRESS}`.",
    )
    timeout: float = Field(
        20.0,
        alias="SMTP_TIMEOUT",
        gt=0,
        le=120,
        description="Maximum duration of one step of a delivery, in seconds.",
    )
    ca_file: Path | None = Field(
        None,
        alias="SMTP_CA_FILE",
        description="File with the CA certificates to verify the mail server's certificate. By"
        " default, the system's certificates are used.",
    )
    connections: int = Field(
        4,
        alias="SMTP_CONNECTIONS",
        ge=1,
        le=20,
        description="Maximum number of connections to the mail server.",
    )

    @property
    def sender_address(self) -> str:
        """Address of the sender, for MAIL FROM (RFC 5321, section 4.1.1.2)."""
        return parseaddr(self.mail_from)[1] if self.mail_from else DEFAULT_SENDER_ADDRESS

    def sender(self, site_name: str) -> str:
        """Return the sender of all emails.

        Args:
            site_name: ``SITE_NAME``, the display name where ``MAIL_FROM`` is not set.

        Returns:
            The value of a From header (RFC 5322, section 3.4); a display name with special
            characters is quoted.
        """
        return self.mail_from or str(Address(site_name, addr_spec=DEFAULT_SENDER_ADDRESS))
