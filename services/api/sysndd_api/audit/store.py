"""The ``audit_log`` table of the platform."""

import json
from typing import Any

from sysndd_api.auth import Actor
from sysndd_core.database import Database, Row, Transaction


class AuditStore:
    """Appends and reads; nothing here changes or deletes a row."""

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
        obj: str | None,
        request_id: str | None,
        detail: dict[str, Any] | None,
    ) -> None:
        """Append one event."""
        await tx.execute(
            f"INSERT INTO {self._table} (happened_at, action, outcome, actor_id, actor_name,"
            " remote, object, request_id, detail)"
            " VALUES (UTC_TIMESTAMP(6), %s, %s, %s, %s, %s, %s, %s, %s)",
            (action, outcome, actor.user_id, actor.user_name, actor.remote, obj, request_id,
             json.dumps(detail) if detail is not None else None),
        )  # fmt: skip

    async def page(self, *, limit: int, offset: int) -> tuple[list[Row], int]:
        """Read events, newest first, with the number of all events."""
        async with self._database.connection() as connection:
            total = await connection.fetch_one(f"SELECT COUNT(*) AS n FROM {self._table}")
            rows = await connection.fetch_all(
                f"SELECT * FROM {self._table} ORDER BY id DESC LIMIT %s OFFSET %s", (limit, offset)
            )
        return rows, int(total["n"]) if total else 0
