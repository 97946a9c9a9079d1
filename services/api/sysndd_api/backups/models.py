"""Request and response bodies of backups, restores and inspections."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from sysndd_api.web.models import PageQuery, RequestModel
from sysndd_core.backups.manifest import BackupManifest, MissingObject, UnmanagedFile
from sysndd_core.backups.retention import RetentionDecision, RetentionRule
from sysndd_core.jobs.models import BackupKind, Consent


class RestoreRequest(RequestModel):
    """Body of a restore request.

    Attributes:
        confirm: Must be exactly ``RESTORE``; otherwise ``confirmation_required``.
        accept: The risks to accept, by name. A backup without an active administrator requires
            ``no_administrator``, a backup of another site ``foreign_backup``, a live database that
            cannot be copied completely ``incomplete_safety_backup``, and data that violates its
            constraints ``constraint_violations``.
    """

    confirm: Any = None
    accept: list[Consent] = Field(default_factory=list)


class UndoRequest(RequestModel):
    """Body of an undo request; ``confirm`` must be exactly ``UNDO``."""

    confirm: Any = None


class TableDifference(BaseModel):
    """Row counts of one table; None if the table does not exist there.

    If ``live_rows_estimated`` is true, the table is too large to count within a request, and
    ``live_rows`` is the server's estimate. Such a table is listed whether or not it differs.
    """

    table: str
    live_rows: int | None
    live_rows_estimated: bool = False
    backup_rows: int | None


class EmptyTable(BaseModel):
    """A table that will be empty after the restore, because the backup leaves out its rows.

    ``live_rows`` is None if the table does not exist in the live database.
    """

    table: str
    live_rows: int | None
    live_rows_estimated: bool = False


class RestoreDryRun(BaseModel):
    """The row counts that a restore would change.

    Attributes:
        differing: The tables that differ.
        excluded_rows: The tables that will be empty, whether or not they differ.
        unreadable: Live tables whose rows could not be counted, because the server could not read
            them. A restore then requires ``incomplete_safety_backup``.
        foreign: Whether another site created it, so that a restore requires ``foreign_backup``.
    """

    name: str
    created_at: datetime
    schema_version: str | None
    live_schema_version: str | None
    table_count: int
    live_table_count: int
    row_count: int
    live_row_count: int
    differing: list[TableDifference]
    excluded_rows: list[EmptyTable]
    unreadable: list[str] = []
    foreign: bool = False

    @property
    def damaged(self) -> bool:
        """Whether the live database is known to be damaged, or empty."""
        return bool(self.unreadable) or self.live_table_count == 0


class DeleteRequest(RequestModel):
    """Body of a delete request; ``confirm`` must be exactly ``DELETE``."""

    confirm: Any = None


class BackupQuery(PageQuery):
    """Filters of the backup list.

    Attributes:
        search: Part of the name.
        verification: The result of the verification; ``none`` for backups without one.
        sort: Field to sort by; a leading ``-`` means descending.
    """

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


class RetentionView(BaseModel):
    """What the retention policy decides on a backup.

    Attributes:
        kept_until: Earliest time at which it can expire, in UTC, if backups continue to be created
            and nothing else changes. None if no date is known: until other backups take its place,
            or until a person deletes it.
        reason: Code of the rule.
        rule: The rule in one sentence.
        expires_next: Whether the next run deletes it.
    """

    kept_until: datetime | None
    reason: RetentionRule
    rule: str
    expires_next: bool

    @classmethod
    def of(cls, decision: RetentionDecision) -> Self:
        """Build it from a decision."""
        return cls(
            kept_until=decision.reason.kept_until,
            reason=decision.reason.rule,
            rule=decision.reason.text,
            expires_next=decision.expires_next,
        )


class RetentionEntry(RetentionView):
    """The decision on the backup with this name.

    Attributes:
        size_drop: Both sizes if it is much smaller than the previous backup and no person accepted
            that, otherwise None.
    """

    name: str
    size_drop: str | None


class RetentionPreview(BaseModel):
    """The next run of the retention policy, latest backup first.

    Attributes:
        suspended: Code of the rule because of which nothing expires, or None.
        warning: Why nothing expires and what to do, or None.
    """

    data: list[RetentionEntry]
    suspended: RetentionRule | None
    warning: str | None


class BackupDetail(BackupManifest):
    """The manifest of a backup, and the decision of the retention policy."""

    retention: RetentionView


class BackupView(BaseModel):
    """A backup in the list; sizes are in bytes, times in UTC.

    Attributes:
        damaged: Whether a verification showed that the backup is damaged.
        size_drop: Both sizes if it is much smaller than the previous backup and no person accepted
            that, otherwise None.
        excluded_rows: Tables whose rows were left out.
        incomplete: What it does not contain, because the live database was damaged.
        constraint_violations: Sentences about constraints that its data violates; known once it
            was verified.
        sha256: Hash of the file as downloaded.
        locations: ``local``, ``s3`` or both.
        offsite_error: Why the off-site copy is missing.
        site_id: ID of the site that created it, or None.
        foreign: Whether that is another site.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: str
    kind: str
    size_bytes: int
    created_at: datetime
    table_count: int
    row_count: int
    excluded_rows: list[str]
    incomplete: list[MissingObject]
    constraint_violations: list[str]
    sha256: str
    verification: str | None
    verified_at: datetime | None
    pinned: bool
    encrypted: bool
    locations: list[str]
    offsite_error: str | None
    site_id: str | None
    foreign: bool
    damaged: bool
    size_drop: str | None
    retention: RetentionView

    @classmethod
    def of(
        cls, manifest: BackupManifest, site_id: str | None, decision: RetentionDecision
    ) -> "BackupView":
        """Build it from a manifest, the ID of this site, and the retention policy's decision."""
        values = {
            name: getattr(manifest, name) for name in cls.model_fields if hasattr(manifest, name)
        }
        values |= {
            "foreign": manifest.is_foreign_to(site_id),
            "size_drop": size_drop_text(manifest),
            "retention": RetentionView.of(decision),
        }
        return cls.model_validate(values)


def size_drop_text(manifest: BackupManifest) -> str | None:
    """Return both sizes if a backup is an unaccepted size drop, otherwise None."""
    return str(manifest.size_drop) if manifest.is_size_drop else None


class UploadQuery(RequestModel):
    """Name of the uploaded file; only its extension is used: .sql, .sql.gz or .sql.zst."""

    filename: str = Field(min_length=1, max_length=500)


class BackupList(BaseModel):
    """One page of backups; ``total`` and ``total_bytes`` count all that match the query.

    ``unmanaged_files`` are dumps in the backup directory without a manifest. Verifying one imports
    it.
    """

    data: list[BackupView]
    total: int
    page: int
    page_size: int
    total_bytes: int
    unmanaged_files: list[UnmanagedFile]


class InspectRequest(RequestModel):
    """Name of the table, as listed in the backup's manifest."""

    table: str = Field(min_length=1, max_length=64)


class InspectionView(BaseModel):
    """A schema that contains one table of a backup; ``row_count`` is None until it is loaded."""

    schema_name: str
    backup: str
    table_name: str
    row_count: int | None
    created_at: datetime
    kept_until: datetime
