"""Undo of a restore, the sessions that a restore ends, and locks that block a swap."""

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from sysndd_backup.restore.recovery import Recovery
from sysndd_core.jobs.models import Consent, CreateBackup, RestoreBackup, UndoRestore
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    for number, name in enumerate(("ann", "bob", "cyd", "dan", "eve"), start=1):
        site.server.execute(
            f"INSERT INTO `{site.app}`.`user` (user_id, user_name, email, password_hash, state)"
            " VALUES (%s, %s, %s, 'hash', 'active')",
            (number, name, f"{name}@x"),
        )
        sign_in(site, number)
    async with backup_bench(site) as bench:
        assert (await bench.run(CreateBackup()))["state"] == "succeeded"
        yield bench


def sign_in(site: Site, user_id: int) -> None:
    site.server.execute(
        f"INSERT INTO `{site.ops}`.session"
        " (token_hash, user_id, created_at, last_seen_at, expires_at)"
        " VALUES (UNHEX(SHA2(RAND(), 256)), %s, NOW(6), NOW(6), NOW(6) + INTERVAL 1 DAY)",
        (user_id,),
    )
    site.server.execute(
        f"INSERT INTO `{site.ops}`.account_token"
        " (id, purpose, user_id, token_hash, created_at, expires_at) VALUES (UUID(),"
        " 'password_reset', %s, UNHEX(SHA2(RAND(), 256)), NOW(6), NOW(6) + INTERVAL 1 DAY)",
        (user_id,),
    )


def signed_in(site: Site) -> list[int]:
    rows = site.server.execute(f"SELECT user_id FROM `{site.ops}`.session ORDER BY 1")
    return [user_id for (user_id,) in rows]


def pending_tokens(site: Site) -> list[int]:
    rows = site.server.execute(
        f"SELECT user_id FROM `{site.ops}`.account_token WHERE revoked_at IS NULL ORDER BY 1"
    )
    return [user_id for (user_id,) in rows]


async def restore(bench: BackupBench) -> dict[str, object]:
    row = await bench.run(
        RestoreBackup(name=bench.store.manifests()[-1].name, accept=tuple(Consent))
    )
    assert row["state"] == "succeeded", row["error"]
    return row


CHANGES = {
    2: "UPDATE `user` SET user_name = 'another person' WHERE user_id = 2",
    3: "UPDATE `user` SET role = 'Curator' WHERE user_id = 3",
    4: "UPDATE `user` SET password_hash = 'Hash' WHERE user_id = 4",
    5: "UPDATE `user` SET email = 'é@x' WHERE user_id = 5",
}


async def test_only_sessions_of_unchanged_accounts_continue(bench: BackupBench) -> None:
    site = bench.site
    for statement in CHANGES.values():
        site.server.execute(statement, schema=site.app)
    site.server.execute(
        "INSERT INTO `user` (user_id, user_name, email) VALUES (6, 'f', 'f@x')", schema=site.app
    )
    sign_in(site, 6)
    await restore(bench)
    assert (signed_in(site), pending_tokens(site)) == ([1], [1])
    sign_in(site, 2)
    row = await bench.run(UndoRestore())
    assert row["state"] == "succeeded", row["error"]
    assert (signed_in(site), pending_tokens(site)) == ([1], [1])


async def test_all_sessions_end_when_the_user_table_lacks_columns(bench: BackupBench) -> None:
    bench.site.server.execute("ALTER TABLE `user` DROP COLUMN password_hash", schema=bench.site.app)
    await restore(bench)
    assert (signed_in(bench.site), pending_tokens(bench.site)) == ([], [])


async def test_undo_returns_to_the_replaced_tables(bench: BackupBench) -> None:
    site = bench.site
    site.server.execute("DELETE FROM `user` WHERE user_id = 5", schema=site.app)
    before = bench.checksums()
    await restore(bench)
    for name in ("x", "y", "z"):
        site.server.execute(
            "INSERT INTO `user` (user_name, email) VALUES (%s, %s)", (name, name), schema=site.app
        )
    site.server.execute("DELETE FROM entity_category LIMIT 1", schema=site.app)
    late = bench.checksums()
    started = time.monotonic()
    row = await bench.run(UndoRestore())
    seconds = time.monotonic() - started
    assert row["state"] == "succeeded", row["error"]
    result = json.loads(str(row["result"]))
    assert (result["rows_added"], result["rows_removed"]) == (3, 1)
    assert bench.checksums() == before
    assert bench.checksums(result["kept_in"]) == late
    # The complete job, with counting; the swap itself is a fraction of it.
    assert seconds < 3

    row = await bench.run(UndoRestore())
    assert (row["state"], row["error_code"]) == ("failed", "restore_failed")
    assert "There is no restore to undo" in str(row["error"])
    assert bench.checksums() == before


async def test_a_retained_schema_is_dropped_when_it_expires(bench: BackupBench) -> None:
    await restore(bench)
    retained = await Recovery(bench.database, 24).journal.retained(expired=False)
    assert len(retained) == 1
    bench.site.server.execute(
        f"UPDATE `{bench.site.ops}`.restore_journal SET kept_until = NOW(6) - INTERVAL 1 SECOND"
    )
    assert (await bench.run(UndoRestore()))["state"] == "failed"
    assert bench.checksums(retained[0].outgoing) == {}


async def test_a_connection_that_blocks_the_swap_is_named(bench: BackupBench) -> None:
    """The live database does not change, and the error names the connection."""
    await restore(bench)
    live = bench.checksums()
    with held_table(bench.site) as connection_id:
        row = await bench.run(UndoRestore())
    assert (row["state"], row["error_code"]) == ("failed", "restore_failed")
    assert f"connection {connection_id} of " in str(row["error"])
    assert "The database is as before" in str(row["error"])
    assert bench.checksums() == live
    assert (await bench.run(UndoRestore()))["state"] == "succeeded"


@contextmanager
def held_table(site: Site) -> Iterator[int]:
    """Read a table in a transaction that stays open until the swap has failed."""
    with site.server.connect(site.app) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT COUNT(*) FROM review")
        # Recreating the stored objects requires a lock on the table too.
        timer = threading.Timer(40, connection.rollback)
        timer.start()
        try:
            yield int(connection.thread_id())  # type: ignore[no-untyped-call]  # PyMySQL has no type for it
        finally:
            timer.cancel()
