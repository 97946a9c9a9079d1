"""Records who did what, in the same transaction as the deed."""

from typing import Any

from structlog.contextvars import get_contextvars

from sysndd_api.audit.store import AuditStore
from sysndd_api.auth import Actor
from sysndd_core.database import Database, Row, Transaction


class Audit:
    """Writes and lists security events."""

    def __init__(self, database: Database, store: AuditStore) -> None:
        self._database = database
        self._store = store

    async def write(
        self,
        tx: Transaction,
        actor: Actor,
        action: str,
        *,
        outcome: str = "ok",
        obj: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Append an event to the caller's transaction.

        Args:
            tx: the event is there exactly when the deed is.
            actor: who, and from where.
            action: stable name, such as ``restore_backup``.
            outcome: ``ok`` or the code of the error.
            obj: what it was done to, such as a backup's name.
            detail: further JSON values; never a secret.
        """
        request_id = get_contextvars().get("request_id")
        await self._store.insert(
            tx, actor, action, outcome=outcome, obj=obj, request_id=request_id, detail=detail
        )

    async def record(self, actor: Actor, action: str, *, outcome: str = "ok") -> None:
        """Append an event that has no transaction of its own."""
        async with self._database.transaction() as tx:
            await self.write(tx, actor, action, outcome=outcome)

    async def page(self, *, limit: int, offset: int) -> tuple[list[Row], int]:
        """List events, newest first."""
        return await self._store.page(limit=limit, offset=offset)
