"""``migration_journal`` in the platform schema: each unit of a run, begun and finished.

Written before a unit is sent and after it is done, so that a killed run can be resumed. Only rows
with the ``run_id`` of the ledger's row count: a restored application schema has an older ledger,
and then a new run starts at the first statement.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import pymysql.err

from sysndd_core.db.database import Row
from sysndd_core.sql.identifiers import qualified_name
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.units import Unit
from sysndd_migrator.ledger.failed_statement import FailedStatement
from sysndd_migrator.server.session import (
    Outcome,
    Session,
    Write,
    create_table,
    is_missing,
)

TABLE = "migration_journal"

_NAMES = (
    *("run_id", "position", "schema_name", "filename", "last_position", "of_statements"),
    *("statements_hash", "line", "kind"),
)
# In the order of FailedStatement's fields.
_FAILED = (
    *("failed_line", "failed_statement", "failed_sql", "error_number", "error_message"),
    "resume_at",
)
_LONGEST_OBJECTS = 500
_LONGEST_ERROR = 4000

UnitColumns = tuple[str | int, ...]
"""Columns of a unit's row that are known before it is sent, from ``Journal.unit_columns``."""


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One unit of a run: its position, and the hash of the definitions before it."""

    position: int
    kind: str
    fingerprint: str | None
    finished: bool
    error: str | None
    changed: bool = False


class Journal:
    """The journal in one platform schema.

    Args:
        session: The connection that holds the lock.
        platform: Name of the platform schema.
    """

    def __init__(self, session: Session, platform: str) -> None:
        self._session = session
        self.table = qualified_name(platform, TABLE)
        self._insert = f"REPLACE INTO {self.table} ({', '.join(_NAMES)}, started_at, "
        self._marks = ", ".join(["%s"] * len(_NAMES))

    async def create(self) -> None:
        """Create the table if it does not exist.

        Raises:
            NotPermitted: The account lacks the privilege.
        """
        await create_table(self._session, self.table, _CREATE.format(table=self.table))

    async def without_effect(self) -> frozenset[str]:
        """Return the IDs of finished runs that changed nothing."""
        rows = await self._fetch(
            f"SELECT run_id FROM {self.table} GROUP BY run_id "
            "HAVING SUM(finished_at IS NULL) = 0 AND SUM(objects IS NULL) = 0 "
            "AND SUM(rows_changed > 0 OR objects <> '') = 0"
        )
        return frozenset(str(row["run_id"]) for row in rows)

    async def read(self, run_id: str) -> dict[int, JournalRow]:
        """Return a run's rows by the position of their first statement."""
        rows = await self._fetch(
            "SELECT position, kind, fingerprint, finished_at IS NOT NULL AS finished, error, "
            "COALESCE(rows_changed > 0 OR objects <> '', 0) AS changed "
            f"FROM {self.table} WHERE run_id = %s",
            (run_id,),
        )
        return {
            int(row["position"]): JournalRow(
                position=int(row["position"]),
                kind=str(row["kind"]),
                fingerprint=row["fingerprint"],
                finished=bool(row["finished"]),
                error=row["error"],
                changed=bool(row["changed"]),
            )
            for row in rows
        }

    def unit_columns(self, run_id: str, schema: str, script: Script, unit: Unit) -> UnitColumns:
        """Return the columns of a unit's row that are known before it is sent.

        Args:
            run_id: ID of the run.
            schema: Schema of the file.
            script: The file.
            unit: The unit.
        """
        return (
            *(run_id, unit.first, schema, script.filename, unit.last, len(script.statements)),
            *(script.unit_hash(unit), unit.statements[0].line, unit.kind.value),
        )

    def begun(self, row: UnitColumns, fingerprint: str) -> Write:
        """Return the write that records a unit before it is sent.

        Args:
            row: From ``unit_columns``.
            fingerprint: Hash of the definitions before it.
        """
        sql = f"{self._insert}fingerprint) VALUES ({self._marks}, UTC_TIMESTAMP(6), %s)"
        return sql, (*row, fingerprint)

    def finished(self, run_id: str, unit: Unit, outcome: Outcome) -> Write:
        """Return the write that records a begun unit as done."""
        return (
            f"UPDATE {self.table} SET finished_at = UTC_TIMESTAMP(6), error = NULL, "
            "rows_changed = %s, warnings = %s, objects = %s WHERE run_id = %s AND position = %s",
            (*_effect(outcome), run_id, unit.first),
        )

    def done(self, row: UnitColumns, outcome: Outcome) -> Write:
        """Return the write that records a unit within the unit's own transaction."""
        return (
            f"{self._insert}finished_at, rows_changed, warnings, objects) "
            f"VALUES ({self._marks}, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), %s, %s, %s)",
            (*row, *_effect(outcome)),
        )

    def failed(self, row: UnitColumns, error: str, failed: FailedStatement | None) -> Write:
        """Return the write that records a unit as failed.

        Args:
            row: From ``unit_columns``.
            error: Description of the failure.
            failed: The statement that the server rejected, if any.
        """
        parts = astuple(failed) if failed else (None,) * len(_FAILED)
        sql = (
            f"{self._insert}error, {', '.join(_FAILED)}) "
            f"VALUES ({self._marks}, UTC_TIMESTAMP(6), %s{', %s' * len(_FAILED)})"
        )
        return sql, (*row, error[:_LONGEST_ERROR], *parts)

    async def failures(self, run_ids: Sequence[str]) -> dict[str, FailedStatement]:
        """Return the rejected statement of each run that has one, by the ID of the run."""
        if not run_ids:
            return {}
        rows = await self._fetch(
            f"SELECT run_id, {', '.join(_FAILED)} FROM {self.table} WHERE failed_statement "
            f"IS NOT NULL AND run_id IN ({', '.join(['%s'] * len(run_ids))})",
            tuple(run_ids),
        )
        return {
            str(row["run_id"]): FailedStatement(*(row[column] for column in _FAILED))
            for row in rows
        }

    async def _fetch(self, sql: str, arguments: tuple[Any, ...] = ()) -> list[Row]:
        """Return rows of the journal; none before the first run has created it."""
        try:
            return await self._session.fetch_all(sql, arguments)
        except pymysql.err.Error as error:
            if is_missing(error):
                return []
            raise


