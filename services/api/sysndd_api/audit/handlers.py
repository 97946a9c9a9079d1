"""List the audit log."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.audit.models import AuditEvent, AuditQuery
from sysndd_api.http import Page, context_of, query_of, reply


async def list_events(request: Request) -> Response:
    """List events, newest first; filter them."""
    query = query_of(request, AuditQuery)
    rows, total = await context_of(request).audit.page(query)
    events = [AuditEvent.from_row(row) for row in rows]
    return reply(
        Page[AuditEvent](data=events, total=total, page=query.page, page_size=query.page_size)
    )
