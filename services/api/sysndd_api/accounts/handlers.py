"""Who I am."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.http import actor_of, context_of, reply
from sysndd_api.sessions.models import UserView
from sysndd_core.errors import NotSignedIn


async def me(request: Request) -> Response:
    """Return the signed-in account."""
    actor = actor_of(request)
    if actor.user_id is None:
        raise NotSignedIn()
    return reply(UserView(**await context_of(request).accounts.profile(actor.user_id)))
