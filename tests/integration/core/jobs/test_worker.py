"""Claims, leases, heartbeat, fencing, sweep, and a stopped, frozen or flushed Redis."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from sysndd_backup.jobs import JobHandler, job_performer
from sysndd_backup.progress import JobRun
from sysndd_core.db.database import Database
from sysndd_core.errors import JobNotCancellable, LeaseLost
from sysndd_core.jobs import wake_up as queue
from sysndd_core.jobs import worker as worker_module
from sysndd_core.jobs.leases import CancelReason, Claim, ClaimState
from sysndd_core.jobs.models import CreateBackup, Job, Queue
from sysndd_core.jobs.rows import ClaimedJob, JobClaim, JobRows
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.jobs.worker import Worker
from tests.support.burst import BurstWorker, stored_row
from tests.support.servers import TestRedis
from tests.support.site import Site


@pytest.fixture
async def rows(site: Site, database: Database) -> AsyncIterator[JobRows]:
    wake_up = WakeUp(site.redis)
    yield JobRows(database, wake_up, Queue.BACKUP)
    await wake_up.close()


async def submit(rows: JobRows, job: Job | None = None) -> str:
    async with rows.database.transaction() as tx:
        return await rows.submit(tx, job or CreateBackup(), requested_by=None)


@contextlib.asynccontextmanager
async def working(
    site: Site, rows: JobRows, handler: JobHandler
) -> AsyncIterator[Worker[ClaimedJob]]:
    """Run a worker while the block runs, then stop it as SIGTERM does."""
    worker = Worker(
        database=rows.database,
        redis=site.redis,
        rows=rows,
        perform=job_performer(rows, {CreateBackup: handler}),
    )
    task = asyncio.create_task(worker.run())
    await asyncio.sleep(0.3)
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(task, 15)


async def state_within(rows: JobRows, job_id: str, state: str, seconds: float) -> float:
    """Wait until a job has a state; return the seconds it took."""
    started = time.monotonic()
    while (await stored_row(rows, job_id))["state"] != state:
        assert time.monotonic() - started < seconds, await stored_row(rows, job_id)
        await asyncio.sleep(0.02)
    return time.monotonic() - started


async def quick(_: CreateBackup, run: JobRun) -> dict[str, object]:
    await run.progress("working", 50)
    return {"done": True}


async def test_two_workers_never_claim_the_same_row(rows: JobRows) -> None:
    async with rows.database.transaction() as tx:
        for n in range(20):
            await tx.execute(
                f"INSERT INTO {rows.table} (id, kind, queue, payload, run_after, created_at)"
                " VALUES (UUID(), %s, 'backup', '{}', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
                (f"k{n}",),
            )
    claims = await asyncio.gather(*(rows.claim(f"w{n}") for n in range(30)))
    taken = [claim.id for claim in claims if claim is not None]
    assert len(taken) == len(set(taken)) == 20


async def test_rolled_back_request_leaves_no_job(rows: JobRows) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with rows.database.transaction() as tx:
            await rows.submit(tx, CreateBackup(), requested_by=None)
            raise ZeroDivisionError
    assert await rows.claim("w") is None


async def test_expired_lease_is_reclaimed_and_the_old_worker_cannot_write(rows: JobRows) -> None:
    job_id = await submit(rows)
    first = await rows.claim("first")
    assert first is not None
    await expire(rows)
    assert await rows.reclaim() == 1
    second = await rows.claim("second")
    assert second is not None
    assert (second.id, second.attempt) == (job_id, first.attempt + 1)
    assert await rows.renew([first, second]) == [first]
    for write in (
        rows.progress(first, step="x", percent=99, message=""),
        rows.succeed(first, {"by": "first"}),
        rows.fail(first, "x", "y"),
        rows.release(first),
    ):
        with pytest.raises(LeaseLost):
            await write
    await rows.succeed(second, {"by": "second"})
    assert '"second"' in (await stored_row(rows, job_id))["result"]


async def test_job_fails_when_its_last_attempt_is_lost(rows: JobRows) -> None:
    job_id = await submit(rows)
    for _ in range(CreateBackup.max_attempts):
        assert await rows.claim("w") is not None
        await expire(rows)
        await rows.reclaim()
    row = await stored_row(rows, job_id)
    assert (row["state"], row["error_code"]) == ("failed", "worker_lost")
    assert row["finished_at"] is not None
    await submit(rows)  # the active key is available again


async def expire(rows: JobRows) -> None:
    await rows.database.execute(f"UPDATE {rows.table} SET lease_until = '2000-01-01'")


async def test_sweep_never_rolls_back_the_write_of_a_running_job(rows: JobRows) -> None:
    """Both lock the same rows through two indexes, in opposite order."""
    working = True

    async def sweep() -> None:
        while working:
            await rows.reclaim()

    sweeping = asyncio.gather(*(sweep() for _ in range(2)))
    try:
        for _ in range(150):
            await submit(rows)
            claim = await rows.claim("w")
            assert claim is not None
            await rows.progress(claim, step="x", percent=1, message="")
            await rows.succeed(claim, {})
    finally:
        working = False
        await sweeping


async def test_valid_lease_is_not_reclaimed(rows: JobRows) -> None:
    await submit(rows)
    await rows.claim("w")
    assert await rows.reclaim() == 0


async def test_renewal_waits_for_no_other_row(site: Site, rows: JobRows) -> None:
    """The statement uses the primary key; a table scan would lock every row."""
    for _ in range(200):
        await insert_free(rows)
    claims = await rows.claim_batch("w", 100)
    taken = {claim.id for claim in claims}
    assert len(taken) == 100
    with site.server.connect(site.ops) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT id FROM job WHERE state = 'queued' FOR UPDATE")
        async with asyncio.timeout(5):
            assert await rows.renew(claims) == []
        cursor.execute("ROLLBACK")


async def test_released_job_keeps_its_attempts(rows: JobRows) -> None:
    job_id = await submit(rows)
    for attempt in range(1, 6):
        claim = await rows.claim("w")
        assert claim is not None
        assert claim.attempt == attempt
        await rows.release(claim)
    assert (await stored_row(rows, job_id))["state"] == "queued"


async def test_wake_up_starts_a_job_without_the_sweep(
    site: Site, rows: JobRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without a sweep and with a long timeout, only the wake-up can start the job.
    monkeypatch.setattr(worker_module, "SWEEP_SECONDS", 600)
    monkeypatch.setattr(queue, "WAKE_TIMEOUT", 30)
    async with working(site, rows, quick):
        await asyncio.sleep(0.5)
        await state_within(rows, await submit(rows), "succeeded", 60)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["stopped", "frozen", "flushed"])
async def test_no_job_is_lost_without_redis(
    site: Site, rows: JobRows, redis_server: TestRedis, fault: str
) -> None:
    async with working(site, rows, quick):
        begin = {"stopped": redis_server.stop, "frozen": redis_server.freeze}.get(fault)
        restore_redis = {"stopped": redis_server.start, "frozen": redis_server.thaw}.get(fault)
        if begin is not None:
            begin()
        try:
            started = time.monotonic()
            job_id = await submit(rows)
            submit_seconds = time.monotonic() - started
            if fault == "flushed":
                await asyncio.to_thread(redis_server.flush)
            await state_within(rows, job_id, "succeeded", 60)
        finally:
            if restore_redis is not None:
                restore_redis()
        assert submit_seconds < 10, "the wake-up delayed the request"
        if begin is not None:
            # The listener reconnects, and wake-ups are fast again.
            await asyncio.sleep(2.5)
            await state_within(rows, await submit(rows), "succeeded", 30)


async def test_work_after_the_end_of_a_job_is_not_cancelled(
    site: Site, rows: JobRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A closed row has no lease, which the heartbeat must not treat as a lost lease."""
    monkeypatch.setattr("sysndd_core.jobs.worker.HEARTBEAT_SECONDS", 0.1)
    job_id = await submit(rows)
    with site.server.connect(site.ops) as other, other.cursor() as cursor:

        async def locks(_: CreateBackup, run: JobRun) -> dict[str, object]:
            # The audit log entry of the outcome has to wait for several heartbeats.
            await asyncio.to_thread(cursor.execute, "LOCK TABLES audit_log WRITE")
            return {}

        worker = BurstWorker(
            database=rows.database,
            redis=site.redis,
            rows=rows,
            perform=job_performer(rows, {CreateBackup: locks}),
        )
        burst = asyncio.create_task(worker.run_until_idle())
        await state_within(rows, job_id, "succeeded", 30)
        await asyncio.sleep(0.5)
        cursor.execute("UNLOCK TABLES")
        await burst
    audited = await rows.database.fetch_all(
        f"SELECT a.action FROM {rows.database.ops}.job AS j JOIN {rows.database.ops}.audit_log AS a"
        " ON a.id = j.outcome_audit_id WHERE j.id = %s",
        (job_id,),
    )
    assert [entry["action"] for entry in audited] == ["create_backup_ended"]


