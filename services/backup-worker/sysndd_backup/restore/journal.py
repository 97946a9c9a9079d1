"""The restore journal in the platform schema, and the jobs of its entries.

Each step is recorded before it starts. The platform schema is never restored, so the journal
survives a restore. The recorded step is only informative: the marker table shows whether the tables
have moved (see ``swap``).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sysndd_backup.restore.account_locks import DatabaseAccount
from sysndd_backup.restore.stored_objects import StoredObject, objects_from_json, objects_to_json
from sysndd_core.db.database import Database, Row


class Purpose(StrEnum):
    """Why tables are swapped."""

    RESTORE = "restore"
    UNDO = "undo"


class Outcome(StrEnum):
    """How a swap ended: the new or the old database is live."""

    DONE = "done"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True)
class Entry:
    """The journal entry of one swap.

    Attributes:
        id: ID of the entry; also part of the name of its marker table.
        job_id: ID of the job.
        backup: Name of the backup that is restored or whose restore is undone.
        live, incoming, outgoing: Names of the schemas, not quoted.
        swapping: Whether only the holder of the schema lock may continue; before that, the job's
            lease decides.
        rolling_back: Whether the swap is being rolled back.
        old_objects, new_objects: Stored objects before and after; None until they are recorded.
        row_counts: Number of rows of each table of the incoming schema.
        outcome: How the swap ended; None while the entry is open.
        locked_accounts: Database accounts that the restore locked and that are to be unlocked; None
            before the lock and after it was released.
        post_hook_due: Whether the post-hook is still to run.
    """

    id: int
    job_id: str
    purpose: Purpose
    backup: str | None
    live: str
    incoming: str
    outgoing: str
    swapping: bool
    rolling_back: bool
    old_objects: tuple[StoredObject, ...] | None
    new_objects: tuple[StoredObject, ...] | None
    row_counts: dict[str, int]
    outcome: Outcome | None
    locked_accounts: tuple[DatabaseAccount, ...] | None
    post_hook_due: bool

    @property
    def marker(self) -> str:
        """The name of the marker table, whose location shows which tables are live."""
        return f"_sysndd_swap_{self.id}"


class Journal:
    """The table ``restore_journal``.

    Args:
        database: The connection pool.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.restore_journal"

    async def open(
        self,
        purpose: Purpose,
        *,
        job_id: str,
        backup: str | None,
        incoming: str,
        outgoing: str,
        row_counts: dict[str, int],
        new_objects: tuple[StoredObject, ...] | None = None,
    ) -> Entry:
        """Create an entry before the preparation of a swap.

        Args:
            purpose, job_id, backup, incoming, outgoing, row_counts: See ``Entry``.
            new_objects: Stored objects of the incoming schema, if they are not in the schema.
        """
        async with self._database.transaction() as tx:
            entry_id = await tx.insert(
                f"INSERT INTO {self._table} (job_id, purpose, backup, live, incoming, outgoing,"
                " step, row_counts, new_objects, started_at) VALUES"
                " (%s, %s, %s, %s, %s, %s, 'preparing', %s, %s, UTC_TIMESTAMP(6))",
                (
                    job_id,
                    purpose.value,
                    backup,
                    self._database.settings.name,
                    incoming,
                    outgoing,
                    json.dumps(row_counts),
                    None if new_objects is None else objects_to_json(new_objects),
                ),
            )
        return await self.get(entry_id)

    async def get(self, entry_id: int) -> Entry:
        """Read one entry."""
        row = await self._database.fetch_one(
            f"SELECT * FROM {self._table} WHERE id = %s", (entry_id,)
        )
        if row is None:
            raise LookupError(f"the journal entry {entry_id} does not exist")
        return _entry(row)

    async def step(self, entry: Entry, step: str) -> None:
        """Record a step before it starts."""
        await self._write(entry, "step = %s", step)

    async def record_objects(self, entry: Entry, new: tuple[StoredObject, ...]) -> None:
        """Record the stored objects of the incoming schema before they are dropped."""
        await self._write(entry, "new_objects = %s", objects_to_json(new))

    async def record_row_counts(self, entry: Entry, counts: dict[str, int]) -> None:
        """Record the row counts of the incoming schema after migrations."""
        await self._write(entry, "row_counts = %s", json.dumps(counts))

    async def begin_maintenance(self, entry: Entry) -> None:
        """Start maintenance mode; it ends at the latest when the entry is closed."""
        await self._write(entry, "step = 'maintenance', maintenance = 1")

    async def begin_swap(
        self, entry: Entry, old: tuple[StoredObject, ...], new: tuple[StoredObject, ...]
    ) -> Entry:
        """Record the stored objects of both schemas before the live database is changed."""
        await self._write(
            entry,
            "step = 'creating_schema', swapping = 1, maintenance = 1,"
            " old_objects = %s, new_objects = %s",
            objects_to_json(old),
            objects_to_json(new),
        )
        return await self.get(entry.id)

    async def mark_rollback(self, entry: Entry) -> None:
        """Record that the swap must be rolled back, even if the tables have moved."""
        await self._write(entry, "step = 'rolling_back', rolling_back = 1")

    async def end_maintenance(self, entry: Entry) -> None:
        """End maintenance mode: only scratch schemas remain to be dropped."""
        await self._write(entry, "step = 'dropping_scratch', maintenance = 0")

    async def record_post_hook_due(self, entry: Entry) -> None:
        """Record that the post-hook must run, before the pre-hook runs."""
        await self._write(entry, "post_hook_due = 1")

    async def record_locked_accounts(
        self, entry: Entry, accounts: Sequence[DatabaseAccount]
    ) -> None:
        """Record the accounts to unlock, before the first of them is locked."""
        text = json.dumps([{"user": account.user, "host": account.host} for account in accounts])
        await self._write(entry, "locked_accounts = %s", text)

    async def record_unlocked(self, entry: Entry) -> None:
        """Record that no account is to be unlocked; the entry may be closed."""
        await self._database.execute(
            f"UPDATE {self._table} SET locked_accounts = NULL WHERE id = %s", (entry.id,)
        )

    async def record_post_hook_run(self, entry: Entry) -> None:
        """Record that the post-hook has run; the entry may be closed."""
        await self._database.execute(
            f"UPDATE {self._table} SET post_hook_due = 0 WHERE id = %s", (entry.id,)
        )

    async def close(self, entry: Entry, outcome: Outcome, *, keep_hours: float) -> None:
        """Close an entry.

        Args:
            entry: The entry.
            outcome: How the swap ended.
            keep_hours: Hours for which the outgoing schema is retained; 0 if it was dropped.
        """
        async with self._database.transaction() as tx:
            await tx.execute(
                f"UPDATE {self._table} SET step = 'closed', outcome = %s, maintenance = 0,"
                " finished_at = UTC_TIMESTAMP(6), kept_until ="
                " IF(%s > 0, UTC_TIMESTAMP(6) + INTERVAL %s SECOND, NULL)"
                " WHERE id = %s AND finished_at IS NULL",
                (outcome.value, keep_hours, int(keep_hours * 3600), entry.id),
            )
            if outcome is Outcome.DONE:
                # The incoming schema no longer exists, so its restore cannot be undone again.
                await tx.execute(
                    f"UPDATE {self._table} SET kept_until = NULL WHERE outgoing = %s",
                    (entry.incoming,),
                )

    async def unfinished(self) -> list[Entry]:
        """Return all open entries of the application schema, in the order of creation."""
        return await self._select("finished_at IS NULL")

    async def still_held(self) -> list[Entry]:
        """Return closed entries whose locked accounts or post-hook were not dealt with."""
        return await self._select(
            "finished_at IS NOT NULL AND (locked_accounts IS NOT NULL OR post_hook_due = 1)"
        )

    async def retained(self, *, expired: bool) -> list[Entry]:
        """Return closed entries whose outgoing schema still exists, latest first.

        Args:
            expired: Whether to return entries whose retention has expired, or the others.
        """
        when = "<=" if expired else ">"
        found = await self._select(f"kept_until {when} UTC_TIMESTAMP(6)")
        return found[::-1]

    async def record_dropped(self, entry: Entry) -> None:
        """Record that the outgoing schema was dropped."""
        await self._database.execute(
            f"UPDATE {self._table} SET kept_until = NULL WHERE id = %s", (entry.id,)
        )

    async def _select(self, condition: str) -> list[Entry]:
        rows = await self._database.fetch_all(
            f"SELECT * FROM {self._table} WHERE live = %s AND {condition} ORDER BY id",
            (self._database.settings.name,),
        )
        return [_entry(row) for row in rows]

    async def _write(self, entry: Entry, assignments: str, *arguments: Any) -> None:
        await self._database.execute(
            f"UPDATE {self._table} SET {assignments} WHERE id = %s AND finished_at IS NULL",
            (*arguments, entry.id),
        )


