"""Compares the accounts of a backup with the live accounts, and ends sessions after a restore.

IDs are reused, so the same ID may belong to different people in the two databases. A session
continues only if ID, name, email address, role, state and password are equal in both.
"""

from dataclasses import dataclass, field

from sysndd_backup.server.session import SchemaSession
from sysndd_core.errors import RestoreFailed
from sysndd_core.sql.identifiers import quote_name

IDENTITY = ("user_id", "user_name", "email", "role", "state", "password_hash")
"""Columns that are equal if an account is the same in two databases."""

_LABELS = {
    "user_name": "user name",
    "email": "address",
    "role": "role",
    "state": "state",
    "password_hash": "password",
}
_MAX_LISTED = 500


@dataclass(frozen=True)
class ChangedAccount:
    """An account that differs between the live database and the backup.

    Attributes:
        older: Labels of the values that the restore would change, such as ``role``.
        role: Live role and role in the backup, if they differ.
    """

    user_id: int
    user_name: str
    older: list[str]
    role: tuple[str, str] | None


@dataclass(frozen=True)
class AccountChanges:
    """The changes that a restore would make to accounts. Each list has at most 500 entries.

    Attributes:
        vanish: Names of accounts that are only in the live database.
        come_back: Names of accounts that are only in the backup.
        changed: Accounts whose ID is in both, with different values; the ID may belong to another
            person.
        active_administrators: Number of active Administrators in the backup; None if it has no
            ``user`` table with the expected columns.
    """

    vanish: list[str] = field(default_factory=list)
    come_back: list[str] = field(default_factory=list)
    changed: list[ChangedAccount] = field(default_factory=list)
    vanish_count: int = 0
    come_back_count: int = 0
    changed_count: int = 0
    active_administrators: int | None = None


async def has_accounts(session: SchemaSession, schema: str) -> bool:
    """Return whether a schema has a readable ``user`` table with the expected columns."""
    rows = await session.fetch_all(
        "SELECT column_name AS name FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = 'user'",
        (schema,),
    )
    if not set(IDENTITY) <= {row["name"] for row in rows}:
        return False
    try:
        await session.fetch_all(f"SELECT 1 FROM {quote_name(schema)}.`user` LIMIT 1")
    except RestoreFailed:
        return False
    return True


async def active_administrators(session: SchemaSession, schema: str) -> int | None:
    """Return the number of active Administrators; None without the expected ``user`` table."""
    if not await has_accounts(session, schema):
        return None
    rows = await session.fetch_all(
        f"SELECT COUNT(*) AS n FROM {quote_name(schema)}.`user`"
        " WHERE role = 'Administrator' AND state = 'active'"
    )
    return int(rows[0]["n"])


async def has_operator_administrator(session: SchemaSession, platform: str) -> bool:
    """Return whether an active operator with a password is an administrator.

    Args:
        session: A connection to the server.
        platform: Name of the platform schema, not quoted.
    """
    rows = await session.fetch_all(
        f"SELECT 1 FROM {quote_name(platform)}.`operator` WHERE role = 'administrator'"
        " AND state = 'active' AND password_hash IS NOT NULL LIMIT 1"
    )
    return bool(rows)


async def compare_accounts(session: SchemaSession, live: str, backup: str) -> AccountChanges:
    """Return the changes that a restore would make to accounts.

    Args:
        session: A connection to the server.
        live, backup: Names of the schemas with the two ``user`` tables, not quoted.
    """
    if not (await has_accounts(session, live) and await has_accounts(session, backup)):
        return AccountChanges(active_administrators=await active_administrators(session, backup))
    vanish = await _only_in(session, live, backup)
    come_back = await _only_in(session, backup, live)
    changed = await _changed(session, live, backup)
    return AccountChanges(
        vanish=vanish[:_MAX_LISTED],
        come_back=come_back[:_MAX_LISTED],
        changed=changed[:_MAX_LISTED],
        vanish_count=len(vanish),
        come_back_count=len(come_back),
        changed_count=len(changed),
        active_administrators=await active_administrators(session, backup),
    )


async def _only_in(session: SchemaSession, schema: str, other: str) -> list[str]:
    rows = await session.fetch_all(
        f"SELECT a.user_name AS name FROM {quote_name(schema)}.`user` AS a"
        f" LEFT JOIN {quote_name(other)}.`user` AS b ON b.user_id = a.user_id"
        " WHERE b.user_id IS NULL ORDER BY a.user_id"
    )
    return [str(row["name"]) for row in rows]


async def _changed(session: SchemaSession, live: str, backup: str) -> list[ChangedAccount]:
    # Compare bytes, because the column's collation treats e and é as equal.
    differs = {
        name: f"NOT (CAST(l.{name} AS BINARY) <=> CAST(b.{name} AS BINARY))" for name in _LABELS
    }
    columns = ", ".join(f"{sql} AS {name}_differs" for name, sql in differs.items())
    rows = await session.fetch_all(
        f"SELECT l.user_id AS id, l.user_name AS name, l.role AS live_role, b.role AS backup_role,"
        f" {columns} FROM {quote_name(live)}.`user` AS l JOIN {quote_name(backup)}.`user` AS b"
        f" ON b.user_id = l.user_id WHERE {' OR '.join(differs.values())} ORDER BY l.user_id"
    )
    return [
        ChangedAccount(
            user_id=int(row["id"]),
            user_name=str(row["name"]),
            older=[label for name, label in _LABELS.items() if row[f"{name}_differs"]],
            role=(str(row["live_role"]), str(row["backup_role"])) if row["role_differs"] else None,
        )
        for row in rows
    ]


async def end_changed_sessions(
    session: SchemaSession, *, platform: str, before: str, after: str
) -> None:
    """End sessions of site users and revoke their unused links, except if an account is the same.

    Operators are not in the application schema, so their sessions and links stay.

    Args:
        session: A connection to the server.
        platform: Name of the platform schema, not quoted.
        before, after: Names of the schemas with the accounts before and after the swap. If either
            has no ``user`` table with the expected columns, all sessions end.
    """
    same_accounts = await _same_accounts(session, before, after)
    others = f" AND user_id NOT IN ({same_accounts})" if same_accounts else ""
    await session.run(f"DELETE FROM {quote_name(platform)}.`session` WHERE realm = 'site'{others}")
    await session.run(
        f"UPDATE {quote_name(platform)}.account_token SET revoked_at = UTC_TIMESTAMP(6)"
        f" WHERE realm = 'site' AND used_at IS NULL AND revoked_at IS NULL{others}"
    )


async def _same_accounts(session: SchemaSession, before: str, after: str) -> str | None:
    """Return a query for the IDs of accounts that are the same in both schemas, or None."""
    if not (await has_accounts(session, before) and await has_accounts(session, after)):
        return None
    # Compare bytes, because the column's collation treats e and é as equal.
    same = " AND ".join(
        f"CAST(o.{name} AS BINARY) <=> CAST(n.{name} AS BINARY)" for name in IDENTITY
    )
    return (
        f"SELECT o.user_id FROM {quote_name(before)}.`user` AS o"
        f" JOIN {quote_name(after)}.`user` AS n"
        f" ON n.user_id = o.user_id AND {same}"
    )
