"""Response bodies of the mail server test."""

from dataclasses import asdict

from pydantic import BaseModel

from sysndd_core.mail.smtp_probe import Diagnosis


class SmtpStep(BaseModel):
    """One stage: ``resolve connect banner ehlo tls auth mail_from rset quit``, and its duration."""

    stage: str
    ok: bool
    ms: float
    detail: str


class SmtpTls(BaseModel):
    """The TLS connection: protocol version, names in the certificate, and days until it expires."""

    version: str
    names: list[str]
    days_left: int


class SmtpTest(BaseModel):
    """One SMTP dialogue up to MAIL FROM; no email was sent.

    Attributes:
        error: The shortened reply to the failed step; None on success.
        stage: The failed step; None on success.
        code: Stable code of the failure; None on success.
        smtp_code: The server's reply code to the failed step, if there was one.
        hint: What to do about the failure; None on success.
        ehlo: Extensions that the server offers.
        auth: The authentication method; None without SMTP_USER.
        total_ms: Total duration, at most ten seconds.
    """

    success: bool
    host: str
    port: int
    error: str | None
    stage: str | None
    code: str | None
    smtp_code: int | None
    hint: str | None
    steps: list[SmtpStep]
    tls: SmtpTls | None
    ehlo: list[str]
    auth: str | None
    total_ms: float

    @classmethod
    def from_diagnosis(cls, found: Diagnosis) -> "SmtpTest":
        """Build it from the result of the probe."""
        return cls.model_validate(asdict(found))
