"""Adds entries to the platform's audit log, in the transaction of the caller."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sysndd_core.accounts import Realm
from sysndd_core.db.database import Transaction

_OBJECT_LENGTH = 255


@dataclass(frozen=True)
class AuditEntry:
    """One entry.

    Attributes:
        action: Stable name, such as ``restore_backup``.
        outcome: ``ok`` or the code of an error.
        object_name: What the action was applied to, such as the name of a backup.
        detail: Further JSON values; never a secret.
        actor_id, actor_name: The account, or None for the platform itself.
        remote: IP address of the client.
    """

    action: str
    outcome: str = "ok"
    object_name: str | None = None
    detail: Mapping[str, Any] | None = None
    actor_realm: str = Realm.OPERATOR
    actor_id: int | None = None
    actor_name: str | None = None
    remote: str | None = None
    request_id: str | None = None


async def insert_audit_entry(tx: Transaction, table: str, entry: AuditEntry) -> int:
    """Insert an entry; rows are never changed or deleted.

    Args:
        tx: The transaction of the action, so that both are committed together.
        table: Quoted name of the table ``audit_log`` with its schema.
        entry: The entry.

    Returns:
        The ID of the row.
    """
    return await tx.insert(
        f"INSERT INTO {table} (happened_at, action, outcome, actor_realm, actor_id,"
        " actor_name, remote, object, request_id, detail)"
        " VALUES (UTC_TIMESTAMP(6), %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            entry.action,
            entry.outcome,
            entry.actor_realm,
            entry.actor_id,
            entry.actor_name,
            entry.remote,
            entry.object_name[:_OBJECT_LENGTH] if entry.object_name is not None else None,
            entry.request_id,
            json.dumps(entry.detail) if entry.detail is not None else None,
        ),
    )
