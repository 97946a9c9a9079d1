"""Runs checks one after another, each within its time limit."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sysndd_core.errors import SysnddError
from sysndd_preflight.catalog import Check, Problem, Severity, Skipped, Status
from sysndd_preflight.deployment import Deployment

LOG_LINES = 50


@dataclass(frozen=True)
class Result:
    """The result of one check.

    Attributes:
        check: the check.
        status: its outcome.
        finding: what was found.
        remedy: what to do; None unless there is a problem.
        ms: duration in milliseconds.
        log: last log lines of the programs concerned, if there is a problem.
    """

    check: Check
    status: Status
    finding: str
    remedy: str | None
    ms: int
    log: list[str] = field(default_factory=list)

    @property
    def severity(self) -> Severity:
        """The severity of the result; a problem may be less severe than its check."""
        return Severity.WARNING if self.status is Status.WARN else self.check.severity


async def run(
    deployment: Deployment, checks: Iterable[Check], report: Callable[[Result], None]
) -> list[Result]:
    """Run checks in order.

    Args:
        deployment: the deployment to check.
        checks: in the order in which they run.
        report: called with each result as soon as it is known.
    """
    results = []
    for check in checks:
        started = time.perf_counter()
        status, finding, remedy, log = await _run_one(deployment, check)
        ms = round((time.perf_counter() - started) * 1000)
        results.append(Result(check, status, finding, remedy, ms, log))
        report(results[-1])
    return results


async def _run_one(
    deployment: Deployment, check: Check
) -> tuple[Status, str, str | None, list[str]]:
    failure = Status.FAIL if check.severity is Severity.ERROR else Status.WARN
    try:
        async with asyncio.timeout(check.seconds):
            return Status.PASS, await check.function(deployment), None, []
    except Skipped as reason:
        return Status.SKIP, str(reason), None, []
    except Problem as problem:
        status = Status.WARN if problem.warning else failure
        log = problem.log or _service_logs(deployment, check)
        return status, problem.finding, problem.remedy or check.remedy, log
    except TimeoutError:
        finding = f"the check timed out after {check.seconds:g} s"
    except SysnddError as error:
        finding = error.detail
    except Exception as error:  # noqa: BLE001 - the other checks must still run
        finding = f"{type(error).__name__}: {error}"
    return failure, finding, check.remedy, _service_logs(deployment, check)


def _service_logs(deployment: Deployment, check: Check) -> list[str]:
    lines: list[str] = []
    for name in check.logs:
        service, share = deployment.services.get(name), LOG_LINES // len(check.logs)
        if service is not None and service.log is not None:
            lines += [f"{name}: {line}" for line in last_lines(service.log, share)]
        elif deployment.project is not None:
            lines += deployment.project.logs(name, share)
    return lines


def last_lines(log: bytes | Path | None, count: int = LOG_LINES) -> list[str]:
    """Return the last lines of a log or of a log file; none when there is no such file."""
    if isinstance(log, Path):
        log = log.read_bytes() if log.is_file() else b""
    return (log or b"")[-200_000:].decode("utf-8", "replace").splitlines()[-count:]
