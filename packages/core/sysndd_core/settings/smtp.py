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
    """The mail transport. The TLS mode is always explicit: opportunistic STARTTLS can be stripped."""

    host: str = Field("127.0.0.1", alias="SMTP_HOST", description="Host of the mail server.")
    port: int = Field(
        587, alias="SMTP_PORT", ge=1, le=65535, description="Port of the mail server."
    )
    security: SmtpSecurity = Field(
        SmtpSecurity.STARTTLS,
        alias="SMTP_SECURITY",
        description="none, starttls (required, never opportunistic) or tls.",
    )
    user: str | None = Field(None, alias="SMTP_USER", description="Account; empty for none.")
    password: SecretStr | None = Field(
        None, alias="SMTP_PASSWORD", description="Password of the account."
    )
    mail_from: str = Field(
        "SysNDD <noreply@localhost.localdomain>",
        alias="MAIL_FROM",
        pattern=r"^[^\r\n]*[^@\s<]+@[^@\s>]+>?$",
        description="Sender of every mail.",
    )
    timeout: float = Field(
        20.0, alias="SMTP_TIMEOUT", gt=0, le=120, description="Seconds for one step of a delivery."
    )
    ca_file: Path | None = Field(
        None,
        alias="SMTP_CA_FILE",
        description="Certificates that the mail server's may be signed by; the system's by default.",
    )
    connections: int = Field(
        4, alias="SMTP_CONNECTIONS", ge=1, le=20, description="Connections kept to the mail server."
    )
