"""Routes of the outbox."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.mail.models import MailQuery, MailView
from sysndd_api.mail.service import Mails
from sysndd_api.web.http import actor_of, query_of, reply, service
from sysndd_api.web.models import Page


async def list_mails(request: Request) -> Response:
    """List emails, newest first."""
    query = query_of(request, MailQuery)
    mails, total = await service(request, Mails).page(query)
    page = Page[MailView](data=mails, total=total, page=query.page, page_size=query.page_size)
    return reply(page)


async def get_mail(request: Request) -> Response:
    """Return one email with its rendered text; link tokens are masked."""
    return reply(await service(request, Mails).detail(request.path_params["mail_id"]))


async def resend_mail(request: Request) -> Response:
    """Resend a failed, held or cancelled email, or send a queued one now."""
    mails, mail_id = service(request, Mails), request.path_params["mail_id"]
    return reply(await mails.resend(actor_of(request), mail_id), 202)


async def cancel_mail(request: Request) -> Response:
    """Cancel a queued or held email."""
    mails, mail_id = service(request, Mails), request.path_params["mail_id"]
    return reply(await mails.cancel(actor_of(request), mail_id))
