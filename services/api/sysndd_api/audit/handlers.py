"""Route of the audit log."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.audit.models import AuditEvent, AuditQuery
from sysndd_api.audit.service import Audit
from sysndd_api.web.http import query_of, reply, service
from sysndd_api.web.models import Page


async def list_events(request: Request) -> Response:
    """List audit events, newest first."""
    query = query_of(request, AuditQuery)
    events, total = await service(request, Audit).page(query)
    page = Page[AuditEvent](data=events, total=total, page=query.page, page_size=query.page_size)
    return reply(page)
