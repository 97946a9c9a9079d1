"""The migration lock: holder, end of the wait, refusal and loss."""

import asyncio
import time
from collections.abc import AsyncIterator

import pymysql
import pytest

from sysndd_core.db.schema_version import migration_lock_name
from sysndd_core.settings.database import DatabaseSettings
from sysndd_migrator.errors import LockLost, LockRefused, LockTimedOut
from sysndd_migrator.server.lock import MigrationLock
from sysndd_migrator.server.session import Session
from tests.support.servers import DatabaseServer

SCHEMA = "lock_test"


def settings(server: DatabaseServer) -> DatabaseSettings:
    return DatabaseSettings.model_validate(server.environ())


@pytest.fixture
async def session(database_server: DatabaseServer) -> AsyncIterator[Session]:
    opened = await Session.open(settings(database_server))
    yield opened
    opened.close()


@pytest.fixture
async def other(database_server: DatabaseServer) -> AsyncIterator[Session]:
    opened = await Session.open(settings(database_server))
    yield opened
    opened.close()


async def test_only_one_session_holds_it(session: Session, other: Session) -> None:
    await MigrationLock(session, SCHEMA).acquire()
    with pytest.raises(LockTimedOut) as refused:
        await MigrationLock(other, SCHEMA).acquire(timeout=0)
    assert f"connection {session.thread_id} of " in str(refused.value)
    await MigrationLock(session, SCHEMA).release()
    await MigrationLock(other, SCHEMA).acquire(timeout=5)


async def test_schemas_that_differ_only_in_case_share_it(session: Session, other: Session) -> None:
    await MigrationLock(session, "SysNDD").acquire()
    with pytest.raises(LockTimedOut):
        await MigrationLock(other, "sysndd").acquire(timeout=0)


async def test_other_schemas_do_not_wait(session: Session, other: Session) -> None:
    await MigrationLock(session, "one").acquire()
    await MigrationLock(other, "two").acquire(timeout=0)


async def test_the_holder_is_described(
    session: Session, other: Session, database_server: DatabaseServer
) -> None:
    lock = MigrationLock(session, SCHEMA)
    await lock.acquire()
    work = asyncio.create_task(session.fetch_all("SELECT SLEEP(2) /* reorganising */"))
    await asyncio.sleep(0.3)
    holder = await MigrationLock(other, SCHEMA).holder()
    assert holder is not None
    assert holder.working
    assert holder.user.startswith(f"{database_server.user}@")
    assert "reorganising" in holder.info
    await work


async def test_the_wait_for_a_stalled_holder_ends(session: Session, other: Session) -> None:
    await MigrationLock(session, SCHEMA).acquire()
    started = time.monotonic()
    with pytest.raises(LockTimedOut) as refused:
        await MigrationLock(other, SCHEMA, stalled=2).acquire()
    assert 2 <= time.monotonic() - started < 8
    assert f"KILL {session.thread_id};" in str(refused.value)


async def test_an_active_holder_is_waited_for(session: Session, other: Session) -> None:
    lock = MigrationLock(session, SCHEMA)
    await lock.acquire()

    async def work() -> None:
        await session.fetch_all("SELECT SLEEP(3)")
        await lock.release()

    task = asyncio.create_task(work())
    await MigrationLock(other, SCHEMA, stalled=1).acquire()
    await task


async def test_a_holder_that_moves_from_statement_to_statement_is_waited_for(
    session: Session, other: Session
) -> None:
    lock = MigrationLock(session, SCHEMA)
    await lock.acquire()

    async def work() -> None:
        for number in range(15):
            await session.fetch_all(f"SELECT {number}")
            await asyncio.sleep(0.3)
        await lock.release()

    task = asyncio.create_task(work())
    await MigrationLock(other, SCHEMA, stalled=3).acquire()
    await task


async def test_the_lock_ends_with_its_connection(session: Session, other: Session) -> None:
    lock = MigrationLock(session, SCHEMA)
    await lock.acquire()
    session.close()
    await MigrationLock(other, SCHEMA).acquire(timeout=5)


async def test_a_lost_lock_is_detected(session: Session, other: Session) -> None:
    lock = MigrationLock(session, SCHEMA)
    await lock.acquire()
    await lock.ensure_held()
    await session.fetch_all("SELECT RELEASE_ALL_LOCKS()")
    with pytest.raises(LockLost, match="no connection holds it"):
        await lock.ensure_held()
    await MigrationLock(other, SCHEMA).acquire()
    with pytest.raises(LockLost, match=f"connection {other.thread_id} holds it now"):
        await lock.ensure_held()


async def test_a_server_that_refuses_is_distinguished_from_a_busy_lock(session: Session) -> None:
    lock = MigrationLock(session, SCHEMA)
    lock.name = "x" * 100_000  # no server accepts a name of that length
    with pytest.raises(LockRefused, match="nothing was changed"):
        await lock.acquire()


@pytest.mark.parametrize("schema", ["sysndd", "S" * 48, "ÄÖ" * 24, "x" * 64])
def test_names_fit_every_server(schema: str) -> None:
    name = migration_lock_name(schema)
    assert len(name) <= 64
    assert name.isascii()
    assert name == name.lower()
    assert name == migration_lock_name(schema.upper())


def test_different_long_names_stay_different() -> None:
    assert migration_lock_name("x" * 63 + "a") != migration_lock_name("x" * 63 + "b")


async def test_several_statements_in_one_packet_are_refused(session: Session) -> None:
    with pytest.raises(pymysql.err.ProgrammingError, match="1064"):
        await session.run("SELECT 1; SELECT 2")
