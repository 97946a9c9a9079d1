"""The health report: one check per component, run concurrently, each with a deadline."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from sysndd_api.health.damage import Damage, DamageWatch
from sysndd_api.health.drift import DriftWatch
from sysndd_api.health.store import HealthStore
from sysndd_api.settings import ApiSettings
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.retention import newest_size_drop
from sysndd_core.db.database import Database, PoolState
from sysndd_core.db.schema_version import SchemaState, pending
from sysndd_core.errors import SchemaDamaged, SysnddError
from sysndd_core.health import Check, Status, worst
from sysndd_core.jobs.leases import LeasedTable
from sysndd_core.jobs.models import Queue
from sysndd_core.jobs.rows import JobRows
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.mail.outbox import MailRows
from sysndd_core.mail.transport import TransportRows

# Load balancers commonly time out after two seconds.
_DEADLINE_SECONDS = 1.5
_WORKER_SEEN_SECONDS = 30
_MAX_BACKUP_AGE_HOURS = 26
_OFFSITE_COPY_HOURS = 0.25  # a large one takes some minutes
_SLOW_QUEUE_SECONDS = 300
_LOW_SPACE_BYTES = 1 << 30


@dataclass(frozen=True)
class Readiness:
    """Whether the instance accepts requests."""

    ready: bool
    reason: str | None
    pending_migrations: int | None


@dataclass(frozen=True)
class Report:
    """All checks, and the two numbers that are public."""

    status: Status
    pending_migrations: int | None
    queue_depth: int | None
    checks: dict[str, Check] = field(default_factory=dict)


class Health:
    """Checks every component of the system.

    Args:
        settings: For the migrations directory and the schema names.
        database: The connection pool.
        wake_up: The connection to Redis.
        jobs: The table of jobs, for its depth.
        mails: The table of emails, for its depth.
        backups: The backup directory, for the latest backup and the free space.
    """

    def __init__(
        self,
        settings: ApiSettings,
        database: Database,
        wake_up: WakeUp,
        *,
        jobs: JobRows,
        mails: MailRows,
        backups: BackupDirectory,
    ) -> None:
        self._settings = settings
        self._database = database
        self._wake_up = wake_up
        self._jobs = jobs
        self._mails = mails
        self._backups = backups
        self._store = HealthStore(database)
        names = settings.database
        self._drift = DriftWatch(
            database,
            platform=names.ops_name,
            schemas=(names.ops_name, names.name) if names.is_managed else (names.ops_name,),
        )
        self._damage = DamageWatch(database, backups)
        self._transports = TransportRows(database)

    async def readiness(self) -> Readiness:
        """Check that the database answers, is complete, and has no pending migration.

        Never raises. The reason is public, so it has no names of tables.
        """
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                damage = await self._damage.damage()
                state = await self._schema()
        except SchemaDamaged:
            return Readiness(False, SchemaDamaged().detail, None)
        except (SysnddError, TimeoutError, OSError) as error:
            return Readiness(False, _reason(error), None)
        count = _pending_count(state)
        if damage:
            return Readiness(False, damage.public_reason, count)
        if state.is_current:
            return Readiness(True, None, 0)
        return Readiness(False, _pending_reason(state), count)

    async def report(self) -> Report:
        """Run every check; never raises."""
        checks = await self.checks()
        return Report(
            status=worst(checks),
            pending_migrations=checks["migrations"].observed.get("pending_migrations"),
            queue_depth=_depth(checks["backup_queue"], checks["mail_queue"]),
            checks=checks,
        )

    async def checks(self, *names: str) -> dict[str, Check]:
        """Run the named checks, or all, concurrently; never raises."""
        # Read before the checks themselves use connections of the pool.
        pool = self._database.state
        every: dict[str, Callable[[], Awaitable[Check]]] = {
            "database": self._check_database,
            "schema": self._damage.check,
            "migrations": self._check_migrations,
            "drift": self._drift.check,
            "redis": self._check_redis,
            "backup_queue": lambda: self._check_queue(self._jobs_of_backup()),
            "mail_queue": self._check_mails,
            "mail_transport": self._check_mail_transport,
            "workers": self._check_workers,
            "backups": self._check_backups,
            "pool": lambda: self._check_pool(pool),
        }
        selected = names or tuple(every)
        results = await asyncio.gather(*(_bounded(every[name]) for name in selected))
        return dict(zip(selected, results, strict=True))

    async def damage(self) -> Damage | None:
        """Return what is wrong with the application schema; None if that is not known now."""
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                return await self._damage.damage()
        except (SysnddError, TimeoutError, OSError):
            return None

    async def migrations_now(self) -> tuple[Check, Check]:
        """Check for pending migrations and, with a new comparison, for drift; never raises."""
        state = (await self.checks("migrations"))["migrations"]
        return state, await _bounded(lambda: self._drift.check(max_age_seconds=0))

    async def _schema(self) -> SchemaState:
        names = self._settings.database
        async with self._database.connection() as connection:
            return await pending(
                connection,
                self._settings.migrations.directory,
                application=names.name,
                platform=names.ops_name,
                managed=names.is_managed,
            )

    async def _check_database(self) -> Check:
        started = asyncio.get_running_loop().time()
        version = await self._store.server_version()
        ms = round((asyncio.get_running_loop().time() - started) * 1000, 1)
        return Check(Status.PASS, observed={"version": version, "ms": ms})

    async def _check_migrations(self) -> Check:
        state = await self._schema()
        observed = {
            "pending_migrations": _pending_count(state),
            "pending": list(state.pending),
            "current": state.current,
            "managed": state.managed,
            "platform": state.platform,
        }
        if state.managed and (damage := await self.damage()) and damage.ledger_missing:
            # To apply all files again would create an empty site instead of restoring a backup.
            reason = "Unknown: the ledger of the application schema is missing."
            return Check(Status.FAIL, reason, observed | {"ledger_missing": True})
        if state.is_current:
            return Check(Status.PASS, observed=observed)
        return Check(Status.FAIL, _pending_reason(state), observed)

    async def _check_redis(self) -> Check:
        if await self._wake_up.responds():
            return Check(Status.PASS)
        return Check(
            Status.WARN, "Redis does not answer. Jobs and emails start up to ten seconds late."
        )

    def _jobs_of_backup(self) -> JobRows:
        return JobRows(self._database, self._wake_up, Queue.BACKUP)

    async def _check_queue(self, rows: LeasedTable[Any]) -> Check:
        depth = await rows.depth()
        oldest = depth.oldest_seconds
        if oldest is not None and oldest > _SLOW_QUEUE_SECONDS:
            return Check(Status.WARN, f"Oldest queued item is {oldest} s overdue.", asdict(depth))
        return Check(Status.PASS, observed=asdict(depth))

    async def _check_mails(self) -> Check:
        found = await self._check_queue(self._mails)
        held = found.observed["held"]
        if held and found.status is Status.PASS:
            reason = f"Delivery of {held} email(s) is unknown; review required."
            return Check(Status.WARN, reason, found.observed)
        return found

    async def _check_mail_transport(self) -> Check:
        broken = await self._transports.open_breakers()
        if not broken:
            return Check(Status.PASS, observed={"circuit_breaker": "closed"})
        first = broken[0]
        observed = {
            "circuit_breaker": "open",
            "since": first.since.isoformat(),
            "smtp_code": first.code,
            "mailers": len(broken),
        }
        reason = f"Circuit breaker is open: {first.reason}. See GET /api/admin/smtp/test."
        return Check(Status.WARN, reason, observed)

    async def _check_workers(self) -> Check:
        seen = await self._store.workers_seen_within(_WORKER_SEEN_SECONDS)
        counts = {queue.value: 0 for queue in Queue} | seen
        missing = [queue for queue, count in counts.items() if not count]
        if missing:
            named = " and ".join(missing)
            return Check(Status.WARN, f"No worker of the {named} queue was seen recently.", counts)
        return Check(Status.PASS, observed=counts)

    async def _check_backups(self) -> Check:
        manifests = await asyncio.to_thread(self._backups.manifests)
        if not manifests:
            return Check(Status.WARN, "There is no backup yet.", {"count": 0})
        hours = (datetime.now(UTC) - manifests[0].created_at).total_seconds() / 3600
        free = await asyncio.to_thread(self._backups.free_bytes)
        observed = {
            "count": len(manifests),
            "newest": manifests[0].name,
            "newest_age_hours": round(hours, 2),
            "free_bytes": free,
        }
        offsite_missing = self._settings.s3.bucket is not None and manifests[0].offsite is None
        if offsite_missing:
            observed["offsite_error"] = manifests[0].offsite_error
        drop = newest_size_drop(manifests)
        if drop is not None:
            observed["size_drop"] = drop.name
            reason = (
                f"{drop.name}: {drop.size_drop} Backups do not expire. See GET"
                " /api/admin/retention."
            )
            return Check(Status.WARN, reason, observed)
        if hours > _MAX_BACKUP_AGE_HOURS:
            return Check(Status.WARN, f"The latest backup is {hours:.0f} h old.", observed)
        if offsite_missing and hours > _OFFSITE_COPY_HOURS:
            reason = manifests[0].offsite_error or "no worker has uploaded it yet"
            return Check(Status.WARN, f"The latest backup has no off-site copy: {reason}", observed)
        if free < _LOW_SPACE_BYTES:
            return Check(Status.WARN, "Less than 1 GiB is free for backups.", observed)
        return Check(Status.PASS, observed=observed)

    async def _check_pool(self, state: PoolState) -> Check:
        # Per worker process, because the accept queue does not distribute connections evenly.
        observed: dict[str, Any] = {"worker_pid": os.getpid(), **asdict(state)}
        if state.waiting:
            return Check(Status.WARN, "Requests are waiting for a connection.", observed)
        return Check(Status.PASS, observed=observed)


async def _bounded(check: Callable[[], Awaitable[Check]]) -> Check:
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            return await check()
    except (SysnddError, TimeoutError, OSError) as error:
        return Check(Status.FAIL, _reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, SysnddError):
        return error.detail
    if isinstance(error, TimeoutError):
        return f"No answer within {_DEADLINE_SECONDS:g} s."
    return str(error)


def _pending_count(state: SchemaState) -> int:
    return len(state.pending) + int(state.platform_behind)


def _pending_reason(state: SchemaState) -> str:
    parts = []
    if state.pending:
        parts.append(f"{len(state.pending)} migration(s) pending, first: {state.pending[0]}")
    if state.platform_behind:
        parts.append(f"the platform schema is at {state.platform or 'nothing'}")
    return "; ".join(parts) + ". Run sysndd-migrator up."


def _depth(*queues: Check) -> int | None:
    if any(check.status is Status.FAIL for check in queues):
        return None
    return sum(int(check.observed["queued"] + check.observed["running"]) for check in queues)
