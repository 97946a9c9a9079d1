"""Routes of sign-in, sign-out and one's own sessions."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import UserView
from sysndd_api.security.credentials import clear_session_cookie
from sysndd_api.sessions.models import (
    LoginReply,
    LoginRequest,
    SessionList,
    SessionsEnded,
    SessionView,
)
from sysndd_api.sessions.service import Sessions
from sysndd_api.web.http import actor_of, body_of, remote_of, reply, service, token_of


async def login(request: Request) -> Response:
    """Sign in and open a session."""
    body = await body_of(request, LoginRequest)
    signed_in = await service(request, Sessions).sign_in(
        body.login,
        body.password.get_secret_value(),
        remote=remote_of(request),
        user_agent=request.headers.get("user-agent"),
    )
    return reply(
        LoginReply(
            access_token=signed_in.token,
            expires_at=signed_in.expires_at,
            user=UserView.of(signed_in.account),
        )
    )


async def logout(request: Request) -> Response:
    """Sign out: end the session of this request."""
    await service(request, Sessions).sign_out(actor_of(request), token_of(request))
    return _signed_out(Response(status_code=204))


async def me(request: Request) -> Response:
    """Return the signed-in account."""
    return reply(UserView.of(await service(request, Sessions).own_account(actor_of(request))))


async def list_own(request: Request) -> Response:
    """List your own sessions, newest first."""
    actor = actor_of(request)
    sessions = await service(request, Sessions).of_actor(actor)
    views = [SessionView.of(session, actor.session_id) for session in sessions]
    return reply(SessionList(data=views, total=len(views)))


async def end_one(request: Request) -> Response:
    """End one of your own sessions."""
    actor, session_id = actor_of(request), request.path_params["session_id"]
    await service(request, Sessions).end(actor, session_id)
    answer = Response(status_code=204)
    return _signed_out(answer) if session_id == actor.session_id else answer


async def end_all(request: Request) -> Response:
    """End all of your own sessions, including this one."""
    ended = await service(request, Sessions).end_all(actor_of(request))
    return _signed_out(reply(SessionsEnded(ended=ended)))


def _signed_out(answer: Response) -> Response:
    clear_session_cookie(answer)
    return answer
