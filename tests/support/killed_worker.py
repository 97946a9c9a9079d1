"""Runs the due jobs of the backup queue, and sends a SIGKILL at a given kill point.

It runs the real handlers against the real server, with ``python -m``. Kill points are the
statements that change a schema, load rows or add keys, writes to the restore journal, the steps of
a publication, the parts of an off-site copy, and progress reports. The SIGKILL goes to this
process or to the database server. Without a kill, it prints the number of kill points.

Arguments: kill point, moment, process ID, and the classes whose methods count (default: all).
"""

import asyncio
import itertools
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from sysndd_backup.archive.encryption import Keys
from sysndd_backup.archive.off_site import OffsiteStorage
from sysndd_backup.context import BackupTools, SiteHoldConfig
from sysndd_backup.dump.dump import Dump
from sysndd_backup.jobs import BackupHandlers, BackupPolicy, job_performer
from sysndd_backup.load.workers import LoadWorker
from sysndd_backup.restore.journal import Journal
from sysndd_backup.server.clients import find_clients
from sysndd_backup.server.server import identify
from sysndd_backup.server.session import SchemaSession
from sysndd_backup.settings import BackupWorkerSettings
from sysndd_core.backups.directory import BackupDirectory
from sysndd_core.backups.s3 import S3Copies
from sysndd_core.db.database import Database
from sysndd_core.jobs.models import Queue
from sysndd_core.jobs.rows import JobRows
from sysndd_core.jobs.wake_up import WakeUp
from sysndd_core.logging import configure
from sysndd_core.settings.backup import VerifyPolicy
from sysndd_core.settings.base import load
from tests.support.burst import BurstWorker

POINTS = (
    (SchemaSession, "_send"),
    (Journal, "open"),
    (Journal, "_write"),
    (Journal, "close"),
    (JobRows, "progress"),
    (JobRows, "succeed"),
)
IN_THREADS = (
    (LoadWorker, "_run", 2),
    (BackupDirectory, "write_manifest", 1),
    (BackupDirectory, "sync", 0),
    (Dump, "run", 0),
    (S3Copies, "put", 1),
    (S3Copies, "_send_part", 1),
    (S3Copies, "_checked", 1),
    (S3Copies, "put_manifest", 1),
)
"""Blocking methods, with the index of the argument that identifies the kill point."""


class Killer:
    """Counts kill points, and sends the SIGKILL at one of them.

    Args:
        at: Number of the kill point, from 1, or the beginning of its statement; 0 for no kill.
        when: ``before``, ``during`` or ``after`` the statement.
        victim: ID of the process to kill.
    """

    def __init__(self, at: str, when: str, victim: int) -> None:
        self.seen = 0
        self._at = at
        self._when = when
        self._victim = victim
        self._numbers = itertools.count(1)

    def watch(self, owner: type, name: str) -> None:
        """Make each call of a method a kill point."""
        original: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def watched(*arguments: Any, **named: Any) -> Any:
            self.seen = next(self._numbers)
            is_target = self._at in {str(self.seen), str(arguments[1])[: len(self._at)]}
            if is_target and self._when == "before":
                self._kill()
            work = asyncio.ensure_future(original(*arguments, **named))
            if is_target and self._when == "during":
                # Long enough to send the statement, but too short for most responses.
                await asyncio.wait([work], timeout=0.002)
                self._kill()
            result = await work
            if is_target and self._when == "after":
                self._kill()
            return result

        setattr(owner, name, watched)

    def watch_blocking(self, owner: type, name: str, index: int) -> None:
        """Make each call of a method that runs in a thread a kill point."""
        original: Callable[..., Any] = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            self.seen = next(self._numbers)
            is_target = self._at in {str(self.seen), str(arguments[index])[: len(self._at)]}
            if is_target and self._when == "before":
                self._kill()
            if is_target and self._when == "during":
                threading.Timer(0.002, self._kill).start()
            result = original(*arguments, **named)
            if is_target and self._when == "after":
                self._kill()
            return result

        setattr(owner, name, watched)

    def _kill(self) -> None:
        os.kill(self._victim, signal.SIGKILL)


async def run(killer: Killer, among: list[str]) -> None:
    """Run all due jobs.

    Args:
        killer: Counts the kill points and sends the SIGKILL.
        among: Names of the classes whose methods are kill points; empty for all.
    """
    settings = load(BackupWorkerSettings, os.environ)
    configure(settings.log, service="killed-worker")
    wake_up, store = WakeUp(settings.redis), BackupDirectory(settings.backup.directory)
    copies = S3Copies.configured(settings.s3)
    async with Database(settings.database) as database:
        server = await identify(database)
        tools = BackupTools(
            database=database,
            server=server,
            clients=await find_clients(server),
            store=store,
            compression=settings.backup.compression,
            undo_hours=settings.backup.undo_hours,
            keys=Keys.configured(settings.encryption),
            offsite=None if copies is None else OffsiteStorage(store, copies),
            site_hold=SiteHoldConfig.configured(settings.site_hold, os.environ, ()),
        )
        rows = JobRows(database, wake_up, Queue.BACKUP)
        for owner, name in POINTS:
            if not among or owner.__name__ in among:
                killer.watch(owner, name)
        for blocking, name, index in IN_THREADS:
            if not among or blocking.__name__ in among:
                killer.watch_blocking(blocking, name, index)
        perform = job_performer(
            rows, BackupHandlers(tools, BackupPolicy(verify=VerifyPolicy.NEVER)).table()
        )
        worker = BurstWorker(database=database, redis=settings.redis, rows=rows, perform=perform)
        await worker.run_until_idle()
    await wake_up.close()


if __name__ == "__main__":
    at, when, victim, *owners = sys.argv[1:]
    counting = Killer(at, when, int(victim) or os.getpid())
    asyncio.run(run(counting, owners))
    sys.stdout.write(str(counting.seen))
