"""What each account should be allowed, read from deploy/accounts/accounts.sql, and what it is."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_STATEMENT = re.compile(
    r"(?P<condition>(?:^-- only where the server knows: .+\n)?)"
    r"(?P<maria>/\*M!\d+ )?GRANT (?P<rights>[A-Z_, ]+?) ON (?P<scope>\S+)"
    r" TO 'sysndd_(?P<role>\w+)'@'%'",
    re.MULTILINE,
)
_HELD = re.compile(
    r"GRANT (?P<rights>.+?) ON (?P<scope>\S+) TO .*?(?P<option> WITH GRANT OPTION)?$"
)
_ALL = "ALL PRIVILEGES"


@dataclass
class Rights:
    """Privileges by scope: ``*.*``, ``schema.*`` or ``schema.table``, without quotes."""

    by_scope: dict[str, set[str]] = field(default_factory=dict)

    def add(self, scope: str, rights: Iterable[str]) -> None:
        """Add privileges on a scope."""
        self.by_scope.setdefault(scope, set()).update(rights)

    def without(self, other: "Rights") -> list[str]:
        """Return, as sentences' ends, what these have and others have not."""
        left = []
        for scope, rights in sorted(self.by_scope.items()):
            theirs = other.by_scope.get(scope, set())
            if _ALL in theirs:
                continue
            left += [f"{right} on {scope}" for right in sorted(rights - theirs)]
        return left


def expected(
    template: Path, *, schema: str, ops_schema: str, mariadb: bool, known: set[str]
) -> dict[str, Rights]:
    """Read the template's grants.

    Args:
        template: deploy/accounts/accounts.sql.
        schema, ops_schema: the deployment's names.
        mariadb: the server's vendor: some grants are for one alone.
        known: the server's privileges (SHOW PRIVILEGES), upper case with ``_`` for blanks.

    Returns:
        Rights by role: api, migrator, backup, load, mailer.
    """
    names: Mapping[str, str] = {
        "{{schema_pattern}}": schema,
        "{{ops_schema_pattern}}": ops_schema,
        "{{scratch_pattern}}": f"{schema}_%",
        "{{shadow_pattern}}": f"{schema}_shadow_%",
    }
    found: dict[str, Rights] = {}
    for match in _STATEMENT.finditer(template.read_text(encoding="utf-8")):
        condition = match["condition"].rpartition(": ")[2].strip().upper().replace(" ", "_")
        if (match["maria"] and not mariadb) or (condition and condition not in known):
            continue
        scope = match["scope"].replace("`", "")
        for placeholder, name in names.items():
            scope = scope.replace(placeholder, name)
        rights = {right.strip() for right in match["rights"].split(",")}
        found.setdefault(match["role"], Rights()).add(scope, rights)
    return found


def held(lines: Iterable[str]) -> Rights:
    """Read lines of SHOW GRANTS."""
    rights = Rights()
    for line in lines:
        match = _HELD.match(line)
        if match is None:
            if line.startswith("GRANT "):
                rights.add("*.*", {f"the role {line.split()[1]}"})
            continue
        # `_` is escaped or not: GRANT reads it as "any character" when it is not.
        scope = match["scope"].replace("`", "").replace("\\", "")
        given = {part.strip() for part in re.sub(r"\(.*?\)", "", match["rights"]).split(",")}
        given.discard("USAGE")
        if match["option"]:
            given.add("GRANT OPTION")
        if given:
            rights.add(scope, given)
    return rights
