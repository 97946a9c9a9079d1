"""Checks that the tables of the application schema exist and can be read.

What must exist is in ``expected_tables``. In a schema that is only observed, the site's own program
may drop tables, so a table of the latest backup that no longer exists is a warning.

No catalogue lists unreadable tables, such as one whose tablespace was discarded. Each table is read
with ``SELECT 1 … LIMIT 1``, at most once a minute, in the background and for a limited time; the
next check continues where it stopped. A statement of a request that fails is reported immediately
by its process.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pymysql.err

from sysndd_api.health.expected_tables import Expected, expected_names
from sysndd_api.health.store import SchemaStore
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.manifest import BackupManifest, Verification
from sysndd_core.db.database import Connection, Database
from sysndd_core.db.schema_damage import change_in_progress
from sysndd_core.db.schema_version import LEDGER, says_no_such_table
from sysndd_core.db.site import read_site
from sysndd_core.errors import DatabaseBusy, DatabaseUnavailable, SchemaDamaged, SysnddError
from sysndd_core.health import Check, Status
from sysndd_core.jobs.models import BackupKind

_COMPARE_SECONDS = 5.0
_EXPECTED_SECONDS = 15.0
_READ_SECONDS = 60.0
"""Seconds between two rounds that read every table."""
_READ_BUDGET_SECONDS = 2.0
_WAIT_SECONDS = 0.5
_NAMED = 5
_LISTED = 20


@dataclass(frozen=True)
class Damage:
    """What is wrong with the application schema.

    Attributes:
        schema: Name of the application schema.
        schema_missing: Whether the schema itself does not exist.
        missing: Names of tables and views that must exist and do not.
        unreadable: Table or view → why it cannot be read, in the server's words.
        views: Names among them that are those of views.
        no_longer_there: Tables of the latest backup that do not exist; only for a schema that is
            observed, whose own program may have dropped them.
        restorable: Name of the newest verified backup of this site that has the missing tables, or
            None. A later one may have been made after the loss.
    """

    schema: str
    schema_missing: bool = False
    missing: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    views: frozenset[str] = frozenset()
    no_longer_there: tuple[str, ...] = ()
    restorable: str | None = None

    def __bool__(self) -> bool:
        """Return whether a backup must be restored."""
        return self.schema_missing or bool(self.missing) or bool(self.unreadable)

    @property
    def ledger_missing(self) -> bool:
        """Whether the pending migrations are unknown."""
        return self.schema_missing or LEDGER in self.missing

    @property
    def reason(self) -> str:
        """What is wrong and what to do, for operators."""
        next_step = (
            f"Restore a backup: sysndd-admin restore {self.restorable}"
            if self.restorable
            else "No verified backup can be restored; see sysndd-admin list."
        )
        return f"{' '.join(self._sentences(named=True))} {next_step}"

    @property
    def public_reason(self) -> str:
        """The same without names."""
        return f"{' '.join(self._sentences(named=False))} Restore a backup."

    @property
    def check(self) -> Check:
        """The result as a health check."""
        observed = {
            "schema_missing": self.schema_missing,
            "missing": list(self.missing[:_LISTED]),
            "missing_count": len(self.missing),
            "unreadable": dict(list(self.unreadable.items())[:_LISTED]),
            "unreadable_count": len(self.unreadable),
            "restorable_backup": self.restorable,
        }
        if self:
            return Check(Status.FAIL, self.reason, observed)
        if self.no_longer_there:
            observed["no_longer_there"] = list(self.no_longer_there[:_LISTED])
            reason = f"{_exist(self.no_longer_there, 'of the latest backup no longer')}."
            return Check(Status.WARN, reason, observed)
        return Check(Status.PASS, observed=observed)

    def _sentences(self, *, named: bool) -> Iterable[str]:
        if self.schema_missing:
            schema = f"The application schema {self.schema}" if named else "The application schema"
            yield f"{schema} is missing."
            return
        if self.missing:
            yield self._counted(self.missing, "missing", named=named)
        if self.unreadable:
            yield self._counted(tuple(self.unreadable), "unreadable", named=named)

    def _counted(self, names: Sequence[str], state: str, *, named: bool) -> str:
        tables = [name for name in names if name not in self.views]
        kind = "table" if tables else "view"
        if len(names) == 1:
            return f"The {kind} {names[0]} is {state}." if named else f"One {kind} is {state}."
        kinds = "tables and views" if 0 < len(tables) < len(names) else f"{kind}s"
        listed = f": {_some(names)}" if named else ""
        return f"{len(names)} {kinds} are {state}{listed}."


class DamageWatch:
    """The last comparison of the application schema with what must exist.

    Args:
        database: The connection pool.
        backups: The backup directory, for the backup to restore.
    """

    def __init__(self, database: Database, backups: BackupDirectory) -> None:
        names = database.settings
        self._database = database
        self._backups = backups
        self._application = names.name
        self._platform = names.ops_name
        self._managed = names.is_managed
        self._store = SchemaStore(database)
        self._lock = asyncio.Lock()
        self._damage = Damage(names.name)
        self._compared_at = self._expected_at = self._read_at = float("-inf")
        self._expected = Expected()
        self._reading: asyncio.Task[None] | None = None
        self._never_read: set[str] = set()
        self._read_up_to = ""

    async def damage(self) -> Damage:
        """Compare the schema with what must exist, at most every few seconds.

        Raises:
            SysnddError: The database does not answer, or rejects a query.
        """
        async with self._lock:
            now = time.monotonic()
            recorded = set(self._database.damage.unreadable)
            if now - self._compared_at >= _COMPARE_SECONDS or recorded != set(
                self._damage.unreadable
            ):
                try:
                    self._damage = await self._compare()
                except pymysql.err.Error as error:
                    raise DatabaseUnavailable(
                        f"The application schema could not be checked: {error}."
                    ) from error
                self._compared_at = now
            self._start_reading(now)
            return self._damage

    async def check(self) -> Check:
        """Return the result as a health check, after the current round of reading if it is short.

        Raises:
            SysnddError: The database does not answer.
        """
        damage = await self.damage()
        if self._reading is not None:
            # asyncio.wait, unlike wait_for, lets the reading continue after the timeout.
            await asyncio.wait({self._reading}, timeout=_WAIT_SECONDS)
            damage = await self.damage()
        return damage.check

    async def _compare(self) -> Damage:
        async with self._database.connection() as connection:
            there = await self._store.existing(connection)
            now = time.monotonic()
            if now - self._expected_at >= _EXPECTED_SECONDS or self._expected.missing_in(there):
                if await change_in_progress(connection, self._application, self._platform):
                    return self._damage
                self._expected = await self._read_expected(connection)
                self._expected_at = now
                # Again, because a migration may have created a table in the meantime.
                there = await self._store.existing(connection)
            await self._reread(connection)
            manifests = await self._own_backups(connection)
            schema_missing = (
                self._expected.site_known
                and not there.names
                and not await self._store.has_schema(connection)
            )
        missing = () if schema_missing else self._expected.missing_in(there)
        damaged = {} if schema_missing else dict(sorted(self._database.damage.unreadable.items()))
        gone: tuple[str, ...] = ()
        if not self._managed and not schema_missing and manifests:
            gone = Expected(True, frozenset(manifests[0].rows_per_table)).missing_in(there)
        return Damage(
            self._application,
            schema_missing=schema_missing,
            missing=missing,
            unreadable={name: found.reason for name, found in damaged.items()},
            views=self._expected.views
            | {n for n, found in damaged.items() if found.kind == "view"},
            no_longer_there=gone,
            restorable=_restorable(manifests, missing),
        )

    async def _read_expected(self, connection: Connection) -> Expected:
        site = await read_site(connection, self._platform)
        if not self._managed:
            return Expected(site is not None)
        try:
            recorded = await self._store.recorded(connection)
            swaps = await self._store.swaps(connection)
        except SchemaDamaged as error:
            if not says_no_such_table(error):
                raise
            # The platform schema is missing too, or has no tables yet; another check reports it.
            return Expected(site is not None)
        return Expected(
            site is not None or recorded is not None,
            expected_names(recorded, swaps),
            recorded.views if recorded is not None else frozenset(),
        )

    async def _own_backups(self, connection: Connection) -> list[BackupManifest]:
        """Return this site's verified backups, newest first, without safety backups."""
        site = await read_site(connection, self._platform)
        site_id = site.id if site is not None else None
        return [
            one
            for one in await asyncio.to_thread(self._backups.manifests)
            if one.verification is Verification.VERIFIED
            and one.kind is not BackupKind.PRE_RESTORE
            and not one.is_foreign_to(site_id)
        ]

    def _start_reading(self, now: float) -> None:
        if self._reading is None and now - self._read_at >= _READ_SECONDS:
            self._reading = asyncio.create_task(self._read_tables())

    async def _read_tables(self) -> None:
        """Read one row of each table; the pool keeps what cannot be read."""
        try:
            async with self._database.connection() as connection:
                if await change_in_progress(connection, self._application, self._platform):
                    return
                there = await self._store.existing(connection)
            until = time.monotonic() + _READ_BUDGET_SECONDS
            for name in [one for one in there.tables if one > self._read_up_to]:
                # Not one connection for all: a request may be waiting for the only one.
                async with self._database.connection() as connection:
                    await self._read(connection, name)
                self._read_up_to = name
                if time.monotonic() > until:
                    return
            self._read_up_to = ""
        except (SysnddError, pymysql.err.Error, OSError):
            self._read_up_to = ""
        finally:
            self._read_at = time.monotonic()
            self._reading = None

    async def _reread(self, connection: Connection) -> None:
        """Forget what can be read again, or what was dropped."""
        for name, found in self._database.damage.unreadable.items():
            await self._read(connection, name, is_view=found.kind == "view")

    async def _read(self, connection: Connection, name: str, *, is_view: bool = False) -> None:
        if name in self._never_read:
            return
        try:
            await self._store.read(connection, name, is_view=is_view)
        except DatabaseUnavailable:
            # A corrupt page can stop the server, which must not happen at every check.
            self._never_read.add(name)
            raise
        except SchemaDamaged as error:
            if says_no_such_table(error):
                self._database.damage.forget(name)
        except (DatabaseBusy, pymysql.err.Error):
            pass  # another problem than damage, such as a locked table
        else:
            self._database.damage.forget(name)


def _restorable(manifests: Sequence[BackupManifest], missing: Iterable[str]) -> str | None:
    """Return the newest backup with the missing tables, or the newest one if none has them all."""
    backed_up = {table for one in manifests for table in one.rows_per_table}
    wanted = backed_up & set(missing)  # views are not counted in a manifest
    complete = (one for one in manifests if wanted <= one.rows_per_table.keys())
    found = next(complete, manifests[0] if manifests else None)
    return found.name if found is not None else None


def _exist(names: Sequence[str], words: str) -> str:
    if len(names) == 1:
        return f"One table {words} exists: {names[0]}"
    return f"{len(names)} tables {words} exist: {_some(names)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
