"""Audit log entries for the outcome of each job, written exactly once.

A job can be ended by its worker, by a cancellation or by the loss of its worker. So this module
queries for ended jobs and does not rely on the process that ended them.
"""

import json
from typing import Any

from sysndd_core.audit import AuditEntry, insert_audit_entry
from sysndd_core.db.database import Database, Row, Transaction

_BATCH = 20
_DAYS = 7


class JobOutcomes:
    """The audit log entries of ended jobs.

    Args:
        database: Connection pool of the process.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._job = f"{database.ops}.job"
        self._audit = f"{database.ops}.audit_log"

    async def write(self) -> int:
        """Write the missing entries; return their number."""
        rows = await self._database.fetch_all(
            f"SELECT id FROM {self._job} WHERE outcome_audit_id IS NULL"
            " AND finished_at > UTC_TIMESTAMP(6) - INTERVAL %s DAY ORDER BY finished_at LIMIT %s",
            (_DAYS, _BATCH),
        )
        for row in rows:
            await self._write(row["id"])
        return len(rows)

    async def _write(self, job_id: str) -> None:
        """Write the entry and the reference from the job to it, in one transaction."""
        async with self._database.transaction() as tx:
            job = await tx.fetch_one(
                f"SELECT * FROM {self._job} WHERE id = %s AND finished_at IS NOT NULL"
                " AND outcome_audit_id IS NULL FOR UPDATE",
                (job_id,),
            )
            if job is None:
                return  # another worker has written it
            entry = await self._insert(tx, job, await self._request_of(tx, job))
            await tx.execute(
                f"UPDATE {self._job} SET outcome_audit_id = %s WHERE id = %s", (entry, job_id)
            )

    async def _request_of(self, tx: Transaction, job: Row) -> Row:
        """Return the audit log entry of the request: actor, IP address and object."""
        found = await tx.fetch_one(f"SELECT * FROM {self._audit} WHERE id = %s", (job["audit_id"],))
        unknown = dict.fromkeys(("actor_name", "remote", "object", "detail"))
        return found or {
            **unknown,
            "actor_realm": job["requested_realm"],
            "actor_id": job["requested_by"],
        }

    async def _insert(self, tx: Transaction, job: Row, request: Row) -> int:
        result: dict[str, Any] = json.loads(job["result"]) if job["result"] else {}
        payload: dict[str, Any] = json.loads(job["payload"])
        before: dict[str, Any] = json.loads(request["detail"]) if request["detail"] else {}
        sha256 = result.get("sha256") or before.get("sha256")
        detail = {"job_id": job["id"], "state": job["state"]}
        if sha256 is not None:
            detail["sha256"] = sha256
        outcome = "ok" if job["state"] == "succeeded" else job["error_code"] or job["state"]
        name = result.get("name") or payload.get("name") or request["object"] or job["id"]
        entry = AuditEntry(
            action=f"{job['kind']}_ended",
            outcome=outcome,
            object_name=name,
            detail=detail,
            actor_realm=request["actor_realm"],
            actor_id=request["actor_id"],
            actor_name=request["actor_name"],
            remote=request["remote"],
            request_id=job["request_id"],
        )
        return await insert_audit_entry(tx, self._audit, entry)
