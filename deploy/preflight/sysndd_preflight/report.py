"""What a person, a script and a CI system get to read."""

import json
from collections.abc import Sequence
from xml.etree import ElementTree

from sysndd_preflight.catalog import Severity, Status
from sysndd_preflight.runner import Result

_MARKS = {Status.PASS: "ok", Status.WARN: "WARN", Status.FAIL: "FAIL", Status.SKIP: "--"}


def overall(results: Sequence[Result], *, strict: bool) -> Status:
    """Return ``pass``, ``warn`` or ``fail``.

    Args:
        results: of all checks.
        strict: a warning is a failure.
    """
    found = {result.status for result in results}
    if Status.FAIL in found or (strict and Status.WARN in found):
        return Status.FAIL
    if found <= {Status.SKIP}:
        # Nothing was looked at: that is not a pass.
        return Status.FAIL
    return Status.WARN if Status.WARN in found else Status.PASS


def line(result: Result) -> str:
    """Render one result as one line, and what is to be done under it."""
    text = f"  {_MARKS[result.status]:<4}  {result.check.id:<24} {result.saw}"
    if result.mend:
        text += f"\n        {'mend:':<24} {result.mend}"
    return text


def summary(results: Sequence[Result], status: Status) -> str:
    """Render what failed, with its log, and the verdict as the last line."""
    parts = []
    for result in results:
        if result.status is Status.FAIL and result.log:
            parts.append(
                f"\n{result.check.id} ({result.check.phase}): the last log lines\n"
                + "\n".join(f"    {text}" for text in result.log)
            )
    bad = [result for result in results if result.status in (Status.FAIL, Status.WARN)]
    if bad:
        parts.append("\nTo do, in this order:")
        parts += [
            f"  {number}. [{result.check.id}] {result.saw}\n     → {result.mend}"
            for number, result in enumerate(bad, 1)
        ]
    counted = {kind: sum(result.status is kind for result in results) for kind in Status}
    verdict = {Status.PASS: "PASS", Status.WARN: "PASS, with warnings"}.get(status, "FAIL")
    parts.append(
        f"\n{verdict}: {counted[Status.PASS]} passed, {counted[Status.FAIL]} failed,"
        f" {counted[Status.WARN]} warned, {counted[Status.SKIP]} not made here"
    )
    return "\n".join(parts)


def as_json(results: Sequence[Result], status: Status) -> str:
    """Render the documented object: status and checks."""
    checks = [
        {
            "id": result.check.id,
            "severity": result.severity.value,
            "status": result.status.value,
            "saw": result.saw,
            "mend": result.mend,
            "ms": result.ms,
        }
        for result in results
    ]
    return json.dumps({"status": status.value, "checks": checks}, indent=2, ensure_ascii=False)


def as_junit(results: Sequence[Result]) -> str:
    """Render the XML that CI systems read; a warning is a success with its text."""
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
            failure = ElementTree.SubElement(case, "failure", message=_xml(result.saw))
            failure.text = _xml(f"mend: {result.mend}")
        elif result.status is Status.SKIP:
            ElementTree.SubElement(case, "skipped", message=_xml(result.saw))
        output = [result.saw, *result.log]
        if result.severity is Severity.WARNING and result.mend:
            output.insert(1, f"mend: {result.mend}")
        ElementTree.SubElement(case, "system-out").text = _xml("\n".join(output))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)


def _xml(text: str) -> str:
    """Leave out what XML 1.0 can't hold: log lines may have terminal codes."""
    return "".join(c for c in text if c in "\t\n\r" or ord(c) >= 0x20)
