"""S3-compatible storage for the off-site copy of each backup."""

from enum import StrEnum

from pydantic import Field, SecretStr

from sysndd_core.settings.base import SettingsGroup


class LockMode(StrEnum):
    """Who may delete a locked copy early: no account, or accounts with a special permission."""

    COMPLIANCE = "COMPLIANCE"
    GOVERNANCE = "GOVERNANCE"


class S3Settings(SettingsGroup):
    """The bucket for the off-site copy of each backup."""

    bucket: str | None = Field(
        None,
        alias="BACKUP_S3_BUCKET",
        description="Bucket for an off-site copy of each backup. If empty, no copies are made.",
    )
    endpoint: str | None = Field(
        None,
        alias="BACKUP_S3_ENDPOINT",
        description="URL of the S3-compatible storage. If empty, Amazon S3 is used.",
    )
    region: str = Field("us-east-1", alias="BACKUP_S3_REGION", description="Region of the bucket.")
    prefix: str = Field(
        "",
        alias="BACKUP_S3_PREFIX",
        pattern=r"^([A-Za-z0-9._-]+/)*$",
        description="Key prefix in the bucket, such as `sysndd/`.",
    )
    access_key: str | None = Field(
        None, alias="BACKUP_S3_ACCESS_KEY", description="Access key ID for the off-site storage."
    )
    secret_key: SecretStr | None = Field(
        None,
        alias="BACKUP_S3_SECRET_KEY",
        description="Secret access key for the off-site storage.",
    )
    lock_days: float = Field(
        0,
        alias="BACKUP_S3_LOCK_DAYS",
        ge=0,
        description="Days for which S3 Object Lock protects each off-site copy from deletion. If"
        " 0, the default retention of the bucket applies.",
    )
    lock_mode: LockMode = Field(
        LockMode.COMPLIANCE,
        alias="BACKUP_S3_LOCK_MODE",
        description="Mode of S3 Object Lock: `COMPLIANCE` (no account can delete a locked copy)"
        " or `GOVERNANCE` (accounts with a special permission can).",
    )
