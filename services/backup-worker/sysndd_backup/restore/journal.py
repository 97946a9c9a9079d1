"""The restore journal in the platform schema, and the jobs that its entries belong to.

Each step is written before it is done.

The platform schema is never restored, so the journal outlives what it describes. The step that
was reached is only a hint; whether the tables have moved is shown by the marker table that moves
with them (see ``swap``).
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sysndd_backup.restore.stored_objects import StoredObject, objects_from_json, objects_to_json
from sysndd_core.db.database import Database, Row


class Purpose(StrEnum):
    """Why tables are exchanged."""

    RESTORE = "restore"
    UNDO = "undo"


class Outcome(StrEnum):
    """How an exchange ended: live is the new database, or the old one."""

    DONE = "done"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True)
class Entry:
    """One exchange.

    Attributes:
        id: also the name of its marker table.
        job_id: the job that asked for it.
        backup: name of the backup, for a restore.
        live, incoming, outgoing: plain schema names.
        swapping: whether the schema lock is needed to continue; before, the job's lease decides.
        rolling_back: whether it is being rolled back.
        old_objects, new_objects: None until live is about to be changed.
        row_counts: rows per table of the new side.
        outcome: None while it is open.
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

    @property
    def marker(self) -> str:
        """Name of the table that tells where the tables are."""
        return f"_sysndd_swap_{self.id}"


class Journal:
    """Reads and writes the journal.

    Args:
        database: the process's pool.
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
        """Record that an exchange is being prepared.

        Args:
            purpose, job_id, backup, incoming, outgoing, row_counts: see ``Entry``.
            new_objects: stored objects of the incoming schema, where they are not in it.
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
            raise LookupError(f"journal entry {entry_id} is gone")
        return _entry(row)

    async def step(self, entry: Entry, step: str) -> None:
        """Record what is about to be done."""
        await self._write(entry, "step = %s", step)

    async def record_objects(self, entry: Entry, new: tuple[StoredObject, ...]) -> None:
        """Record the stored objects of the new side, before they are dropped there."""
        await self._write(entry, "new_objects = %s", objects_to_json(new))

    async def record_row_counts(self, entry: Entry, counts: dict[str, int]) -> None:
        """Record the row counts of the new side again, after migrations may have changed them."""
        await self._write(entry, "row_counts = %s", json.dumps(counts))

    async def begin_maintenance(self, entry: Entry) -> None:
        """Refuse writes from now on, until the entry is closed."""
        await self._write(entry, "step = 'maintenance', maintenance = 1")

    async def begin_swap(
        self, entry: Entry, old: tuple[StoredObject, ...], new: tuple[StoredObject, ...]
    ) -> Entry:
        """Record that live is about to be changed, with the stored objects of both sides."""
        await self._write(
            entry,
            "step = 'making_room', swapping = 1, maintenance = 1,"
            " old_objects = %s, new_objects = %s",
            objects_to_json(old),
            objects_to_json(new),
        )
        return await self.get(entry.id)

    async def mark_rollback(self, entry: Entry) -> None:
        """Record that it is to be rolled back whatever the marker says."""
        await self._write(entry, "step = 'turning_back', rolling_back = 1")

    async def end_maintenance(self, entry: Entry) -> None:
        """Allow writes again: live is whole; only scratch schemas are still to be dropped."""
        await self._write(entry, "step = 'dropping_scratch', maintenance = 0")

    async def close(self, entry: Entry, outcome: Outcome, *, keep_hours: float) -> None:
        """End an exchange.

        Args:
            entry: which one.
            outcome: what live is now.
            keep_hours: how long the outgoing schema is kept; 0 when it is dropped already.
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
                # What was undone can't be undone again.
                await tx.execute(
                    f"UPDATE {self._table} SET kept_until = NULL WHERE outgoing = %s",
                    (entry.incoming,),
                )

    async def unfinished(self) -> list[Entry]:
        """Return every open entry of this live schema, oldest first."""
        return await self._select("finished_at IS NULL")

    async def kept(self, *, expired: bool) -> list[Entry]:
        """Return closed entries, newest first, whose outgoing schema still exists.

        Args:
            expired: those past their time, or those that are still to be kept.
        """
        when = "<=" if expired else ">"
        found = await self._select(f"kept_until {when} UTC_TIMESTAMP(6)")
        return found[::-1]

    async def dropped(self, entry: Entry) -> None:
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
    """The ``job`` rows of restores and undos whose worker died.

    Args:
        database: the process's pool.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def has_worker(self, entry: Entry) -> bool:
        """Tell whether a worker holds the lease of an entry's job."""
        row = await self._database.fetch_one(
            f"SELECT 1 FROM {self._database.ops}.job WHERE id = %s AND state = 'running'"
            " AND lease_until > UTC_TIMESTAMP(6)",
            (entry.job_id,),
        )
        return row is not None

    async def record_outcome(self, entry: Entry, outcome: Outcome) -> None:
        """Write into the job's row how its entry ended; its own worker can't any more."""
        done = outcome is Outcome.DONE
        what = "previous" if entry.purpose is Purpose.UNDO else "restored"
        text = (
            f"The worker or the server stopped in the middle; it was finished: the {what} database"
            " is live."
            if done
            else "The worker or the server stopped in the middle. The database is as before."
        )
        await self._database.execute(
            f"UPDATE {self._database.ops}.job SET state = %s, error_code = %s, error = %s,"
            " message = %s, percent = IF(%s, 100, percent), lease_until = NULL,"
            " finished_at = COALESCE(finished_at, UTC_TIMESTAMP(6)),"
            # The audit log may say that its worker was lost; now the outcome is known.
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
    )
