"""Runs checks one after another, each within its time limit."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sysndd_core.errors import SysnddError
from sysndd_preflight.catalog import Check, NotHere, Problem, Severity, Status
from sysndd_preflight.deployment import Deployment

LOG_LINES = 50


@dataclass(frozen=True)
class Result:
    """How one check ended.

    Attributes:
        saw: what was found.
        mend: what to do; None unless there is something to mend.
        log: last lines of the programs concerned, on failure.
    """

    check: Check
    status: Status
    saw: str
    mend: str | None
    ms: int
    log: list[str] = field(default_factory=list)

    @property
    def severity(self) -> Severity:
        """What it counts as: a problem may be less serious than its check."""
        return Severity.WARNING if self.status is Status.WARN else self.check.severity


async def run(
    deployment: Deployment, checks: Iterable[Check], tell: Callable[[Result], None]
) -> list[Result]:
    """Run checks in order; each result is told when it is there.

    Args:
        deployment: what is looked at.
        checks: in the order in which they are to run.
        tell: called once for each result.
    """
    results = []
    for check in checks:
        begun = time.perf_counter()
        status, saw, mend, log = await _run_one(deployment, check)
        ms = round((time.perf_counter() - begun) * 1000)
        results.append(Result(check, status, saw, mend, ms, log))
        tell(results[-1])
    return results


async def _run_one(
    deployment: Deployment, check: Check
) -> tuple[Status, str, str | None, list[str]]:
    bad = Status.FAIL if check.severity is Severity.ERROR else Status.WARN
    try:
        async with asyncio.timeout(check.seconds):
            return Status.PASS, await check.function(deployment), None, []
    except NotHere as reason:
        return Status.SKIP, str(reason), None, []
    except Problem as problem:
        status = Status.WARN if problem.warning else bad
        log = problem.log or _last_lines(deployment, check)
        return status, problem.saw, problem.mend or check.mend, log
    except TimeoutError:
        saw = f"It did not end within {check.seconds:g} s."
    except SysnddError as error:
        saw = error.detail
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks must still run
        saw = f"{type(error).__name__}: {error}"
    return bad, saw, check.mend, _last_lines(deployment, check)


def _last_lines(deployment: Deployment, check: Check) -> list[str]:
    lines: list[str] = []
    for name in check.logs:
        service, share = deployment.services.get(name), LOG_LINES // len(check.logs)
        if service is not None and service.log is not None:
            lines += [f"{name}: {line}" for line in tail(service.log, share)]
        elif deployment.project is not None:
            lines += deployment.project.logs(name, share)
    return lines


def tail(log: bytes | Path, lines: int = LOG_LINES) -> list[str]:
    """Return the last lines of a log, or of a file that is one; none when there is no file."""
    if isinstance(log, Path):
        log = log.read_bytes() if log.is_file() else b""
    return log[-200_000:].decode("utf-8", "replace").splitlines()[-lines:]
