"""Swaps the live tables with the tables of another schema, with recovery from any crash.

All tables move in one ``RENAME TABLE``, which is atomic. A marker table moves with them from the
incoming to the outgoing schema, and only its location decides which tables are live. Stored objects
cannot be renamed, so the journal records them before the first of them is dropped.

All functions require that the session holds the schema lock, and all can be repeated.
"""

import re
from collections.abc import Sequence

from sysndd_backup.restore.accounts import end_changed_sessions
from sysndd_backup.restore.damaged_tables import drop_dangling_keys, drop_unmovable
from sysndd_backup.restore.journal import Entry, Journal, Outcome, Purpose
from sysndd_backup.restore.site_hold import SiteHold
from sysndd_backup.restore.stored_objects import (
    create_objects,
    drop_objects,
    drop_triggers_and_events,
    read_objects,
)
from sysndd_backup.server.session import SchemaSession
from sysndd_core.backups.manifest import UnreadableObject
from sysndd_core.errors import JobFailed, RestoreFailed
from sysndd_core.sql.identifiers import qualified_name

_MARKER = re.compile(r"_sysndd_swap_\d+")


class Swap:
    """The steps of a swap.

    Args:
        session: A connection that holds the schema lock.
        journal: The restore journal.
        platform: Name of the platform schema, not quoted, which contains the sessions.
        keep_hours: Hours for which the outgoing schema is retained for an undo; 0 to drop it.
        hold: Released as soon as the live database is complete.

    Attributes:
        warnings: Sentences for the operator about the release of the hold, and about damaged
            objects that are gone.
    """

    def __init__(
        self,
        session: SchemaSession,
        journal: Journal,
        *,
        platform: str,
        keep_hours: float,
        hold: SiteHold,
    ) -> None:
        self.warnings: list[str] = []
        self._session = session
        self._journal = journal
        self._hold = hold
        self._platform = platform
        self._keep_hours = keep_hours

    async def carry_out(self, entry: Entry, unreadable: Sequence[UnreadableObject] = ()) -> None:
        """Lock the accounts of the site, swap the tables, unlock the accounts, close the entry.

        Args:
            entry: An open journal entry.
            unreadable: The live tables and views that cannot be read.

        Raises:
            RestoreFailed, DatabaseUnavailable: The swap failed; call ``resolve``.
        """
        await self._hold.lock_accounts(entry)
        await self._session.ensure_schema(entry.live)
        old = await read_objects(self._session, entry.live, unreadable=unreadable)
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
        self.warnings += await drop_unmovable(self._session, entry.live, entry.outgoing, unreadable)
        self.warnings += await drop_dangling_keys(self._session, entry.live, entry.incoming)
        await drop_objects(self._session, entry.live)
        await self._journal.step(entry, "renaming")
        # Both before and after the rename, so that no session is ever valid for another account.
        await self._end_sessions(entry.live, entry.incoming)
        await self._rename(entry, incoming=entry.incoming, outgoing=entry.outgoing)
        await self.finish(entry)

    async def resolve(self, entry: Entry) -> Outcome:
        """Complete an interrupted swap, or roll it back.

        Returns:
            The outcome, which determines the live database.

        Raises:
            RestoreFailed, DatabaseUnavailable: The entry remains open for the next attempt.
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
        """Complete a swap whose tables have moved, and close the entry."""
        await self._journal.step(entry, "creating_stored_objects")
        await self._end_sessions(entry.outgoing, entry.live)
        await drop_objects(self._session, entry.live)
        self.warnings += await create_objects(self._session, entry.live, entry.new_objects or ())
        await self._journal.end_maintenance(entry)
        # Accounts that signed in during the rename were checked against the old tables.
        await self._end_sessions(entry.outgoing, entry.live)
        self.warnings += await self._hold.release(entry, Outcome.DONE)
        if await self._tables(entry.incoming):
            raise JobFailed(
                f"The schema {entry.incoming} contains tables that the swap did not move, so it was"
                " not dropped. Check these tables before you drop it."
            )
        await self._session.drop_schema(entry.incoming)
        if self._keep_hours <= 0:
            await self._session.drop_schema(entry.outgoing)
        await self._journal.close(entry, Outcome.DONE, keep_hours=self._keep_hours)
        # Only after the entry is closed, because the marker shows which tables are live.
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
            self.warnings += await create_objects(self._session, entry.live, entry.old_objects)
        await self._journal.end_maintenance(entry)
        self.warnings += await self._hold.release(entry, Outcome.ROLLED_BACK)
        if await self._tables(entry.outgoing):
            raise JobFailed(
                f"The schema {entry.outgoing} contains tables that the rollback did not move, so it"
                " was not dropped. Check these tables before you drop it."
            )
        await self._session.drop_schema(entry.outgoing)
        if entry.purpose is Purpose.RESTORE:
            await self._session.drop_schema(entry.incoming)
        else:
            # The previous tables remain for another attempt to undo.
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
            # Includes sequences and system-versioned tables, whose type is not BASE TABLE.
            " WHERE table_schema = %s AND table_type NOT LIKE '%%VIEW' ORDER BY table_name",
            (schema,),
        )
        return [row["name"] for row in rows if _MARKER.fullmatch(row["name"]) is None]

    async def _end_sessions(self, before: str, after: str) -> None:
        await end_changed_sessions(
            self._session, platform=self._platform, before=before, after=after
        )
