"""``migration_journal`` in the platform schema: each unit of a run, begun and finished.

Written before a statement is sent and after it was answered, so that a run that was killed can be
finished. Only rows with the ``run_id`` of the ledger's own row count: a restored application
schema brings back an older ledger, and then a fresh run starts from the first statement.
"""

from dataclasses import dataclass

import pymysql.err

from sysndd_migrator.ledger import Write
from sysndd_migrator.session import Session, has_table, not_permitted, server_error
from sysndd_migrator.units import Unit

TABLE = "migration_journal"


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One unit of a run: where it starts, and the schema before it."""

    position: int
    kind: str
    fingerprint: str | None
    finished: bool
    error: str | None


class Journal:
    """The journal in one platform schema.

    Args:
        session: the connection that holds the lock.
        platform: name of the platform schema.
    """

    def __init__(self, session: Session, platform: str) -> None:
        self._session = session
        self.table = f"`{platform.replace('`', '``')}`.`{TABLE}`"

    async def create(self) -> None:
        """Create the table when there is none.

        Raises:
            NotPermitted: the account may not.
        """
        if await has_table(self._session, self.table):
            return  # even a CREATE … IF NOT EXISTS would wait for whoever reads the table
        try:
            await self._session.execute(_CREATE.format(table=self.table))
        except pymysql.err.Error as error:
            raise not_permitted(error, f"create the table {self.table}") or error from error

    async def read(self, run_id: str) -> dict[int, JournalRow]:
        """Return a run's rows by the position of their first statement."""
        try:
            rows = await self._session.fetch_all(
                "SELECT position, kind, fingerprint, finished_at IS NOT NULL AS finished, error "
                f"FROM {self.table} WHERE run_id = %s",
                (run_id,),
            )
        except pymysql.err.Error as error:
            if server_error(error)[0] in {1049, 1146}:
                return {}
            raise
        return {
            int(row["position"]): JournalRow(
                position=int(row["position"]),
                kind=str(row["kind"]),
                fingerprint=row["fingerprint"],
                finished=bool(row["finished"]),
                error=row["error"],
            )
            for row in rows
        }

    def begun(
        self, run_id: str, schema: str, filename: str, unit: Unit, fingerprint: str | None
    ) -> Write:
        """Record that a unit is about to be sent; keeps its first fingerprint on a retry."""
        sql = (
            f"INSERT INTO {self.table} (run_id, position, schema_name, filename, last_position, "
            "line, kind, fingerprint, started_at) VALUES "
            "(%s, %s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6)) "
            "ON DUPLICATE KEY UPDATE started_at = UTC_TIMESTAMP(6), error = NULL, "
            "fingerprint = VALUES(fingerprint)"
        )
        line = unit.statements[0].line
        return sql, (
            run_id,
            unit.first,
            schema,
            filename,
            unit.last,
            line,
            unit.kind.value,
            fingerprint,
        )

    def finished(self, run_id: str, unit: Unit, rows: int, warnings: int) -> Write:
        """Record that a unit was done."""
        return (
            f"UPDATE {self.table} SET finished_at = UTC_TIMESTAMP(6), rows_changed = %s, "
            "warnings = %s WHERE run_id = %s AND position = %s",
            (rows, warnings, run_id, unit.first),
        )

    def failed(self, run_id: str, unit: Unit, error: str) -> Write:
        """Record the server's refusal of a unit."""
        return (
            f"UPDATE {self.table} SET error = %s WHERE run_id = %s AND position = %s",
            (error[:4000], run_id, unit.first),
        )


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
  started_at    DATETIME(6) NOT NULL COMMENT 'UTC',
  finished_at   DATETIME(6) NULL COMMENT 'UTC',
  error         TEXT NULL,
  PRIMARY KEY (run_id, position),
  KEY migration_journal_file (schema_name, filename)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
"""
