"""Routes of registration, confirmation and the signed-in account."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import (
    Confirmed,
    EmailRequest,
    MailAccepted,
    RegisterRequest,
    TokenRequest,
)
from sysndd_api.accounts.service import Accounts
from sysndd_api.web.http import body_of, remote_of, reply, service


async def register(request: Request) -> Response:
    """Register an account; an email with a confirmation link follows."""
    body = await body_of(request, RegisterRequest)
    await service(request, Accounts).register(body, remote=remote_of(request))
    return reply(MailAccepted(), 202)


async def resend(request: Request) -> Response:
    """Resend the email that confirms an address."""
    body = await body_of(request, EmailRequest)
    await service(request, Accounts).resend(body.email, remote=remote_of(request))
    return reply(MailAccepted(), 202)


async def confirm(request: Request) -> Response:
    """Confirm an address with the token of its link."""
    body = await body_of(request, TokenRequest)
    status = await service(request, Accounts).confirm(
        body.token.get_secret_value(), remote=remote_of(request)
    )
    return reply(Confirmed.model_validate({"status": status}))
