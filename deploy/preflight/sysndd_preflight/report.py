"""The report, as text for people, as JSON and as JUnit XML."""

import json
from collections.abc import Sequence
from xml.etree import ElementTree

from sysndd_preflight.catalog import Phase, Severity, Status
from sysndd_preflight.runner import Result

_LABELS = {Status.PASS: "ok", Status.WARN: "WARN", Status.FAIL: "FAIL", Status.SKIP: "--"}


class Progress:
    """Prints each result under the heading of its phase."""

    def __init__(self) -> None:
        self._phase: Phase | None = None

    def show(self, result: Result) -> None:
        """Print one result."""
        if result.check.phase is not self._phase:
            self._phase = result.check.phase
            print(f"{self._phase}", flush=True)
        print(line(result), flush=True)


def overall(results: Sequence[Result], *, strict: bool) -> Status:
    """Return ``pass``, ``warn`` or ``fail``.

    Args:
        results: of all checks.
        strict: treat warnings as failures.
    """
    found = {result.status for result in results}
    if Status.FAIL in found or (strict and Status.WARN in found):
        return Status.FAIL
    if found <= {Status.SKIP}:
        # Nothing was checked, so the deployment did not pass.
        return Status.FAIL
    return Status.WARN if Status.WARN in found else Status.PASS


def line(result: Result) -> str:
    """Render one result as a line, followed by its remedy if there is a problem."""
    text = f"  {_LABELS[result.status]:<4}  {result.check.id:<24} {result.finding}"
    if result.remedy:
        text += f"\n        {'remedy:':<24} {result.remedy}"
    return text


def summary(results: Sequence[Result], status: Status) -> str:
    """Render the logs of the failures, the list of remedies, and the verdict as the last line."""
    parts = []
    for result in results:
        if result.status is Status.FAIL and result.log:
            parts.append(
                f"\n{result.check.id} ({result.check.phase}): last log lines\n"
                + "\n".join(f"    {text}" for text in result.log)
            )
    problems = [result for result in results if result.status in (Status.FAIL, Status.WARN)]
    if problems:
        parts.append("\nFix these problems in this order:")
        parts += [
            f"  {number}. [{result.check.id}] {result.finding}\n     → {result.remedy}"
            for number, result in enumerate(problems, 1)
        ]
    counted = {kind: sum(result.status is kind for result in results) for kind in Status}
    verdict = {Status.PASS: "PASS", Status.WARN: "PASS with warnings"}.get(status, "FAIL")
    parts.append(
        f"\n{verdict}: {counted[Status.PASS]} passed, {counted[Status.FAIL]} failed,"
        f" {counted[Status.WARN]} warnings, {counted[Status.SKIP]} skipped"
    )
    return "\n".join(parts)


def as_json(results: Sequence[Result], status: Status) -> str:
    """Render the documented JSON object: status and checks."""
    checks = [
        {
            "id": result.check.id,
            "severity": result.severity.value,
            "status": result.status.value,
            "finding": result.finding,
            "remedy": result.remedy,
            "ms": result.ms,
        }
        for result in results
    ]
    return json.dumps({"status": status.value, "checks": checks}, indent=2, ensure_ascii=False)


def as_junit(results: Sequence[Result]) -> str:
    """Render JUnit XML for CI systems; a warning is a success with its text as output."""
    suite = ElementTree.Element(
        "testsuite",
        name="sysndd-preflight",
        tests=str(len(results)),
        failures=str(sum(result.status is Status.FAIL for result in results)),
        skipped=str(sum(result.status is Status.SKIP for result in results)),
        time=f"{sum(result.ms for result in results) / 1000:.3f}",
    )
    for result in results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"preflight.{result.check.phase}",
            name=result.check.id,
            time=f"{result.ms / 1000:.3f}",
        )
        if result.status is Status.FAIL:
            failure = ElementTree.SubElement(case, "failure", message=_xml(result.finding))
            failure.text = _xml(f"remedy: {result.remedy}")
        elif result.status is Status.SKIP:
            ElementTree.SubElement(case, "skipped", message=_xml(result.finding))
        output = [result.finding, *result.log]
        if result.severity is Severity.WARNING and result.remedy:
            output.insert(1, f"remedy: {result.remedy}")
        ElementTree.SubElement(case, "system-out").text = _xml("\n".join(output))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def _xml(text: str) -> str:
    """Remove characters that XML 1.0 does not allow, such as terminal codes in logs."""
    return "".join(c for c in text if c in "\t\n\r" or ord(c) >= 0x20)
