"""List mails, read one, send it again, cancel it."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.http import Page, actor_of, context_of, query_of, reply
from sysndd_api.mail.models import MailDetail, MailQuery, MailView


async def list_mails(request: Request) -> Response:
    """List mails, newest first; `state` and `search` choose."""
    query = query_of(request, MailQuery)
    rows, total = await context_of(request).mails.page(
        state=query.state, search=query.search, limit=query.page_size, offset=query.offset
    )
    return reply(
        Page[MailView](
            data=[MailView.from_row(row) for row in rows],
            total=total,
            page=query.page,
            page_size=query.page_size,
        )
    )


async def get_mail(request: Request) -> Response:
    """Return one mail with its texts, links masked."""
    row = await context_of(request).mails.detail(request.path_params["mail_id"])
    return reply(MailDetail.from_row(row))


async def replay_mail(request: Request) -> Response:
    """Send a dead, held or cancelled mail again, or a waiting one now; same Message-ID."""
    mails = context_of(request).mails
    row = await mails.replay(actor_of(request), request.path_params["mail_id"])
    return reply(MailDetail.from_row(row), 202)


async def cancel_mail(request: Request) -> Response:
    """Cancel a mail that waits or is held."""
    mails = context_of(request).mails
    row = await mails.cancel(actor_of(request), request.path_params["mail_id"])
    return reply(MailDetail.from_row(row))
