"""What is known of one backup: its name, and the manifest that lies beside its file.

``NAME`` is the file, ``NAME.json`` its manifest. The worker writes both (see ``backups``); the API
lists and serves them.
"""

import re
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from sysndd_core.errors import InvalidBackupName
from sysndd_core.jobs.models import BackupKind
from sysndd_core.settings.backup import BackupCompression

MANIFEST_SUFFIX = ".json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.sql(\.zst|\.gz)?(\.age)?")


class Proof(StrEnum):
    """What came of loading a backup and dumping it again; None while nobody tried."""

    PROVEN = "proven"
    FAILED = "failed"


class RemoteCopy(BaseModel):
    """The second copy of a backup, in S3-compatible storage.

    ``checksum`` is the server's own, equal to ours; ``locked_until`` what object lock says.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    bucket: str
    key: str
    checksum: str
    copied_at: datetime
    locked_until: datetime | None = None


class BackupManifest(BaseModel):
    """What is known of one backup; version 1 of the file format, described in docs/backup-format.md.

    Sizes are bytes, times UTC, hashes lower-case hexadecimal SHA-256. ``fenced`` tells whether the
    server kept schema changes out while the dump ran, ``data_bytes`` how large the tables were.
    ``local`` is not part of the file.
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
    server_vendor: str
    server_version: str
    client_version: str
    schema_version: str | None
    application_version: str
    job_id: str
    requested_by: int | None
    client_flags: list[str] = []
    fenced: bool = False
    encrypted: bool = False
    recipients: list[str] = []
    proof: Proof | None = None
    proof_at: datetime | None = None
    proof_error: str | None = None
    pinned: bool = False
    data_bytes: int | None = None
    remote: RemoteCopy | None = None
    remote_error: str | None = None
    local: bool = True

    @property
    def places(self) -> list[str]:
        """Where the file is: ``local``, ``s3`` or both."""
        return ["local"] * self.local + ["s3"] * (self.remote is not None)

    def to_json(self) -> str:
        """Return the text of the manifest's file; whether the file is here, only a look tells."""
        return self.model_dump_json(indent=2, exclude={"local"}) + "\n"


class StrayFile(BaseModel):
    """A dump that somebody put into the directory; reading it to its end makes it a backup."""

    name: str
    size_bytes: int
    modified_at: datetime


def check_name(name: str) -> str:
    """Return ``name`` when it can be the name of a backup file.

    Raises:
        InvalidBackupName: it holds a separator, a dot segment, or anything we never write.
    """
    if _NAME.fullmatch(name) is None:
        raise InvalidBackupName()
    return name


def backup_name(kind: BackupKind, created_at: datetime, job_id: str, suffix: str) -> str:
    """Compose the name of a new backup file.

    Args:
        kind: first part of the name, so that a directory listing groups them.
        created_at: UTC.
        job_id: its first eight characters keep two backups of one second apart.
        suffix: ``.sql.zst``, ``.sql.gz`` or ``.sql``, with ``.age`` when it is encrypted.
    """
    return f"{kind.value}_{created_at:%Y%m%dT%H%M%SZ}_{job_id[:8]}{suffix}"


def expected_bytes(then: int, last: BackupManifest, data_bytes: int) -> int:
    """Estimate a size from what it was last time and how the tables have grown since.

    Args:
        then: the size last time.
        last: the last backup.
        data_bytes: of the tables now, by information_schema.
    """
    return then * data_bytes // last.data_bytes if last.data_bytes else then
