"""The gated pool compared with aiomysql's pool: cancellation, waiters, saturation and outages."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any

import aiomysql
import pytest
from pydantic import SecretStr

from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import DatabaseBusy, DatabaseUnavailable, SchemaDamaged
from sysndd_core.settings.database import DatabaseSettings
from tests.support.servers import DatabaseServer
from tests.support.site import Site

Acquire = Callable[[str], Coroutine[Any, Any, None]]

SIZE = 2
WAITERS = 4


async def holders_cancelled_under_waiters(acquire: Acquire) -> int:
    """Cancel each holder during its query while others wait; return how many waiters succeed."""
    holders = [asyncio.create_task(acquire("SELECT SLEEP(20)")) for _ in range(SIZE)]
    await asyncio.sleep(0.3)
    waiters = [asyncio.create_task(acquire("SELECT 1")) for _ in range(WAITERS)]
    await asyncio.sleep(0.2)
    for holder in holders:
        holder.cancel()
    done, stuck = await asyncio.wait(waiters, timeout=3)
    for task in stuck:
        task.cancel()
    await asyncio.gather(*holders, *waiters, return_exceptions=True)
    return len([task for task in done if task.exception() is None])


async def test_pool_of_aiomysql_loses_waiters(database_server: DatabaseServer) -> None:
    """The reason for the gate. If aiomysql fixes this bug, the gate may be unnecessary."""
    pool = await aiomysql.create_pool(
        host=database_server.host,
        port=database_server.port,
        user=database_server.user,
        password=database_server.password,
        minsize=0,
        maxsize=SIZE,
        autocommit=True,
    )

    async def acquire(sql: str) -> None:
        async with pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute(sql)

    try:
        assert await holders_cancelled_under_waiters(acquire) < WAITERS
    finally:
        pool.terminate()


async def test_gated_pool_serves_each_waiter(site: Site) -> None:
    async with Database(small(site.database)) as database:

        async def acquire(sql: str) -> None:
            await database.fetch_one(sql)

        assert await holders_cancelled_under_waiters(acquire) == WAITERS
        assert database.state.in_use == database.state.waiting == 0


async def test_saturation_raises_database_busy_and_ends(site: Site) -> None:
    async with Database(small(site.database)) as database:
        holders = [asyncio.create_task(database.fetch_one("SELECT SLEEP(2)")) for _ in range(SIZE)]
        await asyncio.sleep(0.2)
        with pytest.raises(DatabaseBusy) as caught:
            await database.fetch_one("SELECT 1")
        assert caught.value.status == 503
        assert caught.value.retry_after
        await asyncio.gather(*holders)
        assert await database.fetch_one("SELECT 1 AS one") == {"one": 1}


async def test_pool_survives_many_random_cancellations(site: Site) -> None:
    async with Database(small(site.database)) as database:
        for round_ in range(20):
            tasks = [
                asyncio.create_task(database.fetch_one("SELECT SLEEP(0.05)")) for _ in range(8)
            ]
            await asyncio.sleep(0.01 * (round_ % 7))
            for task in tasks[round_ % 3 :: 2]:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        state = database.state
        assert (state.in_use, state.waiting) == (0, 0)
        assert await database.fetch_one("SELECT 1 AS one") == {"one": 1}


async def test_transaction_includes_both_schemas_and_announces_after_the_commit(
    database: Database, site: Site
) -> None:
    announced: list[str] = []

    async def announce() -> None:
        row = await database.fetch_one(f"SELECT COUNT(*) AS n FROM {database.ops}.worker")
        announced.append(f"{row['n'] if row else None} visible")

    async with database.transaction() as tx:
        await insert_worker(tx, database)
        await tx.execute(f"UPDATE {database.app}.gene SET name = name")
        tx.after_commit(announce)
        assert announced == []
    assert announced == ["1 visible"]


async def test_rolled_back_transaction_announces_nothing(database: Database) -> None:
    announced: list[str] = []

    async def announce() -> None:
        announced.append("announced")

    with contextlib.suppress(RuntimeError):
        async with database.transaction() as tx:
            await insert_worker(tx, database)
            tx.after_commit(announce)
            raise RuntimeError
    assert announced == []
    assert await database.fetch_all(f"SELECT * FROM {database.ops}.worker") == []


async def test_cancelled_transaction_leaves_no_row_and_no_lock(database: Database) -> None:
    async def hold() -> None:
        async with database.transaction() as tx:
            await insert_worker(tx, database)
            await asyncio.sleep(20)

    task = asyncio.create_task(hold())
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with database.transaction() as tx:
        await insert_worker(tx, database)
    assert len(await database.fetch_all(f"SELECT * FROM {database.ops}.worker")) == 1


async def test_reader_sees_the_latest_commit(database: Database) -> None:
    """Requires autocommit. With aiomysql's default, a pooled connection keeps an old snapshot."""
    await database.fetch_all(f"SELECT * FROM {database.ops}.worker")
    async with database.transaction() as tx:
        await insert_worker(tx, database)
    for _ in range(5):
        assert len(await database.fetch_all(f"SELECT * FROM {database.ops}.worker")) == 1


async def test_server_ends_a_long_statement(site: Site) -> None:
    settings = small(site.database).model_copy(update={"statement_timeout": 0.5})
    async with Database(settings) as database:
        started = time.monotonic()
        with pytest.raises(DatabaseBusy):
            await database.fetch_one(
                "SELECT COUNT(*) FROM information_schema.collations a,"
                " information_schema.collations b, information_schema.collations c,"
                " information_schema.collations d"
            )
        assert time.monotonic() - started < 10


async def test_missing_table_is_schema_damaged(database: Database) -> None:
    with pytest.raises(SchemaDamaged):
        await database.fetch_one(f"SELECT * FROM {database.app}.no_such_table")


async def test_outage_raises_database_unavailable_and_the_pool_recovers(
    private_database_server: DatabaseServer,
) -> None:
    settings = DatabaseSettings(
        host=private_database_server.host,
        port=private_database_server.port,
        user=private_database_server.user,
        password=SecretStr(private_database_server.password),
        name="mysql",
    )
    async with Database(small(settings)) as database:
        await database.fetch_one("SELECT 1")
        await asyncio.to_thread(private_database_server.stop)
        try:
            with pytest.raises(DatabaseUnavailable):
                await database.fetch_one("SELECT 1")
        finally:
            private_database_server.start()
        assert await database.fetch_one("SELECT 1 AS one") == {"one": 1}


def small(settings: DatabaseSettings) -> DatabaseSettings:
    return settings.model_copy(update={"pool_size": SIZE, "pool_timeout": 1.0})


async def insert_worker(tx: Transaction, database: Database) -> None:
    await tx.execute(
        f"INSERT INTO {database.ops}.worker (name, queue, started_at, seen_at)"
        " VALUES ('w', 'backup', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
    )
