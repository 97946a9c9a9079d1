"""The schema lock of migrations, dumps and restores: waiting, naming the holder, losing it."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from sysndd_core.db.database import connect
from sysndd_core.db.schema_lock import SchemaLock, find_holder, schema_lock
from sysndd_core.db.schema_version import migration_lock_name
from sysndd_core.errors import SchemaLocked, SchemaLockLost
from sysndd_core.settings.database import DatabaseSettings
from tests.support.servers import DatabaseServer

PURPOSE = "sysndd-backup: dump of 2026"


@pytest.fixture
def settings(database_server: DatabaseServer) -> DatabaseSettings:
    return DatabaseSettings.model_validate(database_server.environ(name="schema_lock_test"))


@pytest.fixture
async def onlooker(settings: DatabaseSettings) -> AsyncIterator[SchemaLock]:
    connection = await connect(settings)
    yield SchemaLock(connection, migration_lock_name(settings.name), "onlooker")
    connection.close()


async def test_second_holder_waits_for_the_first(settings: DatabaseSettings) -> None:
    order: list[str] = []

    async def second() -> None:
        async with schema_lock(settings, purpose="restore", timeout=20):
            order.append("second acquired")

    async with schema_lock(settings, purpose=PURPOSE, timeout=0) as lock:
        waiting = asyncio.create_task(second())
        await asyncio.sleep(1.5)
        await lock.ensure_held()
        order.append("first released")
    await waiting
    assert order == ["first released", "second acquired"]


async def test_error_names_the_holder_and_its_purpose(settings: DatabaseSettings) -> None:
    async with schema_lock(settings, purpose=PURPOSE, timeout=0) as lock:
        await asyncio.sleep(0.1)
        started = time.monotonic()
        with pytest.raises(SchemaLocked) as refused:
            async with schema_lock(settings, purpose="restore", timeout=1):
                pass
        assert 1 <= time.monotonic() - started < 6
    assert f"connection {lock.connection_id} of {settings.user}@" in str(refused.value)
    assert PURPOSE in str(refused.value)
    assert refused.value.extra["holder"] == lock.connection_id


async def test_long_dump_does_not_count_as_stalled(settings: DatabaseSettings) -> None:
    """Its connection is idle, which a waiting migrator must not treat as a crashed holder."""

    async def second() -> float:
        started = time.monotonic()
        async with schema_lock(settings, purpose="restore", timeout=None, stalled=1):
            return time.monotonic() - started

    async with schema_lock(settings, purpose=PURPOSE, timeout=0):
        waiting = asyncio.create_task(second())
        await asyncio.sleep(4)
    assert await waiting >= 3.5


async def test_killed_connection_is_detected(
    settings: DatabaseSettings, database_server: DatabaseServer
) -> None:
    async with schema_lock(settings, purpose=PURPOSE, timeout=0) as lock:
        database_server.execute(f"KILL {lock.connection_id}")
        await asyncio.sleep(0.2)
        with pytest.raises(SchemaLockLost):
            await lock.ensure_held()
        async with schema_lock(settings, purpose="restore", timeout=5) as other:
            await other.ensure_held()


async def test_kill_query_does_not_release_the_lock(
    settings: DatabaseSettings, database_server: DatabaseServer
) -> None:
    async with schema_lock(settings, purpose=PURPOSE, timeout=0) as lock:
        for _ in range(3):
            await asyncio.sleep(0.2)
            database_server.execute(f"KILL QUERY {lock.connection_id}")
        await asyncio.sleep(0.2)
        await lock.ensure_held()


async def test_error_releases_the_lock(settings: DatabaseSettings, onlooker: SchemaLock) -> None:
    with pytest.raises(RuntimeError, match="the dump failed"):
        async with schema_lock(settings, purpose=PURPOSE, timeout=0):
            raise RuntimeError("the dump failed")
    assert await find_holder(onlooker, onlooker.name) is None


async def test_cancellation_releases_the_lock(
    settings: DatabaseSettings, onlooker: SchemaLock
) -> None:
    async def hold() -> None:
        async with schema_lock(settings, purpose=PURPOSE, timeout=0):
            await asyncio.sleep(60)

    task = asyncio.create_task(hold())
    await asyncio.sleep(0.5)
    assert await find_holder(onlooker, onlooker.name) is not None
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await find_holder(onlooker, onlooker.name) is None


async def test_purpose_cannot_end_the_sql_comment(
    settings: DatabaseSettings, onlooker: SchemaLock
) -> None:
    async with schema_lock(settings, purpose="*/ DROP TABLE x; -- '%s", timeout=0):
        await asyncio.sleep(0.2)
        holder = await find_holder(onlooker, onlooker.name)
    assert holder is not None
    assert holder.info.endswith("*/")
    assert "DROP TABLE x_" in holder.info
