"""How backups are made, kept and loaded."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr

from sysndd_core.settings.base import SettingsGroup


class BackupCompression(StrEnum):
    """How a dump is packed."""

    ZSTD = "zstd"
    GZIP = "gzip"
    NONE = "none"


class ProofPolicy(StrEnum):
    """When a new backup is proven by loading it and dumping it again."""

    ALWAYS = "always"
    DAILY = "daily"
    NEVER = "never"


class BackupSettings(SettingsGroup):
    """Where backups are kept and how they are packed."""

    directory: Path = Field(
        Path("/var/lib/sysndd/backups"),
        alias="BACKUP_DIR",
        description="Directory that holds the backup files and their manifests.",
    )
    compression: BackupCompression = Field(
        BackupCompression.ZSTD,
        alias="BACKUP_COMPRESSION",
        description="zstd (level 3 on 2 threads), gzip or none.",
    )
    proof: ProofPolicy = Field(
        ProofPolicy.ALWAYS,
        alias="BACKUP_PROOF",
        description="Prove new backups by loading them: always, daily (once in 24 h) or never.",
    )
    undo_hours: float = Field(
        24.0,
        alias="BACKUP_UNDO_HOURS",
        ge=0,
        le=8760,
        description="Hours for which a restore can be undone; its previous tables stay that long.",
    )
    upload_max_bytes: int = Field(
        200 * 10**9,
        alias="BACKUP_UPLOAD_MAX_BYTES",
        gt=0,
        description="Bytes that an uploaded dump may have and may unpack to.",
    )
    restore_migrate: bool = Field(
        True,
        alias="BACKUP_RESTORE_MIGRATE",
        description="Apply pending migrations to an older backup before it comes live, by"
        " `sysndd-migrator` (which must be installed beside the worker) with `MIGRATIONS_DIR`.",
    )
    load_user: str | None = Field(
        None,
        alias="BACKUP_LOAD_USER",
        description="Account that backups are loaded by; may touch only `<DB_NAME>_shadow_…`."
        " Empty: the worker makes one for each load, which takes CREATE USER.",
    )
    load_password: SecretStr | None = Field(
        None, alias="BACKUP_LOAD_PASSWORD", description="Password of that account."
    )