async def test_lost_lease_cancels_only_its_own_work_and_only_once(
    rows: JobRows, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All leases are renewed together; cancelled work may take longer to clean up."""
    monkeypatch.setattr("sysndd_core.jobs.worker.HEARTBEAT_SECONDS", 0.05)
    lost, kept = await insert_free(rows), await insert_free(rows)
    cancelled: list[str] = []
    reasons: dict[str, CancelReason | None] = {}
    done = asyncio.Event()

    async def perform(claim: JobClaim) -> None:
        if claim.id == lost:
            await rows.database.execute(
                f"UPDATE {rows.table} SET attempt = attempt + 1 WHERE id = %s", (lost,)
            )
        try:
            await done.wait()
        except asyncio.CancelledError:
            cancelled.append(claim.id)
            await asyncio.sleep(0.4)
            done.set()
        reasons[claim.id] = claim.cancel_reason

    worker = Worker(
        database=rows.database, redis=site.redis, rows=rows, perform=perform, concurrency=2
    )
    running = asyncio.create_task(worker.run())
    try:
        await asyncio.wait_for(done.wait(), 30)
    finally:
        worker.stop()
        await asyncio.wait_for(running, 15)
    assert cancelled == [lost]
    assert reasons == {lost: CancelReason.LEASE_LOST, kept: None}


@dataclass
class CountedWork:
    """Work that completes its rows once ``proceed`` is set, and counts them."""

    rows: JobRows
    started: list[str] = field(default_factory=list)
    running: int = 0
    maximum: int = 0
    proceed: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def perform(self, claim: JobClaim) -> None:
        self.started.append(claim.id)
        self.running += 1
        self.maximum = max(self.maximum, self.running)
        self.changed.set()
        await self.proceed.wait()
        await self.rows.succeed(claim, {})
        self.running -= 1

    async def until_started(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.started) < count:
                self.changed.clear()
                await self.changed.wait()


async def test_claimed_rows_are_limited_and_refilled_without_the_sweep(
    rows: JobRows, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "SWEEP_SECONDS", 600)
    ids = {await insert_free(rows) for _ in range(12)}
    work = CountedWork(rows)
    worker = Worker(
        database=rows.database, redis=site.redis, rows=rows, perform=work.perform, concurrency=4
    )
    running = asyncio.create_task(worker.run())
    try:
        await work.until_started(4)
        for _ in range(10):
            worker.wake()
            await asyncio.sleep(0.02)
        assert len(work.started) == 4
        work.proceed.set()
        await work.until_started(len(ids))
    finally:
        work.proceed.set()
        worker.stop()
        await asyncio.wait_for(running, 15)
    assert work.maximum == 4
    assert len(work.started) == len(ids)
    assert set(work.started) == ids


async def test_cancellation_depends_on_the_state_of_the_claim() -> None:
    def claim_in(state: ClaimState) -> JobClaim:
        row = ClaimedJob(id="1", request_id=None, kind="", payload="{}", requested_by=None)
        return Claim(row, attempt=1, state=state)

    cancelled = {
        (state, reason): claim_in(state).cancel(reason)
        for state in ClaimState
        for reason in CancelReason
    }
    assert {pair for pair, done in cancelled.items() if done} == {
        (ClaimState.CLAIMED, CancelReason.CANCEL_REQUESTED),
        (ClaimState.CLAIMED, CancelReason.LEASE_LOST),
        (ClaimState.CLAIMED, CancelReason.WORKER_STOPPING),
        (ClaimState.SENDING, CancelReason.CANCEL_REQUESTED),
        (ClaimState.SENDING, CancelReason.LEASE_LOST),
    }
    claim = claim_in(ClaimState.CLAIMED)
    assert claim.cancel(CancelReason.CANCEL_REQUESTED)
    assert not claim.cancel(CancelReason.LEASE_LOST)
    assert claim.cancel_reason is CancelReason.CANCEL_REQUESTED


async def insert_free(rows: JobRows) -> str:
    """Write a job without an active key; return its ID."""
    job_id = str(uuid.uuid4())
    await rows.database.execute(
        f"INSERT INTO {rows.table} (id, kind, queue, payload, run_after, created_at)"
        " VALUES (%s, 'free', 'backup', '{}', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
        (job_id,),
    )
    return job_id


async def test_unexpected_error_is_recorded_and_the_worker_continues(
    site: Site, rows: JobRows
) -> None:
    calls = 0

    async def first_fails(_: CreateBackup, run: JobRun) -> dict[str, object]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyError("secret detail")
        return {}

    async with working(site, rows, first_fails):
        failed = await submit(rows)
        await state_within(rows, failed, "failed", 30)
        await state_within(rows, await submit(rows), "succeeded", 30)
    row = await stored_row(rows, failed)
    assert row["error_code"] == "internal_error"
    assert "secret" not in row["error"]


async def test_running_job_can_be_cancelled_but_not_an_ended_one(site: Site, rows: JobRows) -> None:
    async def slow(_: CreateBackup, run: JobRun) -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    async with working(site, rows, slow):
        job_id = await submit(rows)
        await state_within(rows, job_id, "running", 30)
        await cancel(rows, job_id)
        await state_within(rows, job_id, "cancelled", 30)
    with pytest.raises(JobNotCancellable):
        await cancel(rows, job_id)


async def test_queued_job_is_cancelled_immediately(rows: JobRows) -> None:
    job_id = await submit(rows)
    await cancel(rows, job_id)
    assert (await stored_row(rows, job_id))["state"] == "cancelled"
    assert await rows.claim("w") is None


async def cancel(rows: JobRows, job_id: str) -> None:
    async with rows.database.transaction() as tx:
        await rows.request_cancel(tx, job_id)


async def test_stopping_worker_releases_its_job(site: Site, rows: JobRows) -> None:
    async def slow(_: CreateBackup, run: JobRun) -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    async with working(site, rows, slow):
        job_id = await submit(rows)
        await state_within(rows, job_id, "running", 30)
    row = await stored_row(rows, job_id)
    assert (row["state"], row["worker"]) == ("queued", None)
    assert await rows.database.fetch_all(f"SELECT * FROM {rows.database.ops}.worker") == []


async def test_job_of_a_newer_version_fails_with_its_kind(site: Site, rows: JobRows) -> None:
    job_id = await submit(rows)
    await rows.database.execute(f"UPDATE {rows.table} SET kind = 'from_the_future'")
    async with working(site, rows, quick):
        await state_within(rows, job_id, "failed", 30)
    assert "from_the_future" in (await stored_row(rows, job_id))["error"]
