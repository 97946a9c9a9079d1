"""The real backup worker and mailer, in the event loop of the test or as separate processes."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sysndd_backup.context import BackupTools
from sysndd_backup.jobs import BackupHandlers, BackupPolicy, job_performer
from sysndd_backup.server.clients import find_clients
from sysndd_backup.server.server import identify
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.db.database import Database
from sysndd_core.jobs.models import Job, Queue
from sysndd_core.jobs.rows import ClaimedJob, JobRows
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.settings.backup import BackupCompression, VerifyPolicy
from tests.support.burst import BurstWorker, stored_row
from tests.support.processes import RealProcess
from tests.support.site import REPOSITORY, Site

PACKAGES = (
    "packages/core",
    "services/migrator",
    "services/api",
    "services/backup-worker",
    "services/mailer",
    "deploy/local",
)


@dataclass
class BackupBench:
    """The parts of the backup worker on a site, to run jobs in this process."""

    database: Database
    rows: JobRows
    tools: BackupTools
    site: Site
    # Most tests do not test verification.
    policy: BackupPolicy = field(default_factory=lambda: BackupPolicy(verify=VerifyPolicy.NEVER))

    @property
    def store(self) -> BackupDirectory:
        """The backup directory."""
        return self.tools.store

    async def submit(self, job: Job) -> str:
        """Write the row of a job; return its ID."""
        async with self.database.transaction() as tx:
            return await self.rows.submit(tx, job, requested_by=None)

    async def run(self, job: Job, tools: BackupTools | None = None) -> dict[str, Any]:
        """Submit a job, run it, and return its row."""
        job_id = await self.submit(job)
        await self.worker(tools).run_until_idle()
        return await stored_row(self.rows, job_id)

    def worker(self, tools: BackupTools | None = None) -> BurstWorker[ClaimedJob]:
        """Return a worker with the real handlers."""
        return BurstWorker(
            database=self.database,
            redis=self.site.redis,
            rows=self.rows,
            perform=job_performer(
                self.rows, BackupHandlers(tools or self.tools, self.policy).table()
            ),
        )

    def checksums(self, schema: str | None = None) -> dict[str, int]:
        """Return ``CHECKSUM TABLE`` of each base table."""
        return checksums(self.site, schema or self.site.app)


@contextlib.asynccontextmanager
async def backup_bench(
    site: Site, compression: BackupCompression = BackupCompression.ZSTD
) -> AsyncIterator[BackupBench]:
    """Open the parts of the backup worker on a site."""
    wake_up = WakeUp(site.redis)
    async with Database(site.database) as database:
        server = await identify(database)
        tools = BackupTools(
            database=database,
            server=server,
            clients=await find_clients(server),
            store=BackupDirectory(site.backup_dir),
            compression=compression,
        )
        yield BackupBench(database, JobRows(database, wake_up, Queue.BACKUP), tools, site)
    await wake_up.close()


def checksums(site: Site, schema: str) -> dict[str, int]:
    """Return ``CHECKSUM TABLE`` of each base table of a schema."""
    tables = site.server.execute(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        (schema,),
    )
    return {
        table: site.server.execute(f"CHECKSUM TABLE `{schema}`.`{table}`")[0][1]
        for (table,) in tables
    }


@contextlib.contextmanager
def service_process(
    module: str, site: Site, directory: Path, **changes: str
) -> Iterator[RealProcess]:
    """Run a service as a separate process.

    Args:
        module: Module to run with ``python -m``, such as ``sysndd_backup``.
        site: Site whose environment the process gets.
        directory: Directory of its log.
        changes: Further environment variables.

    Yields:
        The started process.
    """
    environ = {
        **os.environ,
        **site.environ,
        **changes,
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / package) for package in PACKAGES),
    }
    process = RealProcess(module, [sys.executable, "-m", module], directory, lambda: True, environ)
    process.start()
    try:
        yield process
    finally:
        process.stop()


def eventually(what: str, condition: Callable[[], object], *, seconds: float) -> None:
    """Wait until ``condition`` is true; fail with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    """Return the process IDs of the children of all threads of a process (proc(5))."""
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        # A thread may end between the two calls.
        with contextlib.suppress(OSError):
            found += [int(child) for child in listed.read_text(encoding="ascii").split()]
    return found


def end(pids: list[int]) -> None:
    """Kill processes by ID; ignore those that have already ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
