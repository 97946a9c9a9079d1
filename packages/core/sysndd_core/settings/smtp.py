"""The mail server."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr

from sysndd_core.settings.base import SettingsGroup


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
    mail_from: str = Field(
        "SysNDD <noreply@localhost.localdomain>",
        alias="MAIL_FROM",
        pattern=r"^[^\r\n]*[^@\s<]+@[^@\s>]+>?$",
        description="Sender of all emails, such as `SysNDD <noreply@example.org>`.",
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
