"""Keeps the last plan in the platform schema, for those who may not measure: the admin pages."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pymysql.err

from sysndd_core.logging import get_logger
from sysndd_migrator.checks.scratch_run import server_version
from sysndd_migrator.server.session import Session, server_error

log = get_logger(__name__)

TABLE = "migration_plan"
_NO_TABLE_YET = frozenset({1049, 1146})  # the platform schema itself is pending


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One pending file of a plan.

    Attributes:
        schema: where it would be applied.
        filename: its name.
        checksum: of the text that was measured.
        document: as ``plan --json`` prints it.
    """

    schema: str
    filename: str
    checksum: str
    document: Mapping[str, object]


async def keep(session: Session, platform: str, files: Iterable[KeptFile]) -> None:
    """Replace what was kept by these files; a plan that can't be kept is still a plan.

    Args:
        session: a connection that may write to the platform schema.
        platform: name of the platform schema.
        files: what was measured.
    """
    table = f"`{platform.replace('`', '``')}`.{TABLE}"
    server = server_version(session)
    rows = [
        (file.schema, file.filename, file.checksum, server, json.dumps(file.document))
        for file in files
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
            log.warning("plan_cache_write_failed", errno=code, reason=reason)
        await session.execute("ROLLBACK")
