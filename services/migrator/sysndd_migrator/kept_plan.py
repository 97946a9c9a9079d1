"""Keeps the last plan in the platform schema, for those who may not measure: the admin pages."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pymysql.err

from sysndd_core.logging import get_logger
from sysndd_migrator.session import Session, server_error
from sysndd_migrator.trial import server_version

if TYPE_CHECKING:
    from sysndd_migrator.planning import Plan, PlannedFile

log = get_logger(__name__)

TABLE = "migration_plan"
_NO_TABLE_YET = frozenset({1049, 1146})  # the platform schema itself is pending


async def keep(session: Session, schemas: Mapping[str, str], found: "Plan") -> None:
    """Replace what was kept by this plan; a plan that can't be kept is still a plan.

    Args:
        session: a connection that may write to the platform schema.
        schemas: name of the schema by the source's name.
        found: what was measured.
    """
    table = f"`{schemas['platform'].replace('`', '``')}`.{TABLE}"
    server = server_version(session)
    rows = [
        (
            schemas[file.source],
            file.state.filename,
            file.state.script.checksum if file.state.script else "",
            server,
            json.dumps(document(file)),
        )
        for file in found.files
    ]
    try:
        await session.execute("BEGIN")
        await session.execute(f"DELETE FROM {table}")
        for row in rows:
            await session.execute(
                f"INSERT INTO {table} (schema_name, filename, checksum, measured_at, server,"
                " document) VALUES (%s, %s, %s, UTC_TIMESTAMP(6), %s, %s)",
                row,
            )
        await session.execute("COMMIT")
    except pymysql.err.Error as error:
        code, reason = server_error(error)
        if code not in _NO_TABLE_YET:
            log.warning("plan_not_kept", errno=code, reason=reason)
        await session.execute("ROLLBACK")


def document(file: "PlannedFile") -> dict[str, object]:
    """Return one file's plan as ``plan --json`` prints it."""
    return {
        "source": file.source,
        "file": file.state.filename,
        "state": file.state.state.value,
        "statements": [
            {
                "position": step.rehearsed.position,
                "line": step.rehearsed.statement.line,
                "sql": step.rehearsed.sent,
                "lock": step.rehearsed.lock.name,
                "table": step.rehearsed.table,
                "rows": step.size.rows if step.size else None,
                "bytes": step.size.size_bytes if step.size else None,
                "error": step.rehearsed.error,
            }
            for step in file.steps
        ],
        "warnings": [warning.document() for warning in file.warnings],
    }
