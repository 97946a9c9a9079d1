"""``adopt``: takes over SysNDD's earlier ``schema_version(filename, applied_at, success)``.

No row is deleted, no time is changed, nothing is applied again. One ALTER adds the missing columns;
then the checksums of the current files are filled in. If it is killed, the next ``adopt`` resumes.
Until then ``up`` refuses to run, because an empty checksum matches no file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pymysql.err

from sysndd_core import __version__
from sysndd_core.db.database import Row
from sysndd_core.logging import get_logger
from sysndd_migrator.commands.migrator import Migrator
from sysndd_migrator.errors import ForeignLedger, NotClean
from sysndd_migrator.files.script import Script
from sysndd_migrator.ledger.ledger import Ledger
from sysndd_migrator.server.session import Session, Write, is_missing, not_permitted, server_error

log = get_logger(__name__)

_NEEDED = ("filename", "applied_at", "success")
_ASCII = "CHARACTER SET ascii COLLATE ascii_bin"
# As in the ledger's CREATE TABLE, with a default for the existing rows.
_ADDED = {
    "checksum": f"VARCHAR(80) {_ASCII} NOT NULL DEFAULT ''",
    "statements_checksum": f"VARCHAR(80) {_ASCII} NOT NULL DEFAULT ''",
    "duration_ms": "BIGINT UNSIGNED NOT NULL DEFAULT 0",
    "statements": "INT UNSIGNED NOT NULL DEFAULT 0",
    "applied_by": "VARCHAR(320) NOT NULL DEFAULT ''",
    "tool_version": f"VARCHAR(64) {_ASCII} NOT NULL DEFAULT ''",
    "run_id": f"CHAR(32) {_ASCII} NULL",
    "error": "TEXT NULL",
}
_EARLIER_FAILURE = (
    "recorded as failed by the tool that used this table before; the statement is unknown"
)


@dataclass
class Adoption:
    """What ``adopt`` did.

    Attributes:
        adopted: Files whose rows received their checksums.
        failed: Those of them that the earlier tool recorded as failed.
        without_file: Rows whose file is not in the directory; they have no checksum.
        columns: Columns that were added.
    """

    adopted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    without_file: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)


async def adopt(migrator: Migrator, *, timeout: float | None) -> Adoption:
    """Convert the application's table ``schema_version`` to the migrator's ledger.

    Args:
        migrator: The migrator.
        timeout: Seconds to wait for the lock.

    Returns:
        What was done; empty if the table is the migrator's ledger already.

    Raises:
        NotClean: The table does not exist, or its rows are unusable; nothing was changed.
        ForeignLedger: The table is of another kind; nothing was changed.
        NotPermitted: The account may not alter it.
    """
    session = migrator.session
    await migrator.lock.acquire(timeout=timeout)
    try:
        ledger = migrator.ledger("application")
        columns = await _columns(session, ledger)
        _refuse_other_tables(ledger, columns)
        rows = await session.fetch_all(f"SELECT * FROM {ledger.table}")
        _refuse_unusable(ledger, rows)
        done = Adoption(columns=[name for name in _ADDED if name not in columns])
        if done.columns:
            await _alter(session, ledger, columns, done.columns)
        await _fill(migrator, session, done)
        if done.adopted or done.columns:
            log.warning("ledger_adopted", files=len(done.adopted), columns=done.columns)
        return done
    finally:
        await migrator.lock.release()


async def _columns(session: Session, ledger: Ledger) -> dict[str, Row]:
    try:
        shown = await session.fetch_all(f"SHOW COLUMNS FROM {ledger.table}")
    except pymysql.err.Error as error:
        if is_missing(error):
            raise NotClean(
                f"There is no table {ledger.table} to take over. For a database without a ledger "
                "use `sysndd-migrator baseline FILE`, for an empty one `up`."
            ) from error
        raise not_permitted(error, f"read {ledger.table}") or error from error
    return {str(column["Field"]).lower(): column for column in shown}


def _refuse_other_tables(ledger: Ledger, columns: Mapping[str, Row]) -> None:
    missing = [name for name in _NEEDED if name not in columns]
    demanding = [
        name
        for name, column in columns.items()
        if name not in {*_NEEDED, *_ADDED}
        and column["Null"] == "NO"
        and column["Default"] is None
        and "auto_increment" not in str(column["Extra"])
    ]
    if missing:
        raise ForeignLedger(
            f"{ledger.table} has no column {', '.join(missing)}, so it is not SysNDD's earlier "
            "table. Nothing was changed.",
            missing=missing,
        )
    if demanding:
        raise ForeignLedger(
            f"{ledger.table} has columns without a default ({', '.join(demanding)}), so no new row "
            "could be inserted. Add defaults and run `adopt` again. Nothing was changed.",
            columns=demanding,
        )


def _refuse_unusable(ledger: Ledger, rows: Sequence[Row]) -> None:
    names = [row["filename"] for row in rows]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    odd = [str(name) for name in names if not name or not str(name).isascii()]
    undated = [str(row["filename"]) for row in rows if row["applied_at"] is None]
    undecided = [str(row["filename"]) for row in rows if row["success"] is None]
    for found, problem in (
        (twice, "occurs in more than one row"),
        (odd, "is not the name of a migration"),
        (undated, "has no applied_at"),
        (undecided, "has no success"),
    ):
        if found:
            raise NotClean(
                f"In {ledger.table}, {', '.join(found)} {problem}. Correct this by hand and run "
                "`adopt` again. Nothing was changed.",
                rows=found,
            )


async def _alter(
    session: Session, ledger: Ledger, columns: Mapping[str, Row], added: Sequence[str]
) -> None:
    # MODIFY also removes ON UPDATE CURRENT_TIMESTAMP, which MariaDB adds to the first TIMESTAMP of
    # a table, and which would change applied_at with every update of a row. The session's time
    # zone is UTC, so a TIMESTAMP becomes a DATETIME in UTC.
    clauses = [
        f"MODIFY COLUMN filename VARCHAR(255) {_ASCII} NOT NULL",
        "MODIFY COLUMN applied_at DATETIME(6) NOT NULL COMMENT 'UTC'",
        "MODIFY COLUMN success TINYINT(1) NOT NULL",
        *(f"ADD COLUMN {name} {_ADDED[name]}" for name in added),
    ]
    keys = await session.fetch_all(f"SHOW INDEX FROM {ledger.table}")
    clauses += _unique_key(keys)
    try:
        await session.execute(f"ALTER TABLE {ledger.table} {', '.join(clauses)}")
    except pymysql.err.Error as error:
        number, reason = server_error(error)
        if number in {1205, 1213}:
            raise NotClean(
                f"{ledger.table} is in use: {reason}. Nothing was changed; run `adopt` again."
            ) from error
        raise not_permitted(error, f"alter {ledger.table}") or error from error


def _unique_key(keys: Sequence[Row]) -> list[str]:
    """Return the clause that adds a unique key on the file name; empty if one exists."""
    by_name: dict[str, list[Any]] = {}
    for key in keys:
        if not int(key["Non_unique"]):
            by_name.setdefault(str(key["Key_name"]), []).append(str(key["Column_name"]).lower())
    if ["filename"] in by_name.values():
        return []
    if "PRIMARY" in by_name:
        return ["ADD UNIQUE KEY schema_version_filename (filename)"]
    return ["ADD PRIMARY KEY (filename)"]


async def _fill(migrator: Migrator, session: Session, done: Adoption) -> None:
    ledger = migrator.ledger("application")
    scripts = {script.filename: script for script in migrator.sources[1].scripts}
    rows = await session.fetch_all(
        f"SELECT filename, success FROM {ledger.table} WHERE checksum = '' ORDER BY filename"
    )
    writes: list[Write] = []
    for row in rows:
        name = str(row["filename"])
        script = scripts.get(name)
        if script is None:
            done.without_file.append(name)
            continue
        writes.append(_filled(ledger, script, failed=not row["success"]))
        done.adopted.append(name)
        if not row["success"]:
            done.failed.append(name)
    if writes:
        await migrator.write(writes)


def _filled(ledger: Ledger, script: Script, *, failed: bool) -> Write:
    return (
        f"UPDATE {ledger.table} SET checksum = %s, statements_checksum = %s, statements = %s, "
        "tool_version = %s, applied_by = CONCAT('adopted by ', CURRENT_USER()), error = %s "
        "WHERE filename = %s",
        (
            script.checksum,
            script.statements_checksum,
            len(script.statements),
            __version__,
            _EARLIER_FAILURE if failed else None,
            script.filename,
        ),
    )
