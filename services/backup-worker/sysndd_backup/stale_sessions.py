"""Ends sessions and pending tokens of accounts that another database does not hold as the same.

Ids are given out again: user 7 of the backup may be somebody else than user 7 of today. A session
goes on only where id, name, address, role, state and password are the same on both sides.
"""

from sysndd_backup.restore.accounts import SAME, has_accounts
from sysndd_backup.server.server import quoted
from sysndd_backup.server.session import SchemaSession


async def end_changed_sessions(
    session: SchemaSession, *, platform: str, before: str, after: str
) -> None:
    """Delete sessions and revoke the links in mails that were not used yet.

    Args:
        session: a connection to the server.
        platform: schema that holds ``session``.
        before, after: schemas that hold the accounts of the two sides. Where either has no ``user``
            table of our shape, nobody is the same account and every session ends.
    """
    same_accounts = await _same_accounts(session, before, after)
    others = f" AND user_id NOT IN ({same_accounts})" if same_accounts else ""
    await session.run(f"DELETE FROM {quoted(platform)}.`session` WHERE TRUE{others}")
    await session.run(
        f"UPDATE {quoted(platform)}.account_token SET revoked_at = UTC_TIMESTAMP(6)"
        f" WHERE used_at IS NULL AND revoked_at IS NULL{others}"
    )


async def _same_accounts(session: SchemaSession, before: str, after: str) -> str | None:
    """Return a query for the ids that are the same account on both sides."""
    if not (await has_accounts(session, before) and await has_accounts(session, after)):
        return None
    # Byte by byte: under the column's collation e and é would be one person.
    same = " AND ".join(f"CAST(o.{name} AS BINARY) <=> CAST(n.{name} AS BINARY)" for name in SAME)
    return (
        f"SELECT o.user_id FROM {quoted(before)}.`user` AS o JOIN {quoted(after)}.`user` AS n"
        f" ON n.user_id = o.user_id AND {same}"
    )
