"""What a migration should not say, by rule; ``lint_trial`` adds what only a server knows.

A finding is one line: ``file:line rule-id message → what to write instead``. It is silenced by a
comment in front of the statement, with a reason: ``-- lint: allow rule-id reason``.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sysndd_migrator.checks.lint_rules import RULES, by_rule
from sysndd_migrator.errors import AmbiguousFile
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.splitter import Statement

_ALLOW = re.compile(
    r"^[ \t]*--[ \t]+lint:[ \t]*allow\b[ \t]*(\S*)[ \t]*(.*?)[ \t\r]*$", re.MULTILINE
)


@dataclass(frozen=True)
class Finding:
    """One fault.

    Attributes:
        place: the file, with its directory.
        line: line in it, from 1.
        rule: id of the rule.
        message: what is there.
        instead: what to write instead.
    """

    place: str
    line: int
    rule: str
    message: str
    instead: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line} {self.rule} {self.message} → {self.instead}"

    def document(self) -> dict[str, object]:
        """Return it as ``--json`` prints it."""
        return {
            "file": self.place,
            "line": self.line,
            "rule": self.rule,
            "message": self.message,
            "instead": self.instead,
        }


def check(script: Script) -> list[Finding]:
    """Check one file by the rules alone; asks no server.

    Args:
        script: the file.

    Returns:
        The findings that no comment allows, in the order of the lines.
    """
    try:
        statements = script.statements
        _ = script.units
    except AmbiguousFile as error:
        return [
            Finding(
                script.place, error.line, "ambiguous-file", error.reason, RULES["ambiguous-file"]
            )
        ]
    found = _misused_allowances(script)
    for statement, allowed in with_allowances(script, statements):
        for rule, offset, message in by_rule(statement):
            if rule not in allowed:
                line = statement.line + statement.text.count("\n", 0, offset)
                found.append(Finding(script.place, line, rule, message, RULES[rule]))
    return sorted(found, key=lambda finding: (finding.line, finding.rule))


def with_allowances(
    script: Script, statements: Sequence[Statement]
) -> list[tuple[Statement, Collection[str]]]:
    """Pair each statement with the rules that the comments before and inside it allow."""
    paired: list[tuple[Statement, Collection[str]]] = []
    behind = 0
    for statement in statements:
        text = script.data[behind : statement.end].decode()
        paired.append((statement, {match[1] for match in _ALLOW.finditer(text) if match[2]}))
        behind = statement.end
    return paired


def _misused_allowances(script: Script) -> list[Finding]:
    text = script.data.decode()
    found = []
    for match in _ALLOW.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match[1] not in RULES:
            message = f"there is no rule {match[1] or '(none named)'}"
        elif not match[2]:
            message = f"{match[1]} is allowed without a reason"
        else:
            continue
        found.append(Finding(script.place, line, "allowance", message, RULES["allowance"]))
    return found
