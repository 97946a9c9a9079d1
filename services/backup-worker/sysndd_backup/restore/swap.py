"""Exchanges the live tables for those of another schema, so that any crash in it can be recovered from.

All tables move in ONE ``RENAME TABLE``, which the server does as a whole or not at all. A marker
table goes with them from the incoming to the outgoing schema: where it is tells which tables are
live, and nothing else is asked. What can't be renamed (views, triggers, routines, events) lies in
the journal from before the first of them is dropped.

Every function here requires its session to hold the schema lock, and may be repeated.
"""

import re

from sysndd_backup.restore.accounts import end_changed_sessions
from sysndd_backup.restore.journal import Entry, Journal, Outcome, Purpose
from sysndd_backup.restore.stored_objects import (
    create_objects,
    drop_objects,
    drop_triggers_and_events,
    read_objects,
)
from sysndd_backup.server.session import SchemaSession
from sysndd_core.errors import JobFailed, RestoreFailed
from sysndd_core.sql.identifiers import qualified_name

_MARKER = re.compile(r"_sysndd_swap_\d+")


class Swap:
    """The steps of one exchange.

    Args:
        session: holds the schema lock.
        journal: where steps are written.
        platform: name of the platform schema, which holds the sessions.
        keep_hours: how long the outgoing schema is kept for an undo.
    """

    def __init__(
        self, session: SchemaSession, journal: Journal, *, platform: str, keep_hours: float
    ) -> None:
        self._session = session
        self._journal = journal
        self._platform = platform
        self._keep_hours = keep_hours

    async def carry_out(self, entry: Entry) -> None:
        """Exchange the tables and close the entry.

        Raises:
            RestoreFailed, DatabaseUnavailable: ``resolve`` is to be called then.
        """
        old = await read_objects(self._session, entry.live)
        new = entry.new_objects or await read_objects(
            self._session, entry.incoming, into=entry.live
        )
        entry = await self._journal.begin_swap(entry, old, new)
        await self._session.create_schema(entry.outgoing)
        await self._session.run(
            f"CREATE TABLE IF NOT EXISTS {qualified_name(entry.incoming, entry.marker)}"
            " (id INT PRIMARY KEY) ENGINE=InnoDB"
        )
        await self._journal.step(entry, "dropping_stored_objects")
        await drop_triggers_and_events(self._session, entry.incoming)
        await drop_objects(self._session, entry.live)
        await self._journal.step(entry, "renaming")
        # Before as well as after: no session may be valid for a moment as another person's.
        await self._end_sessions(entry.live, entry.incoming)
        await self._rename(entry, incoming=entry.incoming, outgoing=entry.outgoing)
        await self.finish(entry)

    async def resolve(self, entry: Entry) -> Outcome:
        """Finish an exchange that was interrupted, or roll it back.

        Returns:
            Which of the two databases is live now.

        Raises:
            RestoreFailed, DatabaseUnavailable: the entry stays open, for the next attempt.
        """
        if entry.outcome is not None:
            return entry.outcome
        moved = await self._session.has_table(entry.outgoing, entry.marker)
        if moved and not entry.rolling_back:
            try:
                await self.finish(entry)
            except RestoreFailed:
                await self._journal.mark_rollback(entry)
            else:
                return Outcome.DONE
        await self._roll_back(entry, moved=moved)
        return Outcome.ROLLED_BACK

    async def finish(self, entry: Entry) -> None:
        """Do what is left once the tables have moved, and close the entry."""
        await self._journal.step(entry, "creating_stored_objects")
        await self._end_sessions(entry.outgoing, entry.live)
        await drop_objects(self._session, entry.live)
        await create_objects(self._session, entry.live, entry.new_objects or ())
        await self._journal.end_maintenance(entry)
        # Whoever signed in while the tables moved was let in by the old ones.
        await self._end_sessions(entry.outgoing, entry.live)
        if await self._tables(entry.incoming):
            raise JobFailed(f"There are tables in {entry.incoming} that should have moved.")
        await self._session.drop_schema(entry.incoming)
        if self._keep_hours <= 0:
            await self._session.drop_schema(entry.outgoing)
        await self._journal.close(entry, Outcome.DONE, keep_hours=self._keep_hours)
        # Not before: until then it is what tells where the tables are.
        if self._keep_hours > 0:
            await self._drop_marker(entry.outgoing, entry)

    async def _roll_back(self, entry: Entry, *, moved: bool) -> None:
        if moved:
            await self._journal.mark_rollback(entry)
            await drop_objects(self._session, entry.live)
            await self._end_sessions(entry.live, entry.outgoing)
            await self._rename(entry, incoming=entry.outgoing, outgoing=entry.incoming)
        if entry.old_objects is not None:
            await drop_objects(self._session, entry.live)
            await create_objects(self._session, entry.live, entry.old_objects)
        await self._journal.end_maintenance(entry)
        if await self._tables(entry.outgoing):
            raise JobFailed(f"There are tables in {entry.outgoing} that should be live.")
        await self._session.drop_schema(entry.outgoing)
        if entry.purpose is Purpose.RESTORE:
            await self._session.drop_schema(entry.incoming)
        else:
            # The tables that an undo would have brought back are there for another attempt.
            await self._drop_marker(entry.incoming, entry)
        await self._journal.close(entry, Outcome.ROLLED_BACK, keep_hours=0)

    async def _rename(self, entry: Entry, *, incoming: str, outgoing: str) -> None:
        moves = [(entry.live, outgoing, table) for table in await self._tables(entry.live)]
        moves += [(incoming, entry.live, table) for table in await self._tables(incoming)]
        moves.append((incoming, outgoing, entry.marker))
        renames = ", ".join(
            f"{qualified_name(old, table)} TO {qualified_name(new, table)}"
            for old, new, table in moves
        )
        await self._session.run(f"RENAME TABLE {renames}")

    async def _drop_marker(self, schema: str, entry: Entry) -> None:
        await self._session.run(f"DROP TABLE IF EXISTS {qualified_name(schema, entry.marker)}")

    async def _tables(self, schema: str) -> list[str]:
        rows = await self._session.fetch_all(
            "SELECT table_name AS name FROM information_schema.tables"
            # Also sequences and tables with system versioning, which are no BASE TABLE.
            " WHERE table_schema = %s AND table_type NOT LIKE '%%VIEW' ORDER BY table_name",
            (schema,),
        )
        return [row["name"] for row in rows if _MARKER.fullmatch(row["name"]) is None]

    async def _end_sessions(self, before: str, after: str) -> None:
        await end_changed_sessions(
            self._session, platform=self._platform, before=before, after=after
        )
