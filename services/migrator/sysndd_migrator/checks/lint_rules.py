"""The rules that ``lint`` goes by without a server: what one of the two servers would not take, and
what loses data, breaks the running release or hides errors.

Each looks at the statement's code. Text in strings counts only where a string becomes code: in
what is prepared or assigned to a variable.
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
    "ambiguous-file": "write it so that every client reads the same statements",
    "mariadb-only": "ask information_schema and PREPARE the statement, or drop and create; see "
    "`sysndd-migrator new`",
    "mysql-only": "what both servers know, such as COLLATE utf8mb4_unicode_ci",
    "missing-primary-key": "a PRIMARY KEY: replication and the dump's checks need one",
    "destructive": "stop using it in one release and drop it in a later one, then allow this rule "
    "with the reason",
    "rename": "add the new name, copy, and drop the old one a release later: the running release "
    "still asks for the old",
    "insert-ignore": "INSERT … SELECT … WHERE NOT EXISTS (…)",
    "other-schema": "names without a schema; what belongs to the server goes to deploy/accounts",
    "server-refuses": "what this server takes; the other flavour is tried with --server URL",
    "table-copy": "smaller steps, or an online schema change; or allow this rule with the time of "
    "the maintenance window",
    "allowance": "-- lint: allow rule-id reason",
}
"""Every rule, and what to write instead."""

_ALLOW = re.compile(
    r"^[ \t]*--[ \t]+lint:[ \t]*allow\b[ \t]*(\S*)[ \t]*(.*?)[ \t\r]*$", re.MULTILINE
)
_CONDITION = r"if\s+(?:not\s+)?exists\b"

# Rule, what starts the statement, what in it is the fault, and what to call it.
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
        "CREATE OR REPLACE of anything but a view is a syntax error on MySQL",
    ),
    (
        "mariadb-only",
        r"(?:create|drop)\b",
        rf"\A(?:create\s+(?:unique\s+|fulltext\s+|spatial\s+)?|drop\s+)index\s+{_CONDITION}",
        "IF [NOT] EXISTS of an index is a syntax error on MySQL",
    ),
    (
        "mariadb-only",
        "",
        r"\A(?:execute\s+immediate|begin\s+not\s+atomic|create\s+sequence|create\s+package)\b",
        "MySQL does not know this statement",
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
        "MySQL does not know this",
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
        "MariaDB before 11.4 does not know this collation",
    ),
    (
        "mysql-only",
        "",
        r"\bset\s+(?:persist|persist_only)\b|@@persist|\blateral\s*\(|->>?(?=\s*['\"])|\bmember\s+of\s*\(",
        "MariaDB does not know this",
    ),
    (
        "mysql-only",
        r"insert\b",
        r"\bas\s+\w+\s*(?:\([^)]*\)\s*)?on\s+duplicate\s+key\b",
        "MariaDB does not know the row alias of INSERT",
    ),
    (
        "mysql-only",
        r"(?:create|alter)\b",
        r"\b(?:index|key)\s+\w*\s*\(\s*\(|\bindex\b[^,]*\b(?:in)?visible\b",
        "MariaDB has neither indexes on expressions nor VISIBLE ones",
    ),
    (
        "destructive",
        r"drop\b",
        r"\Adrop\s+(?:table|database|schema)\b",
        "the rows are gone",
    ),
    ("destructive", r"truncate\b", r"\Atruncate\b", "the rows are gone"),
    (
        "destructive",
        r"alter\s+table\b",
        r"\bdrop\s+(?:column\s+)?(?:if\s+exists\s+)?"
        r"(?!(?:index|key|constraint|check|foreign|primary|default|period|system|if)\b)[\w`]+",
        "the values of the column or partition are gone",
    ),
    (
        "destructive",
        r"delete\b",
        r"\Adelete\s+from\s+\S+\s*\Z",
        "DELETE without WHERE: the rows are gone",
    ),
    (
        "rename",
        r"rename\s+table\b",
        r"\Arename\s+table\b",
        "RENAME TABLE takes the old name away",
    ),
    (
        "rename",
        r"alter\s+table\b",
        r"\brename\s+(?!(?:index|key)\b)(?:column\b|to\b|as\b|[\w`])",
        "RENAME takes the old name away",
    ),
    (
        "rename",
        r"alter\s+table\b",
        r"\bchange\s+(?:column\s+)?(?:if\s+exists\s+)?(?!(?:column|if)\b)(`[^`]+`|\w+)\s+(?!\1[\s(])[\w`]+",
        "CHANGE COLUMN takes the old name away",
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
        "this reaches beyond the schema",
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
    """Yield the faults of one statement: rule, offset in its text, and what is there."""
    yield from _in_code(mask_literals(statement.text), 0)
    if kind_of(statement) is Kind.SESSION or statement.plain[:7].lower() == "execute":
        for match in STRING.finditer(statement.text):
            inner = match[0][1:-1].replace("''", "  ")
            if _CLAUSE.match(inner):
                # Put behind ALTER TABLE elsewhere in the file.
                yield from _in_code(f"ALTER TABLE t {inner}", match.start())
            elif _WHOLE.match(inner):
                yield from _in_code(inner, match.start())


def _in_code(code: str, inside: int) -> Iterator[tuple[str, int, str]]:
    for rule, start, fault, message in _COMPILED:
        if start is not None and not start.match(code):
            continue
        match = fault.search(code)
        if match:
            shown = " ".join(match[0].split())
            yield rule, inside or match.start(), f"{shown}: {message}"
    if _CREATE_TABLE.match(code) and not _LIKE_OR_SELECT.search(code) and not _PRIMARY.search(code):
        yield "missing-primary-key", inside, "the table has no primary key"


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

    path: str
    line: int
    rule: str
    message: str
    instead: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.rule} {self.message} → {self.instead}"

    def document(self) -> dict[str, object]:
        """Return it as ``--json`` prints it."""
        return {
            "file": self.path,
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
        found.append(Finding(script.path, line, "allowance", message, RULES["allowance"]))
    return found
