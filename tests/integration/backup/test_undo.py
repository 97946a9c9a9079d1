"""Undo, the sessions that a restore ends, and who holds up an exchange."""

import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from sysndd_backup.restore.recovery import Recovery
from sysndd_core.jobs.models import CreateBackup, RestoreBackup, UndoRestore
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
        f"INSERT INTO `{site.ops}`.session VALUES (UNHEX(SHA2(RAND(), 256)), %s, NOW(6), NOW(6),"
        " NOW(6) + INTERVAL 1 DAY, NULL, NULL)",
        (user_id,),
    )
    site.server.execute(
        f"INSERT INTO `{site.ops}`.account_token VALUES (UUID(), 'password_reset', %s,"
        " UNHEX(SHA2(RAND(), 256)), NOW(6), NOW(6) + INTERVAL 1 DAY, NULL, NULL)",
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
    row = await bench.run(RestoreBackup(name=bench.store.manifests()[-1].name))
    assert row["state"] == "succeeded", row["error"]
    return row


CHANGES = {
    2: "UPDATE `user` SET user_name = 'somebody else' WHERE user_id = 2",
    3: "UPDATE `user` SET role = 'Curator' WHERE user_id = 3",
    4: "UPDATE `user` SET password_hash = 'Hash' WHERE user_id = 4",
    5: "UPDATE `user` SET email = 'é@x' WHERE user_id = 5",
}


async def test_only_sessions_of_the_same_account_go_on(bench: BackupBench) -> None:
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


async def test_a_site_without_accounts_of_our_shape_ends_every_session(bench: BackupBench) -> None:
    bench.site.server.execute("ALTER TABLE `user` DROP COLUMN password_hash", schema=bench.site.app)
    await restore(bench)
    assert (signed_in(bench.site), pending_tokens(bench.site)) == ([], [])


async def test_undo_brings_back_the_tables_of_before(bench: BackupBench) -> None:
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
    begun = time.monotonic()
    row = await bench.run(UndoRestore())
    took = time.monotonic() - begun
    assert row["state"] == "succeeded", row["error"]
    result = json.loads(str(row["result"]))
    assert (result["rows_added"], result["rows_removed"]) == (3, 1)
    assert bench.checksums() == before
    assert bench.checksums(result["kept_in"]) == late
    # The whole job, with counting; the exchange itself is a fraction of it.
    assert took < 3

    row = await bench.run(UndoRestore())
    assert (row["state"], row["error_code"]) == ("failed", "restore_failed")
    assert "no restore that could be undone" in str(row["error"])
    assert bench.checksums() == before


async def test_a_previous_schema_goes_when_its_time_is_over(bench: BackupBench) -> None:
    await restore(bench)
    kept = await Recovery(bench.database, 24).journal.kept(expired=False)
    assert len(kept) == 1
    bench.site.server.execute(
        f"UPDATE `{bench.site.ops}`.restore_journal SET kept_until = NOW(6) - INTERVAL 1 SECOND"
    )
    assert (await bench.run(UndoRestore()))["state"] == "failed"
    assert bench.checksums(kept[0].outgoing) == {}


async def test_a_reader_that_never_ends_is_named(bench: BackupBench) -> None:
    """Live stays as it is, and the one who is in the way is in the error."""
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
    """Read a table inside a transaction that stays open until the exchange has given up."""
    with site.server.connect(site.app) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT COUNT(*) FROM review")
        # Taking live's programs back needs the table too.
        patience = threading.Timer(40, connection.rollback)
        patience.start()
        try:
            yield int(connection.thread_id())  # type: ignore[no-untyped-call]  # PyMySQL has no type for it
        finally:
            patience.cancel()
