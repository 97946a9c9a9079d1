"""Registering, confirming, and who I am."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import (
    Confirmed,
    EmailRequest,
    MailOnItsWay,
    RegisterRequest,
    TokenRequest,
)
from sysndd_api.http import actor_of, body_of, context_of, remote_of, reply
from sysndd_api.sessions.models import UserView
from sysndd_core.errors import NotSignedIn


async def register(request: Request) -> Response:
    """Register an account; a mail with a link follows."""
    body = await body_of(request, RegisterRequest)
    await context_of(request).accounts.register(body, remote=remote_of(request))
    return reply(MailOnItsWay(), 202)


async def resend(request: Request) -> Response:
    """Send the link that confirms an address once more."""
    body = await body_of(request, EmailRequest)
    await context_of(request).accounts.resend(body.email, remote=remote_of(request))
    return reply(MailOnItsWay(), 202)


async def confirm(request: Request) -> Response:
    """Confirm an address by the token of its link."""
    body = await body_of(request, TokenRequest)
    status = await context_of(request).accounts.confirm(
        body.token.get_secret_value(), remote=remote_of(request)
    )
    return reply(Confirmed.model_validate({"status": status}))


async def me(request: Request) -> Response:
    """Return the signed-in account."""
    actor = actor_of(request)
    if actor.user_id is None:
        raise NotSignedIn()
    row = await context_of(request).accounts.profile(actor.user_id)
    return reply(UserView.model_validate(row))
