"""Bodies and replies of the routes of backups, restores and inspections."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sysndd_api.web.models import PageQuery, RequestModel
from sysndd_core.backups.manifest import UnmanagedFile
from sysndd_core.jobs.models import BackupKind, Consent


class RestoreRequest(RequestModel):
    """Body of a restore request.

    Attributes:
        confirm: Must be exactly ``RESTORE``; otherwise ``confirmation_required``.
        accept: The risks to accept, by name. A backup without an active administrator requires
            ``no_administrator``.
    """

    confirm: Any = None
    accept: tuple[Consent, ...] = ()


class UndoRequest(RequestModel):
    """``confirm`` must be exactly ``UNDO``."""

    confirm: Any = None


class TableDifference(BaseModel):
    """Rows of one table; None where there is no such table.

    ``live_rows_estimated``: the table is too large to be counted within a request; ``live_rows`` is
    the server's estimate, and the table is listed whether or not it differs.
    """

    table: str
    live_rows: int | None
    live_rows_estimated: bool = False
    backup_rows: int | None


class RestoreDryRun(BaseModel):
    """What a restore would change, by the number of rows; only tables that differ are listed."""

    name: str
    created_at: datetime
    schema_version: str | None
    live_schema_version: str | None
    table_count: int
    live_table_count: int
    row_count: int
    live_row_count: int
    differing: list[TableDifference]


class DeleteRequest(RequestModel):
    """``confirm`` must be exactly ``DELETE``; the service judges it, with its own code."""

    confirm: Any = None


class BackupQuery(PageQuery):
    """``search`` looks in the name, ``verification`` may be ``none``; ``-`` sorts descending."""

    search: str | None = Field(None, max_length=100)
    kind: BackupKind | None = None
    verification: Literal["verified", "failed", "none"] | None = None
    pinned: bool | None = None
    sort: Literal[
        "created_at",
        "-created_at",
        "name",
        "-name",
        "size_bytes",
        "-size_bytes",
        "row_count",
        "-row_count",
        "kind",
        "-kind",
    ] = "-created_at"


class BackupView(BaseModel):
    """A backup in the list. Sizes in bytes, time in UTC, ``sha256`` of the file as downloaded.

    ``locations``: ``local``, ``s3`` or both; ``offsite_error``: why the second one is missing.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: str
    kind: str
    size_bytes: int
    created_at: datetime
    table_count: int
    row_count: int
    sha256: str
    verification: str | None
    verified_at: datetime | None
    pinned: bool
    encrypted: bool
    locations: list[str]
    offsite_error: str | None


class UploadQuery(RequestModel):
    """``filename`` ends in .sql, .sql.gz or .sql.zst; only that counts."""

    filename: str = Field(min_length=1, max_length=500)


class BackupList(BaseModel):
    """One page of the list; ``total`` and ``total_bytes`` are of all that fit the query.

    ``unmanaged_files``: dumps that lie in the directory; verifying one makes it a backup.
    """

    data: list[BackupView]
    total: int
    page: int
    page_size: int
    total_bytes: int
    unmanaged_files: list[UnmanagedFile]


class InspectRequest(RequestModel):
    """``table`` as the backup's manifest lists it."""

    table: str = Field(min_length=1, max_length=64)


class InspectionView(BaseModel):
    """A schema that holds one table of a backup; ``row_count`` is None until it is loaded."""

    schema_name: str
    backup: str
    table_name: str
    row_count: int | None
    created_at: datetime
    kept_until: datetime