def _effect(outcome: Outcome) -> tuple[int, int, str]:
    return outcome.rows, outcome.warnings, outcome.objects[:_LONGEST_OBJECTS]


_CREATE = """
CREATE TABLE IF NOT EXISTS {table} (
  run_id        CHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  position      INT UNSIGNED NOT NULL COMMENT 'first statement of the unit in its file, from 1',
  schema_name   VARCHAR(64) NOT NULL,
  filename      VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  last_position INT UNSIGNED NOT NULL,
  line          INT UNSIGNED NOT NULL,
  kind          VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  fingerprint   CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'before the unit',
  rows_changed  BIGINT NULL,
  warnings      INT UNSIGNED NULL,
  objects       VARCHAR(500) NULL COMMENT 'what a unit changed besides rows',
  of_statements INT UNSIGNED NOT NULL COMMENT 'how many statements the file has',
  statements_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
                COMMENT 'sha256 of the text of the unit',
  started_at    DATETIME(6) NOT NULL COMMENT 'UTC',
  finished_at   DATETIME(6) NULL COMMENT 'UTC',
  error         TEXT NULL COMMENT 'description of the failure',
  failed_line   INT UNSIGNED NULL COMMENT 'where the rejected statement is in the file',
  failed_statement INT UNSIGNED NULL COMMENT 'its position in the file, from 1',
  failed_sql    VARCHAR(400) NULL COMMENT 'its text, shortened',
  error_number  INT UNSIGNED NULL COMMENT 'of the server',
  error_message TEXT NULL COMMENT 'of the server',
  resume_at     INT UNSIGNED NULL COMMENT 'where resolve --from-statement resumes',
  PRIMARY KEY (run_id, position),
  KEY migration_journal_file (schema_name, filename)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""
