"""The page of the audit log, and the same as CSV."""

import csv
import io
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sysndd_api.audit.models import AuditEvent, AuditQuery
from sysndd_api.audit.service import Audit
from sysndd_api.pages import page_route
from sysndd_api.pages.listing import Listing
from sysndd_api.pages.page_route import view_of
from sysndd_api.pages.rendering import SECURITY_HEADERS
from sysndd_api.web.http import service

_COLUMNS = (
    "id",
    "happened_at",
    "action",
    "outcome",
    "actor_id",
    "actor_name",
    "remote",
    "object",
    "request_id",
    "detail",
)


class AuditView(AuditQuery):
    """What the list is asked for."""

    page_size: int = 50


async def page(request: Request) -> Response:
    """List who did what, when and from where."""
    audit, view = service(request, Audit), view_of(request, AuditView)
    events, total = await audit.page(view)
    listing = Listing(request, events, total, view)
    return page_route.page(
        request,
        "audit.html",
        listing=listing,
        view=view,
        actions=await audit.actions(),
        csv_address=listing.address().replace("/admin/audit", "/admin/audit.csv", 1),
    )


async def export(request: Request) -> Response:
    """Send every event that fits as CSV (RFC 4180)."""
    events = service(request, Audit).export(view_of(request, AuditView))
    return StreamingResponse(
        _lines(events),
        media_type="text/csv; charset=utf-8",
        headers={
            **SECURITY_HEADERS,
            "Content-Disposition": 'attachment; filename="audit.csv"',
        },
    )


async def _lines(events: AsyncIterator[AuditEvent]) -> AsyncIterator[str]:
    yield _line(list(_COLUMNS))
    async for event in events:
        values = event.model_dump(mode="json")
        yield _line([values[name] for name in _COLUMNS])


def _line(values: list[object]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([_cell(value) for value in values])
    return text.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    # A spreadsheet runs what begins like this: user names are other people's text.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
