"""Writes how each job ended into the audit log, once, whoever ended it.

What somebody asked for is in the log when it is asked for; whether it was done is known only when
the job ends: by its worker, by a cancellation, or because its worker was lost. So this looks for
jobs that have ended, instead of relying on whoever ends them.
"""

import json
from typing import Any

import pymysql.err

from sysndd_core.db.database import Database, Row, Transaction

_AT_ONCE = 20
_DAYS = 7
_APART_SECONDS = 30
"""A request and its job are written in one transaction; clocks of the server can't differ much."""


class JobOutcomes:
    """The audit entries of jobs that have ended.

    Args:
        database: the process's pool.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._job = f"{database.ops}.job"
        self._outcome = f"{database.ops}.job_outcome"
        self._audit = f"{database.ops}.audit_log"

    async def write(self) -> int:
        """Write the entries that are missing; return how many there were."""
        rows = await self._database.fetch_all(
            f"SELECT j.* FROM {self._job} AS j LEFT JOIN {self._outcome} AS o ON o.job_id = j.id"
            " WHERE j.created_at > UTC_TIMESTAMP(6) - INTERVAL %s DAY"
            " AND j.finished_at IS NOT NULL AND o.job_id IS NULL ORDER BY j.finished_at LIMIT %s",
            (_DAYS, _AT_ONCE),
        )
        for row in rows:
            await self._write(row)
        return len(rows)

    async def _write(self, row: Row) -> None:
        try:
            async with self._database.transaction() as tx:
                await tx.execute(
                    f"INSERT INTO {self._outcome} (job_id, audited_at)"
                    " VALUES (%s, UTC_TIMESTAMP(6))",
                    (row["id"],),
                )
                await self._insert(tx, row, await self._asked(tx, row))
        except pymysql.err.IntegrityError:
            # Another worker was faster.
            return

    async def _asked(self, tx: Transaction, row: Row) -> Row:
        """Find the entry of the request: who, from where, and for what."""
        found = await tx.fetch_one(
            f"SELECT * FROM {self._audit} WHERE happened_at"
            " BETWEEN %s - INTERVAL %s SECOND AND %s + INTERVAL %s SECOND"
            " AND (object = %s OR detail LIKE %s) ORDER BY id LIMIT 1",
            (row["created_at"], _APART_SECONDS, row["created_at"], _APART_SECONDS, row["id"],
             f'%"{row["id"]}"%'),
        )  # fmt: skip
        nobody = dict.fromkeys(("actor_name", "remote", "object", "detail"))
        return found or {**nobody, "actor_id": row["requested_by"]}

    async def _insert(self, tx: Transaction, row: Row, asked: Row) -> None:
        result: dict[str, Any] = json.loads(row["result"]) if row["result"] else {}
        payload: dict[str, Any] = json.loads(row["payload"])
        before: dict[str, Any] = json.loads(asked["detail"]) if asked["detail"] else {}
        sha256 = result.get("sha256") or before.get("sha256")
        detail = {"job_id": row["id"], "state": row["state"]}
        if sha256 is not None:
            detail["sha256"] = sha256
        outcome = "ok" if row["state"] == "succeeded" else row["error_code"] or row["state"]
        name = result.get("name") or payload.get("name") or asked["object"] or row["id"]
        await tx.execute(
            f"INSERT INTO {self._audit} (happened_at, action, outcome, actor_id, actor_name,"
            " remote, object, request_id, detail)"
            " VALUES (UTC_TIMESTAMP(6), %s, %s, %s, %s, %s, %s, %s, %s)",
            (f"{row['kind']}_ended", outcome, asked["actor_id"], asked["actor_name"],
             asked["remote"], name[:255], row["request_id"], json.dumps(detail)),
        )  # fmt: skip
