"""Accounts and a restore: how those of a backup differ from live's, and whose sessions must end.

Ids are reused: user 7 of the backup may be another person than user 7 of today. A session survives a
restore only where id, name, address, role, state and password are the same on both sides.
"""

from dataclasses import dataclass, field

from sysndd_backup.server.session import SchemaSession
from sysndd_core.sql.identifiers import quote_name

SAME = ("user_id", "user_name", "email", "role", "state", "password_hash")
"""What makes an account the same account on two sides."""

_LABELS = {
    "user_name": "user name",
    "email": "address",
    "role": "role",
    "state": "state",
    "password_hash": "password",
}
_SHOWN = 500


@dataclass(frozen=True)
class ChangedAccount:
    """An account of both sides that is not the same.

    Attributes:
        older: what the restore would bring back to an older value: ``role``, ``password``, …
        role: before and after, where it differs.
    """

    user_id: int
    user_name: str
    older: list[str]
    role: tuple[str, str] | None


@dataclass(frozen=True)
class AccountChanges:
    """What a restore would change in accounts; lists end after some hundred names.

    Attributes:
        vanish: names that are only in live.
        come_back: names that are only in the backup.
        changed: ids that both hold, differently; another person may have the id.
        active_administrators: how many the backup holds; None where it has no accounts as we know them.
    """

    vanish: list[str] = field(default_factory=list)
    come_back: list[str] = field(default_factory=list)
    changed: list[ChangedAccount] = field(default_factory=list)
    vanish_count: int = 0
    come_back_count: int = 0
    changed_count: int = 0
    active_administrators: int | None = None


async def has_accounts(session: SchemaSession, schema: str) -> bool:
    """Tell whether a schema has a ``user`` table as we know them."""
    rows = await session.fetch_all(
        "SELECT column_name AS name FROM information_schema.columns"
        " WHERE table_schema = %s AND table_name = 'user'",
        (schema,),
    )
    return set(SAME) <= {row["name"] for row in rows}


async def active_administrators(session: SchemaSession, schema: str) -> int | None:
    """Count who could sign in and administer; None without accounts as we know them."""
    if not await has_accounts(session, schema):
        return None
    rows = await session.fetch_all(
        f"SELECT COUNT(*) AS n FROM {quote_name(schema)}.`user`"
        " WHERE role = 'Administrator' AND state = 'active'"
    )
    return int(rows[0]["n"])


async def compare_accounts(session: SchemaSession, live: str, backup: str) -> AccountChanges:
    """Say which accounts would vanish, come back, or get older values.

    Args:
        session: a connection to the server.
        live, backup: plain names of the schemas that hold the two ``user`` tables.
    """
    if not (await has_accounts(session, live) and await has_accounts(session, backup)):
        return AccountChanges(active_administrators=await active_administrators(session, backup))
    vanish = await _only_in(session, live, backup)
    come_back = await _only_in(session, backup, live)
    changed = await _changed(session, live, backup)
    return AccountChanges(
        vanish=vanish[:_SHOWN],
        come_back=come_back[:_SHOWN],
        changed=changed[:_SHOWN],
        vanish_count=len(vanish),
        come_back_count=len(come_back),
        changed_count=len(changed),
        active_administrators=await active_administrators(session, backup),
    )


async def _only_in(session: SchemaSession, one: str, other: str) -> list[str]:
    rows = await session.fetch_all(
        f"SELECT a.user_name AS name FROM {quote_name(one)}.`user` AS a"
        f" LEFT JOIN {quote_name(other)}.`user` AS b ON b.user_id = a.user_id"
        " WHERE b.user_id IS NULL ORDER BY a.user_id"
    )
    return [str(row["name"]) for row in rows]


async def _changed(session: SchemaSession, live: str, backup: str) -> list[ChangedAccount]:
    # Byte by byte: under the column's collation e and é would be one person.
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
    """Delete sessions and revoke unused links in emails, but for accounts that stay the same.

    Args:
        session: a connection to the server.
        platform: schema that holds ``session``.
        before, after: schemas that hold the accounts of the two sides. Where either has no ``user``
            table as we know it, no account is the same and every session ends.
    """
    same_accounts = await _same_accounts(session, before, after)
    others = f" AND user_id NOT IN ({same_accounts})" if same_accounts else ""
    await session.run(f"DELETE FROM {quote_name(platform)}.`session` WHERE TRUE{others}")
    await session.run(
        f"UPDATE {quote_name(platform)}.account_token SET revoked_at = UTC_TIMESTAMP(6)"
        f" WHERE used_at IS NULL AND revoked_at IS NULL{others}"
    )


async def _same_accounts(session: SchemaSession, before: str, after: str) -> str | None:
    """Return a query for the ids that are the same account on both sides."""
    if not (await has_accounts(session, before) and await has_accounts(session, after)):
        return None
    # Byte by byte: under the column's collation e and é would be one person.
    same = " AND ".join(f"CAST(o.{name} AS BINARY) <=> CAST(n.{name} AS BINARY)" for name in SAME)
    return (
        f"SELECT o.user_id FROM {quote_name(before)}.`user` AS o JOIN {quote_name(after)}.`user` AS n"
        f" ON n.user_id = o.user_id AND {same}"
    )
