"""The platform's table ``audit_log``."""

from typing import Any

from sysndd_api.audit.models import AuditEvent, AuditQuery
from sysndd_api.security.access import Actor
from sysndd_core.accounts import Realm
from sysndd_core.audit import AuditEntry, insert_audit_entry
from sysndd_core.db.database import Database, Transaction


class AuditStore:
    """Adds and reads events; rows are never changed or deleted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._table = f"{database.ops}.audit_log"

    async def insert(
        self,
        tx: Transaction,
        actor: Actor,
        action: str,
        *,
        outcome: str,
        object_name: str | None,
        request_id: str | None,
        detail: dict[str, Any] | None,
    ) -> int:
        """Insert one event; return its ID."""
        entry = AuditEntry(
            action=action,
            outcome=outcome,
            object_name=object_name,
            detail=detail,
            actor_realm=actor.key.realm if actor.key else Realm.OPERATOR,
            actor_id=actor.key.id if actor.key else None,
            actor_name=actor.user_name,
            remote=actor.remote,
            request_id=request_id,
        )
        return await insert_audit_entry(tx, self._table, entry)

    async def page(self, query: AuditQuery) -> tuple[list[AuditEvent], int]:
        """Return one page of events, newest first, and the number of all that match."""
        where, arguments = _where(query)
        async with self._database.connection() as connection:
            total = await connection.fetch_one(
                f"SELECT COUNT(*) AS n FROM {self._table}{where}", arguments
            )
            rows = await connection.fetch_all(
                f"SELECT * FROM {self._table}{where} ORDER BY id DESC LIMIT %s OFFSET %s",
                [*arguments, query.page_size, query.offset],
            )
        return [AuditEvent.from_row(row) for row in rows], int(total["n"]) if total else 0

    async def before(
        self, query: AuditQuery, event_id: int | None, *, limit: int
    ) -> list[AuditEvent]:
        """Return events that match and precede an event, newest first."""
        where, arguments = _where(query)
        if event_id is not None:
            where = f"{where} AND id < %s" if where else " WHERE id < %s"
            arguments.append(event_id)
        rows = await self._database.fetch_all(
            f"SELECT * FROM {self._table}{where} ORDER BY id DESC LIMIT %s", [*arguments, limit]
        )
        return [AuditEvent.from_row(row) for row in rows]

    async def actions(self) -> list[str]:
        """Return the actions of all events."""
        rows = await self._database.fetch_all(
            f"SELECT DISTINCT action FROM {self._table} ORDER BY action"
        )
        return [str(row["action"]) for row in rows]


def _where(query: AuditQuery) -> tuple[str, list[Any]]:
    conditions: list[tuple[str, Any]] = [
        ("action = %s", query.action),
        ("outcome = %s", query.outcome),
        ("actor_name = %s", query.actor),
        ("LOCATE(%s, object) > 0", query.search),
        ("happened_at >= %s", query.since),
        ("happened_at < %s + INTERVAL 1 DAY", query.until),
    ]
    chosen = [(condition, value) for condition, value in conditions if value is not None]
    where = f" WHERE {' AND '.join(condition for condition, _ in chosen)}" if chosen else ""
    return where, [value for _, value in chosen]
