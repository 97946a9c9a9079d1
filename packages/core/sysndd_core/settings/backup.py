"""How backups are created, stored and loaded."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from sysndd_core.settings.base import SettingsGroup
from sysndd_core.sql.table_patterns import TablePatterns

_ALWAYS_BACKED_UP = ("schema_version", "user")
"""The migrator's ledger and SysNDD's accounts: a restore without their rows breaks the site."""


class BackupCompression(StrEnum):
    """How a dump is compressed."""

    ZSTD = "zstd"
    GZIP = "gzip"
    NONE = "none"


class VerifyPolicy(StrEnum):
    """When a new backup is verified by restoring it into a scratch schema and dumping it again."""

    ALWAYS = "always"
    DAILY = "daily"
    NEVER = "never"


class BackupSettings(SettingsGroup):
    """Where backups are stored, and how they are compressed, verified and restored."""

    directory: Path = Field(
        Path("/var/lib/sysndd/backups"),
        alias="BACKUP_DIR",
        description="Directory for backup files and their manifests.",
    )
    compression: BackupCompression = Field(
        BackupCompression.ZSTD,
        alias="BACKUP_COMPRESSION",
        description="Compression of dumps: `zstd` (level 3, 2 threads), `gzip` or `none`.",
    )
    verify: VerifyPolicy = Field(
        VerifyPolicy.ALWAYS,
        alias="BACKUP_VERIFY",
        description="When to verify new backups by restoring them into a scratch schema:"
        " `always`, `daily` (once in 24 hours) or `never`.",
    )
    exclude_rows: str | None = Field(
        None,
        alias="BACKUP_EXCLUDE_ROWS",
        description="Comma-separated tables whose rows are left out of backups, such as"
        " `objectcache,*_session`; their structure is kept. `*`, `?` and `[abc]` are wildcards."
        " After a restore, these tables are empty. Must not match `schema_version` or `user`."
        " Safety backups contain all rows.",
    )
    undo_hours: float = Field(
        24.0,
        alias="BACKUP_UNDO_HOURS",
        ge=0,
        le=8760,
        description="Hours for which a restore can be undone. The replaced tables use disk space"
        " during this time.",
    )
    upload_max_bytes: int = Field(
        200 * 10**9,
        alias="BACKUP_UPLOAD_MAX_BYTES",
        gt=0,
        description="Maximum size of an uploaded dump in bytes, compressed and uncompressed.",
    )
    restore_migrate: bool = Field(
        True,
        alias="BACKUP_RESTORE_MIGRATE",
        description="Whether a restore applies pending migrations to an older backup before the"
        " swap. Requires `sysndd-migrator` in the worker's environment, and `MIGRATIONS_DIR`.",
    )
    load_user: str | None = Field(
        None,
        alias="BACKUP_LOAD_USER",
        description="Database account that loads backups, with privileges only on"
        " `<DB_NAME>_shadow_…`. If empty, the worker creates an account for each load, which"
        " requires the CREATE USER privilege.",
    )
    load_password: SecretStr | None = Field(
        None, alias="BACKUP_LOAD_PASSWORD", description="Password of `BACKUP_LOAD_USER`."
    )

    @field_validator("exclude_rows")
    @classmethod
    def _check_exclude_rows(cls, value: str | None) -> str | None:
        for pattern in TablePatterns.parse(value).patterns:
            for table in _ALWAYS_BACKED_UP:
                if TablePatterns((pattern,)).matching(table, case_sensitive=False) is not None:
                    raise ValueError(
                        f"{pattern[:40]} matches the table {table}, whose rows every backup must"
                        " contain. Use a narrower pattern"
                    )
        return value

    @property
    def excluded_rows(self) -> TablePatterns:
        """The patterns of the tables whose rows are left out of backups."""
        return TablePatterns.parse(self.exclude_rows)
