"""Restores without a working site: no worker, no Redis, no platform schema.

The programs of other services run as child processes, because services do not import each other. A
job is an ordinary row with its lease, fencing token and journal, whoever claims it.
"""

import asyncio
import importlib.util
import shutil
import sys
import time
from types import TracebackType

from sysndd_api.context import Context
from sysndd_api.jobs.models import JobView
from sysndd_api.jobs.service import Jobs
from sysndd_core.child_process import end_with_parent
from sysndd_core.db.database import Database
from sysndd_core.db.site import read_site, table_names
from sysndd_core.errors import SysnddError
from sysndd_core.jobs.models import Queue, job_type
from sysndd_core.jobs.rows import JobState

CLAIM_SECONDS = 10.0
"""How long a job waits for a worker. A worker looks for jobs at least as often."""

_BACKUP_WORKER = ("sysndd_backup", "sysndd-backup-worker")
_MIGRATOR = ("sysndd_migrator", "sysndd-migrator")
_OUTPUT_CHARACTERS = 1000


class OwnWorker:
    """A backup worker for one job, which is started only if no other worker claims it.

    An asynchronous context manager; at its end, it waits for the worker.

    Args:
        context: The services of the command.
        job_id: ID of the job.
    """

    def __init__(self, context: Context, job_id: str) -> None:
        self._context = context
        self._job_id = job_id
        self._since = time.monotonic()
        self._process: asyncio.subprocess.Process | None = None
        self._asked = False

    async def __aenter__(self) -> "OwnWorker":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            # It completes a restore in any case, also after Ctrl-C.
            await self._process.wait()

    async def check(self, job: JobView) -> None:
        """Start the worker if the job has waited long enough and no other job is running.

        Args:
            job: The current state of the job.

        Raises:
            SysnddError: The worker ended, and the job is still queued.
        """
        if job.state != JobState.QUEUED or time.monotonic() - self._since < CLAIM_SECONDS:
            return
        if self._process is not None:
            if self._process.returncode is not None:
                raise SysnddError(
                    f"No worker has claimed the job {job.id}, and the worker of this command"
                    f" ended with exit code {self._process.returncode}; its reason is above. The"
                    " job is still queued. Correct the cause and start the backup worker."
                )
        elif not self._asked and not await self._is_queue_busy():
            self._asked = True
            await self._start()

    async def _is_queue_busy(self) -> bool:
        return any(
            other.state == JobState.RUNNING and _is_backup_job(other.kind)
            for other in await self._context[Jobs].active()
        )

    async def _start(self) -> None:
        command = _command(_BACKUP_WORKER)
        if command is None:
            print(
                f"No worker has claimed the job for {CLAIM_SECONDS:.0f} s, and sysndd-backup-worker"
                " is not installed here. Start the backup worker; this command keeps waiting.",
                file=sys.stderr,
            )
            return
        print(
            f"No worker has claimed the job for {CLAIM_SECONDS:.0f} s. This command runs it.",
            file=sys.stderr,
        )
        self._process = await asyncio.create_subprocess_exec(
            *("env", "LOG_LEVEL=error", *command, "job", self._job_id),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            preexec_fn=end_with_parent,
        )


async def ensure_platform_schema(database: Database) -> bool:
    """Create the platform schema if it is missing; return whether it was.

    Raises:
        SysnddError: The migrator is not installed here, or failed; the detail says what to run.
    """
    settings = database.settings
    if await read_site(database, settings.ops_name) is not None or await table_names(
        database, settings.ops_name
    ):
        return False
    command = _command(_MIGRATOR)
    if command is None:
        raise SysnddError(
            f"The platform schema {settings.ops_name} is missing, and sysndd-migrator is not"
            " installed here. Run `sysndd-migrator up` where it is, then repeat this command."
        )
    print(f"The platform schema {settings.ops_name} is missing; creating it.", file=sys.stderr)
    # In this mode, the migrator creates nothing in the application schema.
    output, code = await _run("env", "SCHEMA_MODE=observe", *command, "up")
    if code != 0:
        raise SysnddError(
            f"The platform schema {settings.ops_name} is missing and could not be created:"
            f" {output}. Run `sysndd-migrator up` with the migrator's database account, then repeat"
            " this command."
        )
    return True


async def _run(*command: str) -> tuple[str, int]:
    """Run a command; return the end of its output, and its exit code."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=end_with_parent,
    )
    output, _ = await process.communicate()
    text = " ".join(output.decode(errors="replace").split())[-_OUTPUT_CHARACTERS:].rstrip(".")
    return text, process.returncode or 0


def _command(program: tuple[str, str]) -> list[str] | None:
    """Return the command of a program: of this installation, or else on the PATH."""
    module, name = program
    if importlib.util.find_spec(module) is not None:
        return [sys.executable, "-m", module]
    found = shutil.which(name)
    return None if found is None else [found]


def _is_backup_job(kind: str) -> bool:
    model = job_type(kind)
    return model is not None and model.queue is Queue.BACKUP
