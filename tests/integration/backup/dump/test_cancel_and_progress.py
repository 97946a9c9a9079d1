"""Cancelling a backup in any step leaves no files; progress has a rate and a remaining time."""

import asyncio
import contextlib
import dataclasses
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from sysndd_backup.archive.off_site import OffsiteStorage
from sysndd_backup.context import BackupTools
from sysndd_backup.jobs import BackupHandlers, BackupPolicy
from sysndd_backup.progress import JobRun
from sysndd_backup.server.clients import Clients
from sysndd_core.backups.s3 import S3Copies
from sysndd_core.db.schema_lock import schema_lock
from sysndd_core.jobs.models import CreateBackup
from sysndd_core.settings.offsite import S3Settings
from tests.support.burst import stored_row
from tests.support.site import Site
from tests.support.workers import BackupBench, backup_bench, children_of


@pytest.fixture
async def bench(site: Site) -> AsyncIterator[BackupBench]:
    async with backup_bench(site) as bench:
        bench.policy = BackupPolicy()
        yield bench


@contextlib.contextmanager
def silent_storage() -> Iterator[str]:
    """Yield the URL of a server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def hanging_client(bench: BackupBench, folder: Path, program: str, when: str) -> BackupTools:
    """Return tools whose ``dump`` or ``load`` client hangs when its arguments match ``when``."""
    clients = bench.tools.clients
    real = getattr(clients, program)
    script = folder / program
    head = "head -c 3000" if program == "dump" else "cat >/dev/null"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in\n{when}) "{real}" "$@" | {head}; exec sleep 60;;\nesac\n'
        f'exec "{real}" "$@"\n'
    )
    script.chmod(0o755)
    changed: Clients = dataclasses.replace(clients, **{program: str(script)})
    return dataclasses.replace(bench.tools, clients=changed)


def hanging_storage(bench: BackupBench, url: str) -> BackupTools:
    settings = S3Settings.model_validate(
        {"bucket": "b", "endpoint": url, "access_key": "a", "secret_key": "s"}
    )
    return dataclasses.replace(
        bench.tools, offsite=OffsiteStorage(bench.store, S3Copies(settings, "b"))
    )


PHASES: dict[str, Callable[[BackupBench, Path, str], BackupTools]] = {
    "waiting": lambda bench, folder, url: bench.tools,
    "dumping": lambda bench, folder, url: hanging_client(bench, folder, "dump", "*"),
    "copying": lambda bench, folder, url: hanging_storage(bench, url),
    "loading": lambda bench, folder, url: hanging_client(bench, folder, "load", "*"),
    "comparing": lambda bench, folder, url: hanging_client(bench, folder, "dump", "*_verify"),
}


@pytest.mark.parametrize("phase", PHASES)
async def test_a_backup_that_is_cancelled_in_any_step_leaves_no_partial_file(
    bench: BackupBench, tmp_path: Path, phase: str
) -> None:
    before = set(children_of(os.getpid()))
    async with contextlib.AsyncExitStack() as stack:
        url = stack.enter_context(silent_storage())
        tools = PHASES[phase](bench, tmp_path, url)
        if phase == "waiting":
            await stack.enter_async_context(
                schema_lock(bench.tools.database.settings, purpose="the test", timeout=5)
            )
        job_id = await bench.submit(CreateBackup())
        work = asyncio.create_task(bench.worker(tools).run_until_idle())
        await _until_step(bench, job_id, phase)
        async with bench.database.transaction() as tx:
            await bench.rows.request_cancel(tx, job_id)
        await asyncio.wait_for(work, 30)
    row = await stored_row(bench.rows, job_id)
    assert (row["state"], row["error_code"]) == ("cancelled", "cancelled")
    names = [path.name for path in bench.site.backup_dir.iterdir()]
    # A published backup remains, even if its copy or its verification is cancelled.
    assert len(names) == (0 if phase in ("waiting", "dumping") else 2)
    assert not [name for name in names if name.endswith(".partial")]
    assert set(children_of(os.getpid())) <= before
    schemas = bench.site.server.execute("SHOW DATABASES")
    assert [name for (name,) in schemas if name.startswith(f"{bench.site.app}_verify")] == []
    async with schema_lock(bench.tools.database.settings, purpose="the test", timeout=1):
        pass
    row = await bench.run(CreateBackup())
    assert row["state"] == "succeeded", row["error"]


async def _until_step(bench: BackupBench, job_id: str, step: str) -> None:
    for _ in range(600):
        row = await stored_row(bench.rows, job_id)
        if row["step"] == step:
            # Wait until the client has started.
            await asyncio.sleep(1)
            return
        assert row["finished_at"] is None, row["error"]
        await asyncio.sleep(0.05)
    raise AssertionError(f"the step {step} was never reached")


async def test_progress_increases_and_has_rate_and_remaining_time(
    bench: BackupBench, tmp_path: Path
) -> None:
    app = bench.site.app
    bench.site.server.execute(f"CREATE TABLE `{app}`.big (id INT PRIMARY KEY, t LONGTEXT)")
    for number in range(4):
        bench.site.server.execute(
            f"INSERT INTO `{app}`.big VALUES (%s, REPEAT('words and words ', 60000))", (number,)
        )
    real = bench.tools.clients.dump
    script = tmp_path / "dump"
    script.write_text(f'#!/bin/sh\n"{real}" "$@" | {{ head -c 2000000; sleep 1.5; cat; }}\n')
    script.chmod(0o755)
    clients = dataclasses.replace(bench.tools.clients, dump=str(script))
    tools = dataclasses.replace(bench.tools, clients=clients)
    reported: list[tuple[str, int, str]] = []

    async def progress(step: str, percent: int, message: str = "") -> None:
        reported.append((step, percent, message))

    handlers = BackupHandlers(tools, bench.policy)
    # The job ID is part of the name of the backup, so two backups need different ones.
    for job_id in ("0123abcd-0000", "4567abcd-0000"):
        reported.clear()
        await handlers.create_backup(CreateBackup(), JobRun(job_id, None, progress))
        percents = [percent for _, percent, _ in reported]
        assert percents == sorted(percents)
        assert 0 <= percents[0] <= percents[-1] <= 100
        pattern = r"[\d,]+ bytes, [\d.]+ MB/s, about \d+ s left"
        for step in ("dumping", "comparing"):
            messages = [message for name, _, message in reported if name == step]
            assert any(re.fullmatch(pattern, message) for message in messages), (step, messages)
    row = await bench.run(CreateBackup())
    assert (row["state"], row["percent"]) == ("succeeded", 100)
