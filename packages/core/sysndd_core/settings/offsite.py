"""S3-compatible storage for the off-site copy of each backup."""

from enum import StrEnum

from pydantic import Field, SecretStr

from sysndd_core.settings.base import SettingsGroup


class LockMode(StrEnum):
    """Who may delete a locked copy before its time: nobody, or who holds a special right."""

    COMPLIANCE = "COMPLIANCE"
    GOVERNANCE = "GOVERNANCE"


class S3Settings(SettingsGroup):
    """Where the second copy of each backup goes."""

    bucket: str | None = Field(
        None,
        alias="BACKUP_S3_BUCKET",
        description="Bucket for a second copy of each backup; empty for none.",
    )
    endpoint: str | None = Field(
        None,
        alias="BACKUP_S3_ENDPOINT",
        description="Address of S3-compatible storage; empty for Amazon's.",
    )
    region: str = Field("us-east-1", alias="BACKUP_S3_REGION", description="Region of the bucket.")
    prefix: str = Field(
        "",
        alias="BACKUP_S3_PREFIX",
        pattern=r"^([A-Za-z0-9._-]+/)*$",
        description="Folder in the bucket, such as `sysndd/`.",
    )
    access_key: str | None = Field(
        None, alias="BACKUP_S3_ACCESS_KEY", description="Access key of the storage."
    )
    secret_key: SecretStr | None = Field(
        None, alias="BACKUP_S3_SECRET_KEY", description="Secret key of the storage."
    )
    lock_days: float = Field(
        0,
        alias="BACKUP_S3_LOCK_DAYS",
        ge=0,
        description="Days for which object lock keeps each copy from being deleted; 0: the bucket's"
        " own rule.",
    )
    lock_mode: LockMode = Field(
        LockMode.COMPLIANCE,
        alias="BACKUP_S3_LOCK_MODE",
        description="COMPLIANCE (nobody can delete it) or GOVERNANCE.",
    )