class InterruptedJobs:
    """The jobs of restores and undos whose worker stopped.

    Args:
        database: The connection pool.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def has_worker(self, entry: Entry) -> bool:
        """Return whether a worker holds the lease of an entry's job."""
        row = await self._database.fetch_one(
            f"SELECT 1 FROM {self._database.ops}.job WHERE id = %s AND state = 'running'"
            " AND lease_until > UTC_TIMESTAMP(6)",
            (entry.job_id,),
        )
        return row is not None

    async def record_outcome(self, entry: Entry, outcome: Outcome) -> None:
        """Write the outcome of an entry to its job, whose worker has stopped."""
        done = outcome is Outcome.DONE
        database = "previous" if entry.purpose is Purpose.UNDO else "restored"
        text = (
            f"The worker or the server stopped during the job. Crash recovery completed it: the"
            f" {database} database is live."
            if done
            else "The worker or the server stopped during the job. The database is as before. To"
            " repeat the job, submit it again."
        )
        await self._database.execute(
            f"UPDATE {self._database.ops}.job SET state = %s, error_code = %s, error = %s,"
            " message = %s, percent = IF(%s, 100, percent), lease_until = NULL,"
            " finished_at = COALESCE(finished_at, UTC_TIMESTAMP(6)),"
            # The audit log may contain a lost worker; this makes the sweep add the outcome.
            " outcome_audit_id = NULL WHERE id = %s AND state IN ('running', 'failed')",
            (
                "succeeded" if done else "failed",
                None if done else "restore_failed",
                None if done else text,
                text,
                done,
                entry.job_id,
            ),
        )


def _entry(row: Row) -> Entry:
    return Entry(
        id=int(row["id"]),
        job_id=row["job_id"],
        purpose=Purpose(row["purpose"]),
        backup=row["backup"],
        live=row["live"],
        incoming=row["incoming"],
        outgoing=row["outgoing"],
        swapping=bool(row["swapping"]),
        rolling_back=bool(row["rolling_back"]),
        old_objects=objects_from_json(row["old_objects"]),
        new_objects=objects_from_json(row["new_objects"]),
        row_counts=json.loads(row["row_counts"] or "{}"),
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        locked_accounts=_accounts(row["locked_accounts"]),
        post_hook_due=bool(row["post_hook_due"]),
    )


def _accounts(text: str | None) -> tuple[DatabaseAccount, ...] | None:
    if text is None:
        return None
    return tuple(DatabaseAccount(one["user"], one["host"]) for one in json.loads(text))
