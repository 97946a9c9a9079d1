"""What the test of the mail server answers."""

from dataclasses import asdict

from pydantic import BaseModel

from sysndd_core.mail.smtp_probe import Diagnosis


class SmtpStep(BaseModel):
    """One stage: ``resolve connect banner ehlo tls auth mail_from rset quit``, with milliseconds."""

    stage: str
    ok: bool
    ms: float
    detail: str


class SmtpTls(BaseModel):
    """The protected connection: protocol version, names in the certificate, days until it expires."""

    version: str
    names: list[str]
    days_left: int


class SmtpTest(BaseModel):
    """One conversation with the mail server, up to MAIL FROM; no mail was sent.

    Attributes:
        error, stage, code, hint: of the step that failed: the server's words, shortened, and what to
            do about it; None when all went well.
        smtp_code: the server's reply code to that step, if it gave one.
        ehlo: extensions that the server offers.
        auth: the method that was used; None without SMTP_USER.
        total_ms: at most ten seconds.
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
        """Build it from what the probe found."""
        return cls.model_validate(asdict(found))
