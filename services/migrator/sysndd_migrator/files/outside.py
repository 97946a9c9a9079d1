"""Statements that reach beyond the schema of their file.

They cannot be run in a scratch schema, because they would change the live schema or the server.
They also break a restore, which loads the dump into a schema with another name.
"""

import re
from collections.abc import Iterable

from sysndd_core.db.schema_version import QueryRunner
from sysndd_migrator.files.lexing import mask_literals
from sysndd_migrator.files.splitter import Statement
from sysndd_migrator.files.units import Kind, kind_of

_READABLE = frozenset({"information_schema", "performance_schema"})
_SERVER_WIDE = re.compile(
    r"\A(?:set\s+(?:global|persist|persist_only|password|default\s+role|@@global|@@persist)\b"
    r"|grant\b|revoke\b|flush\b|reset\b|purge\b|kill\b|shutdown\b|install\b|uninstall\b"
    r"|change\s+(?:master|replication)\b|(?:start|stop)\s+(?:slave|replica|group_replication)\b"
    r"|(?:create(?:\s+or\s+replace)?|alter|drop|rename)\s+"
    r"(?:user|role|server|tablespace|logfile|resource|database|schema)\b)",
    re.IGNORECASE,
)
# In these, and where a variable is set, a string may become a statement.
_DYNAMIC = re.compile(r"\b(?:prepare|execute)\b", re.IGNORECASE)
_USE = re.compile(r"\Ause\b", re.IGNORECASE)
_QUALIFIED = re.compile(r"(?<![\w$.@`])(?:`((?:[^`]|``)+)`|([A-Za-z_$][\w$]*))\s*\.\s*[`\w]")


async def other_schemas(runner: QueryRunner) -> frozenset[str]:
    """Return the names, in lower case, that a qualified name must not start with."""
    rows = await runner.fetch_all("SELECT schema_name AS n FROM information_schema.schemata")
    return frozenset(str(row["n"]).lower() for row in rows) - _READABLE


def reaches_outside(statement: Statement, schemas: Iterable[str]) -> str | None:
    """Describe what a statement affects outside its own schema.

    Args:
        statement: One statement.
        schemas: Names of schemas, in lower case. Text in strings counts where it may become a
            prepared statement, which names its table there.

    Returns:
        A phrase such as ``names the schema sysndd``, or None.
    """
    text = statement.plain
    if kind_of(statement) is not Kind.SESSION and not _DYNAMIC.search(text):
        text = mask_literals(text)  # a link in the text of a row resembles a qualified name
    if _SERVER_WIDE.match(text):
        return "changes the server, not only this schema"
    if _USE.match(text):
        return "changes the default schema"
    known = frozenset(schemas)
    for quoted, word in _QUALIFIED.findall(text):
        name = (quoted.replace("``", "`") or word).lower()
        if name in known:
            return f"names the schema {name}"
    return None
