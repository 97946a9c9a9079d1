"""Who is behind a page's request, and whether a page of ours sent it."""

from starlette.requests import Request

from sysndd_api.auth import Access, Actor
from sysndd_api.credentials import presented_token, require_same_origin
from sysndd_api.http import context_of, remote_of
from sysndd_core.errors import NotSignedIn


async def admit(request: Request, access: Access, *, changes: bool) -> None:
    """Put the signed-in person into ``request.state.actor``, or refuse.

    Args:
        request: with the session's cookie.
        access: what the page asks for.
        changes: whether it does anything. Then it must come from a page of ours even when nobody
            is signed in: a foreign page could otherwise sign a visitor in as somebody else.

    Raises:
        CrossSiteRequest, NotSignedIn, NotAllowed.
    """
    if changes:
        require_same_origin(request)
    try:
        request.state.actor = await _actor(request, access)
    except NotSignedIn:
        if access is not Access.ANYONE:
            raise


async def _actor(request: Request, access: Access) -> Actor:
    return await context_of(request).sessions.authenticate(
        presented_token(request), access, remote=remote_of(request)
    )
