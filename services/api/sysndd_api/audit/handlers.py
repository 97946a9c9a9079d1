"""List the audit log."""

import json

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.audit.models import AuditEvent
from sysndd_api.http import Page, PageQuery, context_of, query_of, reply
from sysndd_core.outbox import utc


async def list_events(request: Request) -> Response:
    """List events, newest first."""
    query = query_of(request, PageQuery)
    rows, total = await context_of(request).audit.page(limit=query.page_size, offset=query.offset)
    events = [
        AuditEvent.model_validate(
            row
            | {
                "happened_at": utc(row["happened_at"]),
                "detail": json.loads(row["detail"]) if row["detail"] else None,
            }
        )
        for row in rows
    ]
    return reply(
        Page[AuditEvent](data=events, total=total, page=query.page, page_size=query.page_size)
    )
