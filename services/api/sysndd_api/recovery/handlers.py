"""Asking for a new password, choosing it, and changing a known one."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import EmailRequest, MailOnItsWay
from sysndd_api.credentials import presented_token
from sysndd_api.http import actor_of, body_of, context_of, remote_of, reply
from sysndd_api.recovery.models import PasswordChange, ResetRequest
from sysndd_api.sessions.models import UserView


async def request_reset(request: Request) -> Response:
    """Ask for a mail with a link to a new password."""
    body = await body_of(request, EmailRequest)
    await context_of(request).recovery.request(body.email, remote=remote_of(request))
    return reply(MailOnItsWay(), 202)


async def reset(request: Request) -> Response:
    """Choose a new password by the token of the link; every session ends."""
    body = await body_of(request, ResetRequest)
    user = await context_of(request).recovery.reset(
        body.token.get_secret_value(), body.password.get_secret_value(), remote=remote_of(request)
    )
    return reply(UserView.model_validate(user))


async def change(request: Request) -> Response:
    """Change one's password; every other session ends."""
    body = await body_of(request, PasswordChange)
    await context_of(request).recovery.change(
        actor_of(request),
        presented_token(request) or "",
        body.old_password.get_secret_value(),
        body.new_password.get_secret_value(),
    )
    return Response(status_code=204)
