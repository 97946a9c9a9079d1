"""``schema_version``: one row for each file, in the application and in the platform schema.

A row without success and without an error belongs to a run that was interrupted; the next run
resumes it from the journal. A row with an error requires ``resolve``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pymysql.err

from sysndd_core.db.database import Row
from sysndd_core.db.schema_version import LEDGER
from sysndd_core.sql.identifiers import qualified_name
from sysndd_migrator.errors import ForeignLedger
from sysndd_migrator.server.session import Session, Write, create_table, is_missing, not_permitted

_COLUMNS = (
    "filename",
    "checksum",
    "statements_checksum",
    "applied_at",
    "duration_ms",
    "statements",
    "success",
    "applied_by",
    "tool_version",
    "run_id",
    "error",
)
_LONGEST_ERROR = 4000


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """The record of one file.

    Attributes:
        filename: Name of the file.
        checksum: ``sha256:…`` of its text.
        statements_checksum: ``sha256:…`` of its statements.
        applied_at: When it was completed or, until then, begun; UTC, by the server's clock.
        duration_ms: Milliseconds from the first statement to the last.
        statements: Number of its statements.
        success: Whether all of them were applied.
        applied_by: The database account.
        tool_version: Version of the migrator.
        run_id: ID of the run's journal rows.
        error: Description of the failure; None while it runs or if it was interrupted.
    """

    filename: str
    checksum: str
    statements_checksum: str
    applied_at: datetime
    duration_ms: int
    statements: int
    success: bool
    applied_by: str
    tool_version: str
    run_id: str | None
    error: str | None

    @property
    def failed(self) -> bool:
        """Whether the server rejected one of its statements."""
        return not self.success and self.error is not None


class Ledger:
    """The ledger of one schema.

    Args:
        session: The connection that holds the lock.
        schema: Name of the schema.
    """

    def __init__(self, session: Session, schema: str) -> None:
        self._session = session
        self.schema = schema
        self.table = qualified_name(schema, LEDGER)

    async def create(self) -> None:
        """Create the table if it does not exist.

        Raises:
            NotPermitted: The account lacks the privilege.
        """
        await create_table(self._session, self.table, _CREATE.format(table=self.table))

    async def read(self) -> dict[str, LedgerRow]:
        """Return the rows by file name; empty if schema or table does not exist.

        Raises:
            ForeignLedger: A table with this name lacks columns of the ledger.
        """
        try:
            result = await self._session.send(f"SELECT * FROM {self.table}")
        except pymysql.err.Error as error:
            if is_missing(error):
                return {}
            raise not_permitted(error, f"read {self.table}") or error from error
        columns = [column.lower() for column in result.columns]
        self._refuse_foreign(columns)
        rows = [_row(dict(zip(columns, row, strict=True))) for row in result.rows]
        return {row.filename: row for row in rows}

    def _refuse_foreign(self, columns: Sequence[str]) -> None:
        missing = [column for column in _COLUMNS if column not in columns]
        if missing:
            raise ForeignLedger(
                f"{self.table} has no column {', '.join(missing)}: another tool created "
                "it. Nothing was changed. `sysndd-migrator adopt` takes over SysNDD's earlier "
                "table; rename any other. If another program migrates this schema, set "
                "SCHEMA_MODE=observe; see `sysndd-admin attach`.",
                missing=missing,
            )

    def begun(
        self,
        *,
        filename: str,
        checksum: str,
        statements_checksum: str,
        statements: int,
        tool_version: str,
        run_id: str,
    ) -> Write:
        """Return the write that records a file as begun; replaces the row of an earlier attempt."""
        sql = (
            f"REPLACE INTO {self.table} (filename, checksum, statements_checksum, applied_at, "
            "duration_ms, statements, success, applied_by, tool_version, run_id, error) VALUES "
            "(%s, %s, %s, UTC_TIMESTAMP(6), 0, %s, 0, CURRENT_USER(), %s, %s, NULL)"
        )
        return sql, (filename, checksum, statements_checksum, statements, tool_version, run_id)

    def succeeded(self, filename: str, duration_ms: int) -> Write:
        """Return the write that records a file as applied."""
        return (
            f"UPDATE {self.table} SET success = 1, error = NULL, duration_ms = %s, "
            "applied_at = UTC_TIMESTAMP(6) WHERE filename = %s",
            (duration_ms, filename),
        )

    def decided(self, filename: str, how: str) -> Write:
        """Return the write that records a decision of the operator in ``applied_by``.

        Args:
            filename: Name of the file.
            how: The decision, in the past tense.
        """
        return (
            f"UPDATE {self.table} SET applied_by = CONCAT(%s, ' by ', CURRENT_USER()) "
            "WHERE filename = %s",
            (how, filename),
        )

    def failed(self, filename: str, duration_ms: int, error: str) -> Write:
        """Return the write that records a failure."""
        return (
            f"UPDATE {self.table} SET success = 0, duration_ms = %s, error = %s, "
            "applied_at = UTC_TIMESTAMP(6) WHERE filename = %s",
            (duration_ms, error[:_LONGEST_ERROR], filename),
        )

    def checksum_updated(self, filename: str, checksum: str) -> Write:
        """Return the write that accepts a file whose comments or whitespace changed."""
        return f"UPDATE {self.table} SET checksum = %s WHERE filename = %s", (checksum, filename)


def _row(values: Row) -> LedgerRow:
    return LedgerRow(
        filename=values["filename"],
        checksum=values["checksum"],
        statements_checksum=values["statements_checksum"],
        applied_at=values["applied_at"],
        duration_ms=int(values["duration_ms"]),
        statements=int(values["statements"]),
        success=bool(values["success"]),
        applied_by=values["applied_by"],
        tool_version=values["tool_version"],
        run_id=values["run_id"],
        error=values["error"],
    )


_CREATE = """
CREATE TABLE IF NOT EXISTS {table} (
  filename            VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  checksum            VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  statements_checksum VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  applied_at          DATETIME(6) NOT NULL COMMENT 'UTC',
  duration_ms         BIGINT UNSIGNED NOT NULL DEFAULT 0,
  statements          INT UNSIGNED NOT NULL,
  success             TINYINT(1) NOT NULL,
  applied_by          VARCHAR(320) NOT NULL,
  tool_version        VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  run_id              CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL
                      COMMENT 'names the rows of this run in migration_journal',
  error               TEXT NULL,
  PRIMARY KEY (filename)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""
