"""Checks that the account has the privileges for a complete dump.

Without TRIGGER, EVENT or a privilege on routines, the server hides these objects, and the dump
client omits them without an error. So the privileges are checked before each dump.
"""

import re
from collections.abc import Iterable

from sysndd_backup.server.server import Server
from sysndd_core.db.database import Database
from sysndd_core.errors import MissingPrivileges

_NEEDED = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")
# With any of these, information_schema lists a routine.
_SHOWS_ROUTINES = ("EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE", "SHOW CREATE ROUTINE")
_LINE = re.compile(r"(GRANT|REVOKE) (.+?) ON (\*|`(?:[^`]|``)+`)\.\* (?:TO|FROM) ")


async def check_privileges(database: Database, server: Server, schema: str) -> None:
    """Check that the server hides no object of the schema from the account.

    Args:
        database: The connection pool; its account runs the dump.
        server: Vendor and version of the server.
        schema: Name of the schema to dump.

    Raises:
        MissingPrivileges: The account lacks privileges; the detail lists all of them.
    """
    missing = missing_privileges(await _grants(database, server), schema)
    if missing:
        raise MissingPrivileges(
            f"The account {database.settings.user} lacks {', '.join(missing)} on {schema}. Without"
            " these privileges, a backup would be incomplete. Grant them, then try again."
        )
    hidden = await database.fetch_all(
        "SELECT routine_name AS name FROM information_schema.routines"
        " WHERE routine_schema = %s AND routine_definition IS NULL AND routine_body = 'SQL'"
        " ORDER BY routine_name",
        (schema,),
    )
    if hidden:
        privilege = "SELECT on mysql.proc" if server.vendor == "MariaDB" else "SHOW_ROUTINE"
        names = ", ".join(row["name"] for row in hidden)
        raise MissingPrivileges(
            f"The account {database.settings.user} cannot read the body of {names}. Grant it"
            f" {privilege}, or make it their DEFINER."
        )


def missing_privileges(grants: Iterable[str], schema: str) -> list[str]:
    """Return the privileges on a schema that are required for a dump and not granted.

    Privileges on single tables do not count, because a new table would be hidden.

    Args:
        grants: Lines of ``SHOW GRANTS``.
        schema: Name of the schema.
    """
    held: set[str] = set()
    revoked: set[str] = set()
    for line in grants:
        match = _LINE.match(line)
        if match is None or not _covers(match[3], schema):
            continue
        words = {word.strip() for word in match[2].split(",")}
        (held if match[1] == "GRANT" else revoked).update(words)
    if {"ALL PRIVILEGES", "ALL"} & held:
        held |= {*_NEEDED, *_SHOWS_ROUTINES}
    held -= revoked
    missing = [privilege for privilege in _NEEDED if privilege not in held]
    if not held.intersection(_SHOWS_ROUTINES):
        missing.append(_SHOWS_ROUTINES[0])
    return missing


async def _grants(database: Database, server: Server) -> list[str]:
    async with database.connection() as connection:
        rows = await connection.fetch_all("SHOW GRANTS")
        row = await connection.fetch_one("SELECT CURRENT_ROLE() AS roles")
        roles = row["roles"] if row and row["roles"] not in (None, "NONE") else None
        if roles and server.vendor == "MariaDB":
            rows += await connection.fetch_all("SHOW GRANTS FOR CURRENT_ROLE")
        elif roles:
            # CURRENT_ROLE() returns the roles quoted as this statement requires.
            rows += await connection.fetch_all(f"SHOW GRANTS FOR CURRENT_USER() USING {roles}")
    return [str(value) for row in rows for value in row.values()]


def _covers(scope: str, schema: str) -> bool:
    """Return whether the schema part of a grant, which may be a LIKE pattern, matches."""
    if scope == "*":
        return True
    name = scope[1:-1].replace("``", "`")
    if name == schema:
        return True
    pattern = "".join(
        {"%": ".*", "_": "."}.get(part, re.escape(part.removeprefix("\\")))
        for part in re.findall(r"\\.|.", name)
    )
    return re.fullmatch(pattern, schema) is not None
