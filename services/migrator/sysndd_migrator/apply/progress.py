"""Logs every two seconds how far a long statement is.

A log line has the position of the statement, its age, and the server's stage and percentage where
available: the process list on MariaDB, performance_schema on MySQL.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator

import aiomysql
import pymysql.err

from sysndd_core.db.database import Row, connect
from sysndd_core.errors import SysnddError
from sysndd_core.logging import get_logger
from sysndd_migrator.files.script import Script
from sysndd_migrator.server.session import Session

log = get_logger(__name__)

EVERY_SECONDS = 1.9
"""Slightly less than two, because the query takes time as well."""

_LIST = "SELECT * FROM information_schema.processlist WHERE id = %s"
_STAGES = """
SELECT s.event_name AS stage, s.work_completed AS done, s.work_estimated AS total
FROM performance_schema.events_stages_current AS s
JOIN performance_schema.threads AS t ON t.thread_id = s.thread_id
WHERE t.processlist_id = %s
"""


class Progress:
    """Watches the statements of one session from a second connection, opened on first use.

    Args:
        session: The session that runs the statements.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._connection: aiomysql.Connection | None = None

    @contextlib.contextmanager
    def watching(self, script: Script, position: int) -> Iterator[None]:
        """Report progress while the block runs.

        Args:
            script: The file.
            position: Position of the statement, from 1.
        """
        timer: list[asyncio.Task[None]] = []
        # A timer instead of a task, because nearly every statement ends before it fires.
        handle = asyncio.get_running_loop().call_later(
            EVERY_SECONDS,
            lambda: timer.append(asyncio.ensure_future(self._report(script, position))),
        )
        try:
            yield
        finally:
            handle.cancel()
            for task in timer:
                task.cancel()

    async def _report(self, script: Script, position: int) -> None:
        started = time.monotonic() - EVERY_SECONDS
        while True:
            stage = await self._stage()
            log.info(
                "statement_progressed",
                file=script.filename,
                statement=position,
                of=len(script.statements),
                elapsed=round(time.monotonic() - started, 1),
                **stage,
            )
            await asyncio.sleep(EVERY_SECONDS)

    async def _stage(self) -> dict[str, str]:
        """Return the server's stage; empty if it is unavailable or late."""
        try:
            async with asyncio.timeout(1):
                return await self._ask()
        except (SysnddError, pymysql.err.Error, OSError):
            self.close()
            return {}

    async def _ask(self) -> dict[str, str]:
        if self._connection is None:
            self._connection = await connect(self._session.settings, timeout=1)
        rows = await self._rows(_LIST)
        if not rows:
            return {}
        row = {str(name).lower(): value for name, value in rows[0].items()}
        fields = {"state": str(row["state"])} if row.get("state") else {}
        if not self._session.is_mariadb:
            fields |= await self._mysql_stage()
        elif float(row.get("progress") or 0) > 0:
            fields |= {"percent": f"{float(row['progress']):.1f}"}
            fields |= {"stage": f"{row['stage']} of {row['max_stage']}"}
        return fields

    async def _mysql_stage(self) -> dict[str, str]:
        rows = await self._rows(_STAGES)
        if not rows or not rows[0]["total"]:
            return {}
        percent = 100 * int(rows[0]["done"]) / int(rows[0]["total"])
        return {"stage": str(rows[0]["stage"]), "percent": f"{percent:.1f}"}

    async def _rows(self, sql: str) -> list[Row]:
        assert self._connection is not None
        async with self._connection.cursor(aiomysql.DictCursor) as cursor:
            await cursor.execute(sql, (self._session.thread_id,))
            return list(await cursor.fetchall())

    def close(self) -> None:
        """Close the second connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
