"""The name and the manifest of a backup.

``NAME`` is the backup file and ``NAME.json`` its manifest. The worker writes both, and the API
lists and serves them.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from sysndd_core.errors import InvalidBackupName
from sysndd_core.jobs.models import BackupKind, Consent
from sysndd_core.settings.backup import BackupCompression

MANIFEST_SUFFIX = ".json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.sql(\.zst|\.gz)?(\.age)?")


class Verification(StrEnum):
    """Result of a verification. A backup that was never verified has None instead."""

    VERIFIED = "verified"
    FAILED = "failed"


class OffsiteCopy(BaseModel):
    """The off-site copy of a backup, in S3-compatible storage.

    Attributes:
        checksum: Checksum that the storage calculated, equal to that of the backup file.
        locked_until: Time until which S3 Object Lock protects the copy, or None.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    bucket: str
    key: str
    checksum: str
    copied_at: datetime
    locked_until: datetime | None = None


class UnreadableObject(BaseModel):
    """A table or view that the server cannot read.

    Attributes:
        kind: ``table`` or ``view``.
        name: Its name, not quoted.
        reason: The error of the server.
        stops_server: Whether the server stops when it is read.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: str
    name: str
    reason: str
    stops_server: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.reason})"


class MissingObject(UnreadableObject):
    """An object that an incomplete backup does not contain, or not with all its rows.

    It may also be a trigger, routine or event. Triggers are only counted and have no name.

    Attributes:
        definition: Its CREATE statement, if the server could show it.
    """

    definition: str | None = None


class SizeDrop(BaseModel):
    """A backup has less than half of the rows or bytes of the previous comparable one.

    Attributes:
        previous: Name of the backup that it was compared with.
        rows, previous_rows: Rows in the tables that neither backup excludes.
        uncompressed_bytes, previous_uncompressed_bytes: Sizes of the SQL text.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    previous: str
    rows: int
    previous_rows: int
    uncompressed_bytes: int
    previous_uncompressed_bytes: int

    def __str__(self) -> str:
        """Return a sentence with both sizes."""
        return (
            f"Much smaller than {self.previous}: {self.rows:,} rows instead of"
            f" {self.previous_rows:,}, {self.uncompressed_bytes:,} bytes of SQL instead of"
            f" {self.previous_uncompressed_bytes:,}."
        )


class BackupManifest(BaseModel):
    """The manifest of a backup, version 1 of the file format; see docs/backup-format.md.

    Sizes are in bytes, times in UTC; hashes are SHA-256 in lower-case hexadecimal.

    Attributes:
        ddl_fenced: Whether a DDL fence prevented schema changes during the dump.
        excluded_rows: Tables whose rows ``BACKUP_EXCLUDE_ROWS`` left out; ``rows_per_table`` lists
            them with 0 rows.
        constraint_violations: What the last verification found: one sentence for each constraint
            that the data violates, as the live database allowed when the rows were written.
        incomplete: What the backup does not contain, because the live database was damaged; only
            in a safety backup.
        data_bytes: Size of the tables when the dump started, without ``excluded_rows``.
        site_id: ID of the site that created it; None for an imported dump, and in manifests of
            release 0.9.0.
        local: Whether the file is in the backup directory; not part of the manifest file.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    manifest_version: Literal[1] = 1
    name: str
    kind: BackupKind
    created_at: datetime
    finished_at: datetime
    duration_ms: int
    size_bytes: int
    uncompressed_bytes: int
    sha256: str
    uncompressed_sha256: str
    compression: BackupCompression
    database: str
    table_count: int
    view_count: int
    trigger_count: int
    routine_count: int
    event_count: int
    row_count: int
    rows_per_table: dict[str, int]
    excluded_rows: list[str] = []
    incomplete: list[MissingObject] = []
    server_vendor: str
    server_version: str
    client_version: str
    schema_version: str | None
    application_version: str
    job_id: str
    requested_by: int | None
    client_flags: list[str] = []
    ddl_fenced: bool = False
    encrypted: bool = False
    recipients: list[str] = []
    verification: Verification | None = None
    verified_at: datetime | None = None
    verification_error: str | None = None
    constraint_violations: list[str] = []
    damaged: bool = False
    pinned: bool = False
    size_drop: SizeDrop | None = None
    size_accepted: bool = False
    data_bytes: int | None = None
    site_id: str | None = None
    offsite: OffsiteCopy | None = None
    offsite_error: str | None = None
    local: bool = True

    def is_foreign_to(self, site_id: str | None) -> bool:
        """Return whether another site created it; a backup without a site's ID may be ours."""
        return self.site_id is not None and site_id is not None and self.site_id != site_id

    @property
    def is_size_drop(self) -> bool:
        """Whether it is much smaller than the previous one, and no person accepted that."""
        return self.size_drop is not None and not self.size_accepted

    @property
    def locations(self) -> list[str]:
        """The locations of the backup file: ``local``, ``s3`` or both."""
        return ["local"] * self.local + ["s3"] * (self.offsite is not None)

    def to_json(self) -> str:
        """Return the content of the manifest file, which does not include ``local``."""
        return self.model_dump_json(indent=2, exclude={"local"}) + "\n"


class UnmanagedFile(BaseModel):
    """An unmanaged dump file in the backup directory; it can be imported as a backup."""

    name: str
    size_bytes: int
    modified_at: datetime


def foreign_backup_refusal(manifest: BackupManifest) -> str:
    """Return why a backup of another site is not restored, and what to do."""
    return (
        f"Restore refused: {manifest.name} was created by another site, with the application schema"
        f" {manifest.database}. Nothing was changed. To replace this site's data with it,"
        f" {Consent.FOREIGN_BACKUP.how_to_accept} If it is a backup of this site from before its"
        f" platform schema was lost, run: sysndd-admin rebind-site --site-id {manifest.site_id}"
    )


def check_name(name: str) -> str:
    """Return ``name`` if it is a valid name for a backup file.

    Raises:
        InvalidBackupName: It contains a path separator or anything else that backup names lack.
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidBackupName()
    return name


def backup_name(kind: BackupKind, created_at: datetime, job_id: str, suffix: str) -> str:
    """Compose the name of a new backup file.

    Args:
        kind: First part of the name, so that a directory listing groups backups by kind.
        created_at: Time of creation, in UTC.
        job_id: Its first eight characters distinguish backups of the same second.
        suffix: ``.sql.zst``, ``.sql.gz`` or ``.sql``, with ``.age`` if encrypted.
    """
    return f"{kind.value}_{created_at:%Y%m%dT%H%M%SZ}_{job_id[:8]}{suffix}"


def expected_bytes(then: int, last: BackupManifest, data_bytes: int) -> int:
    """Estimate a size from its last value and the growth of the tables since then.

    Args:
        then: The last value, in bytes.
        last: Manifest of the last backup.
        data_bytes: Current size of the tables in bytes, from information_schema.
    """
    return then * data_bytes // last.data_bytes if last.data_bytes else then
