"""The privileges that each account needs (deploy/accounts/accounts.sql), and those that it has."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_STATEMENT = re.compile(
    r"(?P<condition>(?:^-- requires privilege: .+\n)?)"
    r"(?P<maria>/\*M!\d+ )?GRANT (?P<privileges>[A-Z_, ]+?) ON (?P<scope>\S+)"
    r" TO 'sysndd_(?P<role>\w+)'@'%'",
    re.MULTILINE,
)
_HELD = re.compile(
    r"GRANT (?P<privileges>.+?) ON (?P<scope>\S+) TO .*?(?P<option> WITH GRANT OPTION)?$"
)
_ALL = "ALL PRIVILEGES"


@dataclass
class Privileges:
    """Privileges by scope: ``*.*``, ``schema.*`` or ``schema.table``, without quotes."""

    by_scope: dict[str, set[str]] = field(default_factory=dict)

    def add(self, scope: str, privileges: Iterable[str]) -> None:
        """Add privileges on a scope."""
        self.by_scope.setdefault(scope, set()).update(privileges)

    def without(self, other: "Privileges") -> list[str]:
        """Return the privileges that ``other`` lacks, as texts such as ``SELECT on schema.*``."""
        missing = []
        for scope, privileges in sorted(self.by_scope.items()):
            held = other.by_scope.get(scope, set())
            if _ALL in held:
                continue
            missing += [f"{privilege} on {scope}" for privilege in sorted(privileges - held)]
        return missing


def expected(
    template: Path, *, schema: str, ops_schema: str, mariadb: bool, known: set[str]
) -> dict[str, Privileges]:
    """Read the grants in the template.

    Args:
        template: deploy/accounts/accounts.sql.
        schema: the application schema.
        ops_schema: the platform schema.
        mariadb: whether the server is MariaDB; some grants are for one vendor only.
        known: the privileges of the server (SHOW PRIVILEGES), upper case with ``_`` for spaces.

    Returns:
        Privileges by role: api, migrator, backup, load, mailer.
    """
    names: Mapping[str, str] = {
        "{{schema_pattern}}": schema,
        "{{ops_schema_pattern}}": ops_schema,
        "{{scratch_pattern}}": f"{schema}_%",
        "{{shadow_pattern}}": f"{schema}_shadow_%",
    }
    found: dict[str, Privileges] = {}
    for match in _STATEMENT.finditer(template.read_text(encoding="utf-8")):
        condition = match["condition"].rpartition(": ")[2].strip().upper().replace(" ", "_")
        if (match["maria"] and not mariadb) or (condition and condition not in known):
            continue
        scope = match["scope"].replace("`", "")
        for placeholder, name in names.items():
            scope = scope.replace(placeholder, name)
        privileges = {name.strip() for name in match["privileges"].split(",")}
        found.setdefault(match["role"], Privileges()).add(scope, privileges)
    return found


def held(lines: Iterable[str]) -> Privileges:
    """Read the lines of SHOW GRANTS."""
    found = Privileges()
    for line in lines:
        match = _HELD.match(line)
        if match is None:
            if line.startswith("GRANT "):
                found.add("*.*", {f"the role {line.split()[1]}"})
            continue
        # `_` may be escaped or not; unescaped, it matches any character.
        scope = match["scope"].replace("`", "").replace("\\", "")
        given = {part.strip() for part in re.sub(r"\(.*?\)", "", match["privileges"]).split(",")}
        given.discard("USAGE")
        if match["option"]:
            given.add("GRANT OPTION")
        if given:
            found.add(scope, given)
    return found
