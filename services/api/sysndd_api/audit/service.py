"""Records audit events, in the transaction of the action itself."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from structlog.contextvars import get_contextvars

from sysndd_api.audit.models import AuditEvent, AuditQuery
from sysndd_api.audit.store import AuditStore
from sysndd_api.security.access import Actor
from sysndd_core.db.database import Database, Transaction
from sysndd_core.errors import SysnddError

EXPORT_LIMIT = 100_000
_EXPORT_BATCH = 1000


class Audit:
    """Writes and lists audit events."""

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
        object_name: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> int:
        """Add an event to the caller's transaction.

        Args:
            tx: The transaction of the action, so that both are committed together.
            actor: The account, and its client's address.
            action: Stable name, such as ``restore_backup``.
            outcome: ``ok`` or the code of the error.
            object_name: What the action was applied to, such as the name of a backup.
            detail: Further JSON values; never a secret.

        Returns:
            The ID of the event.
        """
        request_id = get_contextvars().get("request_id")
        return await self._store.insert(
            tx,
            actor,
            action,
            outcome=outcome,
            object_name=object_name,
            request_id=request_id,
            detail=detail,
        )

    async def record(
        self, actor: Actor, action: str, *, outcome: str = "ok", object_name: str | None = None
    ) -> None:
        """Record an event in a transaction of its own."""
        async with self._database.transaction() as tx:
            await self.write(tx, actor, action, outcome=outcome, object_name=object_name)

    @contextlib.asynccontextmanager
    async def record_rejections(
        self, actor: Actor, action: str, rejection: type[SysnddError]
    ) -> AsyncIterator[None]:
        """Record an event if the block raises ``rejection``, and re-raise it."""
        try:
            yield
        except rejection as error:
            await self.record(actor, action, outcome=error.code)
            raise

    async def page(self, query: AuditQuery) -> tuple[list[AuditEvent], int]:
        """Return one page of events, newest first, and the number of all that match."""
        return await self._store.page(query)

    async def actions(self) -> list[str]:
        """Return the actions of all events."""
        return await self._store.actions()

    async def export(self, query: AuditQuery) -> AsyncIterator[AuditEvent]:
        """Yield the events that match, newest first, up to ``EXPORT_LIMIT``."""
        last: int | None = None
        for _ in range(EXPORT_LIMIT // _EXPORT_BATCH):
            events = await self._store.before(query, last, limit=_EXPORT_BATCH)
            for event in events:
                yield event
            if len(events) < _EXPORT_BATCH:
                return
            last = events[-1].id
