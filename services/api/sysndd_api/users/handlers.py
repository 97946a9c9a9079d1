"""List, approve, deactivate, change roles, end sessions: for administrators."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import MailOnItsWay
from sysndd_api.http import Page, actor_of, body_of, context_of, query_of, reply
from sysndd_api.sessions.models import SessionList, SessionsEnded, SessionView
from sysndd_api.users.models import AccountView, RoleRequest, UserQuery


async def list_users(request: Request) -> Response:
    """List accounts."""
    query = query_of(request, UserQuery)
    rows, total = await context_of(request).users.page(query)
    views = [AccountView.from_row(row) for row in rows]
    return reply(
        Page[AccountView](data=views, total=total, page=query.page, page_size=query.page_size)
    )


async def get_user(request: Request) -> Response:
    """Return one account."""
    return await _view(request)


async def approve(request: Request) -> Response:
    """Let a confirmed account in; its owner gets a mail."""
    await context_of(request).users.approve(actor_of(request), _id(request))
    return await _view(request)


async def deactivate(request: Request) -> Response:
    """Shut an account out; its sessions and pending links end at once."""
    await context_of(request).users.deactivate(actor_of(request), _id(request))
    return await _view(request)


async def reactivate(request: Request) -> Response:
    """Let a deactivated account in again."""
    await context_of(request).users.reactivate(actor_of(request), _id(request))
    return await _view(request)


async def change_role(request: Request) -> Response:
    """Change an account's role; its sessions end at once."""
    body = await body_of(request, RoleRequest)
    await context_of(request).users.change_role(actor_of(request), _id(request), body.role)
    return await _view(request)


async def resend_confirmation(request: Request) -> Response:
    """Send the link that confirms an account's address once more."""
    await context_of(request).users.resend_confirmation(actor_of(request), _id(request))
    return reply(MailOnItsWay(detail="The mail is on its way."), 202)


async def list_sessions(request: Request) -> Response:
    """List an account's open sessions, the newest first."""
    context = context_of(request)
    user = await context.users.get(_id(request))
    rows = await context.sessions.of_user(user["user_id"])
    views = [SessionView.from_row(row, actor_of(request).session_id) for row in rows]
    return reply(SessionList(data=views, total=len(views)))


async def end_sessions(request: Request) -> Response:
    """End every session of an account."""
    ended = await context_of(request).users.end_sessions(actor_of(request), _id(request))
    return reply(SessionsEnded(ended=ended))


def _id(request: Request) -> str:
    user_id: str = request.path_params["user_id"]
    return user_id


async def _view(request: Request) -> Response:
    return reply(AccountView.from_row(await context_of(request).users.get(_id(request))))
