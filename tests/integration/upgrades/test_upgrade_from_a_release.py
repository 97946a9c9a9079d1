"""What each release left behind, under the code of today: nothing is lost, everything goes on."""

import dataclasses
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from sysndd_api.settings import ApiSettings
from sysndd_core.db.database import Database
from sysndd_core.jobs.models import Consent, RestoreBackup, UndoRestore, VerifyBackup
from sysndd_core.settings.smtp import SmtpSecurity, SmtpSettings
from tests.support.http import served, sign_in
from tests.support.outbox import open_outbox
from tests.support.releases import (
    ADMINISTRATOR,
    APP,
    QUEUED_AT,
    RECIPIENT,
    installation,
    releases,
    up,
)
from tests.support.servers import DatabaseServer, TestRedis
from tests.support.site import Site
from tests.support.smtp_faults import faulty_smtp
from tests.support.workers import BackupBench, backup_bench

A_CENTURY = 100 * 365 * 24.0
"""Hours. The restore of a release can be undone however old the release is."""


@pytest.fixture(params=releases())
def installed(
    request: pytest.FixtureRequest,
    private_database_server: DatabaseServer,
    redis_server: TestRedis,
    tmp_path: Path,
) -> Iterator[Site]:
    """An installation of a release."""
    redis_server.flush()
    with installation(
        request.param, private_database_server, redis_server, tmp_path / "backups"
    ) as site:
        yield site


@pytest.fixture
def upgraded(installed: Site) -> Site:
    """An installation of a release after the migrator of today ran."""
    done = up(installed)
    assert done.returncode == 0, done.stderr
    return installed


@pytest.fixture
async def bench(upgraded: Site) -> AsyncIterator[BackupBench]:
    async with backup_bench(upgraded) as bench:
        bench.tools = dataclasses.replace(bench.tools, undo_hours=A_CENTURY)
        yield bench


def genes(site: Site) -> set[str]:
    return {symbol for (symbol,) in site.server.execute("SELECT symbol FROM gene", schema=APP)}


def applied(site: Site) -> set[tuple[object, ...]]:
    return {
        row
        for schema in (site.app, site.ops)
        for row in site.server.execute(
            f"SELECT filename, checksum, success, applied_at FROM `{schema}`.schema_version"
        )
    }


def test_no_migration_is_applied_again(installed: Site) -> None:
    before = applied(installed)
    first, second = up(installed), up(installed)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert before <= applied(installed)
    assert second.stdout == "Nothing to do: every migration is applied.\n"
    # A drifted object would be reported here.
    assert second.stderr == ""


async def test_the_last_restore_is_undone(bench: BackupBench) -> None:
    assert "REPLACED" not in genes(bench.site)
    row = await bench.run(UndoRestore())
    assert row["state"] == "succeeded", row["error"]
    assert genes(bench.site) == {"BACKED_UP", "BOTH", "REPLACED"}


async def test_every_backup_is_verified_and_restored(bench: BackupBench) -> None:
    names = [manifest.name for manifest in bench.store.manifests()]
    assert {name.partition("_")[0] for name in names} == {"manual", "pre-restore"}
    contents = {"manual": {"BACKED_UP", "BOTH"}, "pre-restore": {"BACKED_UP", "BOTH", "REPLACED"}}
    for name in names:
        verified = await bench.run(VerifyBackup(name=name))
        assert verified["state"] == "succeeded", verified["error"]
        restored = await bench.run(RestoreBackup(name=name, accept=tuple(Consent)))
        assert restored["state"] == "succeeded", restored["error"]
        assert genes(bench.site) == contents[name.partition("_")[0]]
        ((title, n),) = bench.site.server.execute(
            "SELECT title, n FROM doubled WHERE id = 2", schema=APP
        )
        assert (title, n) == ("back\\slash 🧬 é", 4)


async def test_queued_email_is_sent(upgraded: Site) -> None:
    async with Database(upgraded.database) as database, faulty_smtp() as server:
        smtp = SmtpSettings(host="127.0.0.1", port=server.port, security=SmtpSecurity.NONE)
        async with open_outbox(upgraded, database, smtp) as outbox:
            await outbox.worker.run_until_idle()
    (message,) = server.accepted
    assert message["To"] == RECIPIENT
    text = message.get_body(("plain",))
    assert text is not None
    assert QUEUED_AT in text.get_content()


async def test_the_administrator_signs_in_and_sees_what_was_done(upgraded: Site) -> None:
    async with (
        served(upgraded.load(ApiSettings)) as base_url,
        httpx.AsyncClient(base_url=base_url) as client,
    ):
        client.headers["Authorization"] = f"Bearer {await sign_in(client, ADMINISTRATOR)}"
        answers = {
            name: await client.get(f"/api/admin/{name}") for name in ("jobs", "backups", "mail")
        }
        for answer in answers.values():
            assert answer.status_code == 200, answer.text
        text = {name: json.dumps(answer.json()) for name, answer in answers.items()}
    assert "create_backup" in text["jobs"]
    assert "restore_backup" in text["jobs"]
    assert "pre-restore_" in text["backups"]
    assert RECIPIENT in text["mail"]
