"""The page of the audit log, and its CSV export."""

import csv
import io
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sysndd_api.audit.models import AuditEvent, AuditQuery
from sysndd_api.audit.service import Audit
from sysndd_api.pages import page_route
from sysndd_api.pages.admin.cancellation import JOB_NOUNS
from sysndd_api.pages.listing import Listing
from sysndd_api.pages.page_route import page_query_of
from sysndd_api.pages.rendering import SECURITY_HEADERS, words
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
_ACTIONS = {
    "access": "Access denied",
    "approve_user": "User approved",
    "cancel_job": "Job cancelled",
    "cancel_mail": "Email cancelled",
    "change_email": "Email address changed",
    "change_password": "Password changed",
    "change_role": "Role changed",
    "confirm": "Registration confirmed",
    "confirm_email_change": "Email change confirmed",
    "create_administrator": "Administrator created",
    "deactivate_user": "User deactivated",
    "delete_backup": "Backup deleted",
    "download_backup": "Backup downloaded",
    "end_session": "Session ended",
    "end_sessions": "Sessions ended",
    "pin_backup": "Backup pinned",
    "reactivate_user": "User reactivated",
    "register": "Registration",
    "request_email_change": "Email change requested",
    "request_reset": "Password reset requested",
    "resend": "Confirmation email requested",
    "resend_confirmation": "Confirmation email resent",
    "resend_mail": "Email resent",
    "reset": "Password reset",
    "retry_job": "Job retried",
    "set_password": "Password set",
    "sign_in": "Sign-in",
    "sign_out": "Sign-out",
    "smtp_test": "SMTP test",
    "smtp_test_message": "SMTP test message",
    "unpin_backup": "Backup unpinned",
    "upload_backup": "Backup uploaded",
}


class AuditListQuery(AuditQuery):
    """Filters and page of the list."""

    page_size: int = 50


async def page(request: Request) -> Response:
    """List the events of the audit log."""
    audit, query = service(request, Audit), page_query_of(request, AuditListQuery)
    events, total = await audit.page(query)
    listing = Listing(request, events, total, query)
    return page_route.page(
        request,
        "audit.html",
        listing=listing,
        query=query,
        actions=await audit.actions(),
        action_label=action_label,
        csv_address=listing.address().replace("/admin/audit", "/admin/audit.csv", 1),
    )


async def export(request: Request) -> Response:
    """Export every matching event as CSV (RFC 4180)."""
    events = service(request, Audit).export(page_query_of(request, AuditListQuery))
    return StreamingResponse(
        _lines(events),
        media_type="text/csv; charset=utf-8",
        headers={
            **SECURITY_HEADERS,
            "Content-Disposition": 'attachment; filename="audit.csv"',
        },
    )


def action_label(action: str) -> str:
    """Return what the page calls an action, such as ``Dry run finished``."""
    kind = action.removesuffix("_ended")
    if kind in JOB_NOUNS and action not in _ACTIONS:
        phase = "requested" if kind == action else "finished"
        return words(f"{JOB_NOUNS[kind]} {phase}")
    return _ACTIONS.get(action, words(action))


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
    # User names are untrusted, and a spreadsheet evaluates text that starts with these characters.
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
