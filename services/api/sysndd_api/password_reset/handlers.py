"""Routes of the password reset and the password change."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import EmailRequest, MailAccepted, UserView
from sysndd_api.password_reset.models import PasswordChange, ResetRequest
from sysndd_api.password_reset.service import PasswordReset
from sysndd_api.web.http import actor_of, body_of, remote_of, reply, service, token_of


async def request_reset(request: Request) -> Response:
    """Request an email with a password reset link."""
    body = await body_of(request, EmailRequest)
    await service(request, PasswordReset).request(body.email, remote=remote_of(request))
    return reply(MailAccepted(), 202)


async def reset(request: Request) -> Response:
    """Set a new password with the token of a link; revokes all sessions."""
    body = await body_of(request, ResetRequest)
    account = await service(request, PasswordReset).reset(
        body.token.get_secret_value(), body.password.get_secret_value(), remote=remote_of(request)
    )
    return reply(UserView.of(account))


async def change(request: Request) -> Response:
    """Change your password; ends your other sessions."""
    body = await body_of(request, PasswordChange)
    await service(request, PasswordReset).change(
        actor_of(request),
        token_of(request),
        body.old_password.get_secret_value(),
        body.new_password.get_secret_value(),
    )
    return Response(status_code=204)
