"""Runs what is due in the backup queue, and kills at a chosen point: ``python -m`` this.

The real handlers on the real server. Every statement that changes a schema, every one that loads
rows or adds keys, every write to the restore journal, every step of publishing a backup, every part
of a copy to S3 and every report of progress is a point; at the chosen one a SIGKILL goes to this
process or to the database server. Without a kill it prints how many points there were.

Arguments: the point, the moment, the victim, and the owners of the points that count (all).
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
from sysndd_backup.context import BackupTools
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
from sysndd_core.jobs.worker import Worker
from sysndd_core.logging import configure
from sysndd_core.settings.backup import VerifyPolicy
from sysndd_core.settings.base import load

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
"""Methods that block, with the place of the argument by whose beginning they are named."""


class Killer:
    """Counts points, and kills at one of them.

    Args:
        at: number of the point, from 1; or how its statement begins; 0 for none.
        when: ``before``, ``during`` or ``after`` its statement.
        victim: process id.
    """

    def __init__(self, at: str, when: str, victim: int) -> None:
        self.seen = 0
        self._at = at
        self._when = when
        self._victim = victim
        self._numbers = itertools.count(1)

    def watch(self, owner: type, name: str) -> None:
        """Make each call of a method a point."""
        original: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def watched(*arguments: Any, **named: Any) -> Any:
            self.seen = next(self._numbers)
            ours = self._at in {str(self.seen), str(arguments[1])[: len(self._at)]}
            if ours and self._when == "before":
                self._kill()
            work = asyncio.ensure_future(original(*arguments, **named))
            if ours and self._when == "during":
                # Long enough for the statement to be sent, too short for most to be answered.
                await asyncio.wait([work], timeout=0.002)
                self._kill()
            result = await work
            if ours and self._when == "after":
                self._kill()
            return result

        setattr(owner, name, watched)

    def watch_blocking(self, owner: type, name: str, place: int) -> None:
        """Make each call of a method that runs in a thread a point."""
        original: Callable[..., Any] = getattr(owner, name)

        def watched(*arguments: Any, **named: Any) -> Any:
            self.seen = next(self._numbers)
            ours = self._at in {str(self.seen), str(arguments[place])[: len(self._at)]}
            if ours and self._when == "before":
                self._kill()
            if ours and self._when == "during":
                threading.Timer(0.002, self._kill).start()
            result = original(*arguments, **named)
            if ours and self._when == "after":
                self._kill()
            return result

        setattr(owner, name, watched)

    def _kill(self) -> None:
        os.kill(self._victim, signal.SIGKILL)


async def run(killer: Killer, among: list[str]) -> None:
    """Do everything that is due now; points are the methods of the classes named, or of all."""
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
        )
        rows = JobRows(database, wake_up, Queue.BACKUP)
        for owner, name in POINTS:
            if not among or owner.__name__ in among:
                killer.watch(owner, name)
        for blocking, name, place in IN_THREADS:
            if not among or blocking.__name__ in among:
                killer.watch_blocking(blocking, name, place)
        perform = job_performer(
            rows, BackupHandlers(tools, BackupPolicy(verify=VerifyPolicy.NEVER)).table()
        )
        worker = Worker(database=database, redis=settings.redis, rows=rows, perform=perform)
        await worker.run_until_idle()
    await wake_up.close()


if __name__ == "__main__":
    at, when, victim, *owners = sys.argv[1:]
    counting = Killer(at, when, int(victim) or os.getpid())
    asyncio.run(run(counting, owners))
    sys.stdout.write(str(counting.seen))
