"""What the account must be allowed to do so that a dump holds everything.

Without TRIGGER, EVENT or a right on routines the server hides them, and the dump client leaves them
out without a word and with exit code 0. So the rights are read before each dump.
"""

import re
from collections.abc import Iterable

from sysndd_backup.server.server import Server
from sysndd_core.db.database import Database
from sysndd_core.errors import MissingPrivileges

_NEEDED = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")
# Any of these shows that a routine exists (and the first two are in every usual grant).
_SHOWS_ROUTINES = ("EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE", "SHOW CREATE ROUTINE")
_LINE = re.compile(r"(GRANT|REVOKE) (.+?) ON (\*|`(?:[^`]|``)+`)\.\* (?:TO|FROM) ")


async def check_privileges(database: Database, server: Server, schema: str) -> None:
    """Make sure that nothing of the schema is hidden from the account.

    Args:
        database: the process's pool; its account is the one that dumps.
        server: its vendor decides how roles are asked for.
        schema: plain name of the schema to be dumped.

    Raises:
        MissingPrivileges: naming every right that is missing.
    """
    missing = missing_privileges(await _grants(database, server), schema)
    if missing:
        raise MissingPrivileges(
            f"The account {database.settings.user} lacks {', '.join(missing)} on {schema}; without"
            " it a backup would silently lose what it can't see."
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
            f"The account {database.settings.user} may not read the body of {names}; it needs"
            f" {privilege}, or to be their DEFINER."
        )


def missing_privileges(grants: Iterable[str], schema: str) -> list[str]:
    """Return which rights on a whole schema are not among some grants.

    Rights on single tables don't count: the next table would be hidden.

    Args:
        grants: lines of ``SHOW GRANTS``.
        schema: plain name.
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
            # CURRENT_ROLE() quotes them as this statement wants them.
            rows += await connection.fetch_all(f"SHOW GRANTS FOR CURRENT_USER() USING {roles}")
    return [str(value) for row in rows for value in row.values()]


def _covers(scope: str, schema: str) -> bool:
    """Tell whether the schema part of a grant means ``schema``; it may be a LIKE pattern."""
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
