"""Writes into the audit log how each job ended, whoever ended it.

The request's row says who asked, and from where; this adds what came of it. Looked for again and
again instead of written by the job: a job may end with its worker, by a cancel, or by recovery.
"""

import asyncio
import json
from typing import Any

from sysndd_core.database import Database, Row, Transaction
from sysndd_core.errors import Unavailable
from sysndd_core.logging import get_logger

log = get_logger(__name__)

LOOK_SECONDS = 2.0
_BATCH = 100
_ERROR_CHARACTERS = 500
_OBJECT = ("name", "restored", "undone", "schema")


class Outcomes:
    """Looks for jobs that have ended and are not in the audit log yet.

    Args:
        database: the process's pool.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs = f"{database.ops}.job"
        self._log = f"{database.ops}.audit_log"

    async def keep(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.write()
            except Unavailable as error:
                log.warning("outcomes_wait", code=error.code, reason=error.detail)
            except Exception:
                log.exception("outcomes_failed")
            await asyncio.sleep(LOOK_SECONDS)

    async def write(self) -> int:
        """Write the rows that are missing; return how many.

        Raises:
            SysnddError: the database can't be asked.
        """
        rows = await self._database.fetch_all(
            f"SELECT id FROM {self._jobs} WHERE outcome_audited = 0 AND finished_at IS NOT NULL"
            f" ORDER BY finished_at LIMIT {_BATCH}"
        )
        written = 0
        for row in rows:
            async with self._database.transaction() as tx:
                written += await self._write_one(tx, row["id"])
        return written

    async def _write_one(self, tx: Transaction, job_id: str) -> int:
        # The row's lock: of two workers that found the same job, one writes.
        job = await tx.fetch_one(
            f"SELECT * FROM {self._jobs} WHERE id = %s AND outcome_audited = 0"
            " AND finished_at IS NOT NULL FOR UPDATE",
            (job_id,),
        )
        if job is None:
            return 0
        asked = await tx.fetch_one(
            f"SELECT actor_id, actor_name, remote, object, detail FROM {self._log}"
            " WHERE action = %s AND happened_at >= %s - INTERVAL 1 MINUTE"
            " AND (object = %s OR JSON_UNQUOTE(JSON_EXTRACT(detail, '$.job_id')) = %s)"
            " ORDER BY id LIMIT 1",
            (job["kind"], job["created_at"], job_id, job_id),
        )
        await tx.execute(
            f"INSERT INTO {self._log} (happened_at, action, outcome, actor_id, actor_name, remote,"
            " object, request_id, detail)"
            " VALUES (UTC_TIMESTAMP(6), %s, %s, %s, %s, %s, %s, %s, %s)",
            _event(job, asked or {}),
        )
        await tx.execute(f"UPDATE {self._jobs} SET outcome_audited = 1 WHERE id = %s", (job_id,))
        return 1


def _event(job: Row, asked: Row) -> tuple[Any, ...]:
    result = json.loads(job["result"] or "{}")
    payload = json.loads(job["payload"] or "{}")
    detail = json.loads(asked.get("detail") or "{}")
    named = next((result[key] for key in _OBJECT if result.get(key)), None) or payload.get("name")
    told: dict[str, Any] = {"job_id": job["id"], "state": job["state"]}
    sha256 = result.get("sha256") or detail.get("sha256")
    if sha256:
        told["sha256"] = sha256
    if job["error"]:
        told["error"] = job["error"][:_ERROR_CHARACTERS]
    outcome = "ok" if job["state"] == "succeeded" else job["error_code"] or job["state"]
    return (
        f"{job['kind']}_ended", outcome,
        asked.get("actor_id") or job["requested_by"], asked.get("actor_name"), asked.get("remote"),
        named or asked.get("object"), job["request_id"], json.dumps(told),
    )  # fmt: skip
