"""What a worker of jobs does with a claimed row: run the typed job and record how it ended."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sysndd_core.errors import JobCancelled, LeaseLost, SysnddError
from sysndd_core.jobs.leases import Claim, Ending
from sysndd_core.jobs.models import Job, job_type
from sysndd_core.jobs.rows import JobRows
from sysndd_core.jobs.worker import Perform
from sysndd_core.logging import get_logger

log = get_logger(__name__)


class Progress(Protocol):
    """Shows where a job is; raises ``LeaseLost`` when the row is no longer ours."""

    async def __call__(self, step: str, percent: int, message: str = "") -> None:
        """Write step, percent (0 to 100) and a sentence into the row."""


@dataclass(frozen=True)
class JobRun:
    """One attempt at a job, as its handler sees it.

    Attributes:
        id: the job's id.
        requested_by: user id, or None for the system itself.
        progress: shows where the job is.
    """

    id: str
    requested_by: int | None
    progress: Progress


JobHandler = Callable[[Any, JobRun], Awaitable[dict[str, Any]]]
"""Takes the job's model and its run; returns the result that goes into the row."""


def job_performer(rows: JobRows, handlers: dict[type[Job], JobHandler]) -> Perform:
    """Build the ``Perform`` that runs typed jobs and records how they ended.

    Args:
        rows: the job table.
        handlers: exactly one handler for each model of the queue.
    """

    async def perform(claim: Claim) -> None:
        shown = ""

        async def progress(step: str, percent: int, message: str = "") -> None:
            nonlocal shown
            await rows.progress(claim, step=step, percent=percent, message=message)
            if step != shown:
                shown = step
                log.info("job_step", step=step, percent=percent, message=message)

        log.info("job_started", kind=claim.row["kind"])
        try:
            job, handler = _resolve(claim, handlers)
            result = await handler(job, JobRun(claim.id, claim.row["requested_by"], progress))
            await _record(lambda: rows.succeed(claim, result))
            log.info("job_succeeded", kind=claim.row["kind"])
        except LeaseLost:
            log.warning("job_lease_lost", kind=claim.row["kind"])
        except asyncio.CancelledError:
            await _broken_off(rows, claim)
        except SysnddError as error:
            log.error("job_failed", kind=claim.row["kind"], code=error.code, error=error.detail)
            code, text = error.code, error.detail
            await _record(lambda: rows.fail(claim, code, text))
        except Exception as error:
            log.exception("job_failed", kind=claim.row["kind"])
            text = f"Unexpected {type(error).__name__}; see the worker's log for this job id."
            await _record(lambda: rows.fail(claim, SysnddError.code, text))
        finally:
            # The sweep makes up what is missed here.
            with contextlib.suppress(SysnddError):
                await rows.outcomes.write()

    return perform


def _resolve(claim: Claim, handlers: dict[type[Job], JobHandler]) -> tuple[Job, JobHandler]:
    model = job_type(claim.row["kind"])
    if model is None or model not in handlers:
        raise SysnddError(f"This version does not know the job kind {claim.row['kind']!r}.")
    return model.model_validate_json(claim.row["payload"]), handlers[model]


async def _broken_off(rows: JobRows, claim: Claim) -> None:
    log.warning("job_broken_off", kind=claim.row["kind"], reason=claim.ending)
    with contextlib.suppress(LeaseLost):
        if claim.ending is Ending.CANCEL_REQUESTED:
            await rows.end(
                claim, "cancelled", "error_code = %s, error = %s", JobCancelled.code,
                "Cancelled on request.",
            )  # fmt: skip
        elif claim.ending is Ending.WORKER_STOPPING:
            await rows.hand_back(claim)


async def _record(outcome: Callable[[], Awaitable[None]]) -> None:
    """Write how a job ended, patiently: the database may be what failed.

    A success that could not be written must not become a failure. What can't be written in this
    time is found by the sweep when the lease has run out, and done again.
    """
    for pause in (0.5, 1, 2, 4, 0):
        try:
            await outcome()
            return
        except LeaseLost:
            return
        except SysnddError as problem:
            log.warning("outcome_not_recorded", code=problem.code)
            await asyncio.sleep(pause)
