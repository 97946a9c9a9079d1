"""The static rules of ``lint``: statements that one server rejects, lose data or hide errors.

A rule reads the code of a statement. Text in strings counts only where a string becomes code: in
PREPARE, or in an assignment to a variable. A finding is one line:
``file:line rule-id message → what to write instead``. A comment before the statement allows a
rule, with a reason: ``-- lint: allow rule-id reason``.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sysndd_migrator.errors import AmbiguousFile
from sysndd_migrator.files.lexing import STRING, mask_literals
from sysndd_migrator.files.script import Script
from sysndd_migrator.files.splitter import Statement
from sysndd_migrator.files.units import Kind, kind_of

RULES = {
    "ambiguous-file": "SQL that every client splits into the same statements",
    "mariadb-only": "a query of information_schema with PREPARE, or drop and create; see the "
    "patterns of `sysndd-migrator new`",
    "mysql-only": "syntax of both servers, such as COLLATE utf8mb4_unicode_ci",
    "missing-primary-key": "a PRIMARY KEY; replication and the verification of backups need one",
    "destructive": "stop using it in one release, drop it in a later one, and allow this rule "
    "with the reason",
    "rename": "add the new name, copy, and drop the old name one release later; the running "
    "release still uses it",
    "insert-ignore": "INSERT … SELECT … WHERE NOT EXISTS (…)",
    "other-schema": "names without a schema; statements about the server belong in deploy/accounts",
    "server-refuses": "SQL that this server accepts; check the other vendor with --server URL",
    "table-copy": "smaller steps, or an online schema change; or allow this rule with the "
    "duration and the maintenance window as the reason",
    "allowance": "-- lint: allow rule-id reason",
}
"""Each rule, and what to write instead."""

_ALLOW = re.compile(
    r"^[ \t]*--[ \t]+lint:[ \t]*allow\b[ \t]*(\S*)[ \t]*(.*?)[ \t\r]*$", re.MULTILINE
)
_CONDITION = r"if\s+(?:not\s+)?exists\b"

# Rule, start of the statement, the violation in it, and the message.
_PATTERNS: tuple[tuple[str, str, str, str], ...] = (
    (
        "mariadb-only",
        r"alter\s+table\b",
        r"\b(?:add|drop|modify|change|rename)\s+(?:unique\s+)?(?:(?:column|index|key|constraint|partition"
        rf"|foreign\s+key|primary\s+key)\s+)?{_CONDITION}",
        "IF [NOT] EXISTS inside ALTER TABLE is a syntax error on MySQL",
    ),
    (
        "mariadb-only",
        r"(?:alter|rename)\s+table\b",
        rf"\A(?:alter\s+table|rename\s+table)\s+{_CONDITION}",
        "ALTER or RENAME TABLE IF EXISTS is a syntax error on MySQL",
    ),
    (
        "mariadb-only",
        r"create\b",
        r"\Acreate\s+or\s+replace\s+(?:definer\s*=\s*\S+\s+)?(?:temporary\s+|aggregate\s+|unique\s+)?"
        r"(?:table|index|trigger|procedure|function|event|sequence|user|role|database|schema)\b",
        "CREATE OR REPLACE is a syntax error on MySQL, except for a view",
    ),
    (
        "mariadb-only",
        r"(?:create|drop)\b",
        rf"\A(?:create\s+(?:unique\s+|fulltext\s+|spatial\s+)?|drop\s+)index\s+{_CONDITION}",
        "IF [NOT] EXISTS for an index is a syntax error on MySQL",
    ),
    (
        "mariadb-only",
        "",
        r"\A(?:execute\s+immediate|begin\s+not\s+atomic|create\s+sequence|create\s+package)\b",
        "MySQL does not support this statement",
    ),
    (
        "mariadb-only",
        r"(?:insert|replace|delete)\b",
        r"\breturning\b",
        "RETURNING is a syntax error on MySQL",
    ),
    (
        "mariadb-only",
        "",
        r"\b(?:utf8mb4_)?uca1400_\w+|\bwith\s+system\s+versioning\b|/\*M!",
        "MySQL does not support this",
    ),
    (
        "mariadb-only",
        r"create\s+table\b|alter\s+table\b",
        r"(?<=\s)(?:uuid|inet4|inet6)(?=\s*(?:,|\)|not\b|null\b|default\b|primary\b))",
        "MySQL does not have this type",
    ),
    (
        "mysql-only",
        "",
        r"\butf8mb4_\w*0900_\w+",
        "MariaDB before 11.4 does not support this collation",
    ),
    (
        "mysql-only",
        "",
        r"\bset\s+(?:persist|persist_only)\b|@@persist|\blateral\s*\(|->>?(?=\s*['\"])|\bmember\s+of\s*\(",
        "MariaDB does not support this",
    ),
    (
        "mysql-only",
        r"insert\b",
        r"\bas\s+\w+\s*(?:\([^)]*\)\s*)?on\s+duplicate\s+key\b",
        "MariaDB does not support the row alias of INSERT",
    ),
    (
        "mysql-only",
        r"(?:create|alter)\b",
        r"\b(?:index|key)\s+\w*\s*\(\s*\(|\bindex\b[^,]*\b(?:in)?visible\b",
        "MariaDB supports neither indexes on expressions nor VISIBLE",
    ),
    (
        "destructive",
        r"drop\b",
        r"\Adrop\s+(?:table|database|schema)\b",
        "deletes the rows",
    ),
    ("destructive", r"truncate\b", r"\Atruncate\b", "deletes the rows"),
    (
        "destructive",
        r"alter\s+table\b",
        r"\bdrop\s+(?:column\s+)?(?:if\s+exists\s+)?"
        r"(?!(?:index|key|constraint|check|foreign|primary|default|period|system|if)\b)[\w`]+",
        "deletes the values of the column or partition",
    ),
    (
        "destructive",
        r"delete\b",
        r"\Adelete\s+from\s+\S+\s*\Z",
        "DELETE without WHERE deletes all rows",
    ),
    (
        "rename",
        r"rename\s+table\b",
        r"\Arename\s+table\b",
        "RENAME TABLE removes the old name",
    ),
    (
        "rename",
        r"alter\s+table\b",
        r"\brename\s+(?!(?:index|key)\b)(?:column\b|to\b|as\b|[\w`])",
        "RENAME removes the old name",
    ),
    (
        "rename",
        r"alter\s+table\b",
        r"\bchange\s+(?:column\s+)?(?:if\s+exists\s+)?(?!(?:column|if)\b)(`[^`]+`|\w+)\s+(?!\1[\s(])[\w`]+",
        "CHANGE COLUMN removes the old name",
    ),
    (
        "insert-ignore",
        r"(?:insert|update|load)\b",
        r"\A(?:(?:insert|update)\s+(?:low_priority\s+|delayed\s+|high_priority\s+)?ignore\b|load\b.*?\bignore\s+into\b)",
        "hides every error of the statement",
    ),
    (
        "other-schema",
        "",
        r"\A(?:use\b|grant\b|revoke\b|set\s+(?:global|@@global)\b|flush\b"
        r"|(?:create|alter|drop)\s+(?:user|role|database|schema)\b)",
        "affects more than the schema",
    ),
)
_COMPILED = tuple(
    (
        rule,
        re.compile(rf"\A\s*(?:{start})", re.IGNORECASE) if start else None,
        re.compile(fault.replace(r"\A", r"\A\s*"), re.IGNORECASE | re.DOTALL),
        message,
    )
    for rule, start, fault, message in _PATTERNS
)
_CREATE_TABLE = re.compile(
    r"\A\s*create\s+(?:or\s+replace\s+)?table\s+(?:if\s+not\s+exists\s+)?\S+\s*\(", re.IGNORECASE
)
_LIKE_OR_SELECT = re.compile(r"\(\s*(?:like|select)\b", re.IGNORECASE)
_PRIMARY = re.compile(r"\bprimary\s+key\b", re.IGNORECASE)
_CLAUSE = re.compile(
    r"\s*(?:(?:add|modify|change)\s|(?:drop|rename)\s+"
    r"(?!(?:table|view|trigger|procedure|function|event|database|schema|temporary|user)\b))",
    re.IGNORECASE,
)
_WHOLE = re.compile(
    r"\s*(?:alter|create|drop|rename|truncate|insert|update|delete|replace)\s", re.IGNORECASE
)


def by_rule(statement: Statement) -> Iterator[tuple[str, int, str]]:
    """Yield the findings of one statement: rule, offset in its text, message."""
    yield from _in_code(mask_literals(statement.text), 0)
    if kind_of(statement) is Kind.SESSION or statement.plain[:7].lower() == "execute":
        for match in STRING.finditer(statement.text):
            inner = match[0][1:-1].replace("''", "  ")
            if _CLAUSE.match(inner):
                # Appended to ALTER TABLE elsewhere in the file.
                yield from _in_code(f"ALTER TABLE t {inner}", match.start())
            elif _WHOLE.match(inner):
                yield from _in_code(inner, match.start())


def _in_code(code: str, inside: int) -> Iterator[tuple[str, int, str]]:
    for rule, start, fault, message in _COMPILED:
        if start is not None and not start.match(code):
            continue
        match = fault.search(code)
        if match:
            matched = " ".join(match[0].split())
            yield rule, inside or match.start(), f"{matched}: {message}"
    if _CREATE_TABLE.match(code) and not _LIKE_OR_SELECT.search(code) and not _PRIMARY.search(code):
        yield "missing-primary-key", inside, "the table has no primary key"


@dataclass(frozen=True)
class Finding:
    """One violation of a rule.

    Attributes:
        path: Path of the file.
        line: Line in the file, from 1.
        rule: ID of the rule.
        message: What the rule found.
        instead: What to write instead.
    """

    path: str
    line: int
    rule: str
    message: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.rule} {self.message} → {self.instead}"

    def document(self) -> dict[str, object]:
        """Return the finding as ``--json`` prints it."""
        return {
            "file": self.path,
            "line": self.line,
            "rule": self.rule,
            "message": self.message,
            "instead": self.instead,
        }


def check(script: Script) -> list[Finding]:
    """Check one file with the static rules; needs no server.

    Args:
        script: The file.

    Returns:
        The findings that no comment allows, in the order of the lines.
    """
    try:
        statements = script.statements
        _ = script.units
    except AmbiguousFile as error:
        return [
            Finding(
                script.path, error.line, "ambiguous-file", error.reason, RULES["ambiguous-file"]
            )
        ]
    found = _misused_allowances(script)
    for statement, allowed in with_allowances(script, statements):
        for rule, offset, message in by_rule(statement):
            if rule not in allowed:
                line = statement.line + statement.text.count("\n", 0, offset)
                found.append(Finding(script.path, line, rule, message, RULES[rule]))
    return sorted(found, key=lambda finding: (finding.line, finding.rule))


def with_allowances(
    script: Script, statements: Sequence[Statement]
) -> list[tuple[Statement, Collection[str]]]:
    """Pair each statement with the rules that comments before and inside it allow."""
    paired: list[tuple[Statement, Collection[str]]] = []
    end = 0
    for statement in statements:
        text = script.data[end : statement.end].decode()
        paired.append((statement, {match[1] for match in _ALLOW.finditer(text) if match[2]}))
        end = statement.end
    return paired


def _misused_allowances(script: Script) -> list[Finding]:
    text = script.data.decode()
    found = []
    for match in _ALLOW.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match[1] not in RULES:
            message = f"the rule {match[1] or '(empty)'} does not exist"
        elif not match[2]:
            message = f"{match[1]} is allowed without a reason"
        else:
            continue
        found.append(Finding(script.path, line, "allowance", message, RULES["allowance"]))
    return found
