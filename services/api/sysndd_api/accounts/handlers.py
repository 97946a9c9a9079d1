"""Sign-in, sign-out, and who I am."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import LoginReply, LoginRequest, UserView
from sysndd_api.http import actor_of, body_of, context_of, remote_of, reply
from sysndd_core.errors import NotSignedIn


async def login(request: Request) -> Response:
    """Open a session."""
    body = await body_of(request, LoginRequest)
    signed_in = await context_of(request).accounts.sign_in(
        body.login,
        body.password.get_secret_value(),
        remote=remote_of(request),
        user_agent=request.headers.get("user-agent"),
    )
    return reply(
        LoginReply(
            access_token=signed_in.token,
            expires_at=signed_in.expires_at,
            user=UserView(**signed_in.user),
        )
    )


async def logout(request: Request) -> Response:
    """End the session of this request's token."""
    await context_of(request).accounts.sign_out(actor_of(request), bearer_token(request) or "")
    return Response(status_code=204)


async def me(request: Request) -> Response:
    """Return the signed-in account."""
    actor = actor_of(request)
    if actor.user_id is None:
        raise NotSignedIn()
    return reply(UserView(**await context_of(request).accounts.profile(actor.user_id)))


def bearer_token(request: Request) -> str | None:
    """Return the token of ``Authorization: Bearer`` (RFC 6750, section 2.1), or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
