"""Routes of the email change."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import MailAccepted, TokenRequest
from sysndd_api.email_change.models import EmailChangeConfirmed, EmailChangeRequest
from sysndd_api.email_change.service import EmailChanges
from sysndd_api.web.http import actor_of, body_of, remote_of, reply, service


async def request_change(request: Request) -> Response:
    """Request an email change; an email goes to both addresses."""
    body = await body_of(request, EmailChangeRequest)
    await service(request, EmailChanges).request(
        actor_of(request), body.email, body.password.get_secret_value()
    )
    return reply(MailAccepted(), 202)


async def confirm(request: Request) -> Response:
    """Confirm an email change with the token of either link."""
    body = await body_of(request, TokenRequest)
    status = await service(request, EmailChanges).confirm(
        body.token.get_secret_value(), remote=remote_of(request)
    )
    return reply(EmailChangeConfirmed.model_validate({"status": status}))
