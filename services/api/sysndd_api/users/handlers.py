"""Routes for the administration of accounts."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.accounts.models import MailAccepted
from sysndd_api.sessions.models import SessionList, SessionsEnded, SessionView
from sysndd_api.sessions.service import Sessions
from sysndd_api.users.models import AccountView, RoleRequest, UserQuery
from sysndd_api.users.service import Users
from sysndd_api.web.http import actor_of, body_of, query_of, reply, service
from sysndd_api.web.models import Page
from sysndd_core.accounts import AccountKey, Realm


async def list_users(request: Request) -> Response:
    """List accounts."""
    query = query_of(request, UserQuery)
    users, total = await service(request, Users).page(query)
    page = Page[AccountView](data=users, total=total, page=query.page, page_size=query.page_size)
    return reply(page)


async def get_user(request: Request) -> Response:
    """Return one account."""
    return await _view(request)


async def approve(request: Request) -> Response:
    """Approve a confirmed account; its owner is notified by email."""
    await service(request, Users).approve(actor_of(request), _id(request))
    return await _view(request)


async def deactivate(request: Request) -> Response:
    """Deactivate an account; revokes its sessions and pending links."""
    await service(request, Users).deactivate(actor_of(request), _id(request))
    return await _view(request)


async def reactivate(request: Request) -> Response:
    """Reactivate a deactivated account."""
    await service(request, Users).reactivate(actor_of(request), _id(request))
    return await _view(request)


async def change_role(request: Request) -> Response:
    """Change the role of an account; revokes its sessions."""
    body = await body_of(request, RoleRequest)
    await service(request, Users).change_role(actor_of(request), _id(request), body.role)
    return await _view(request)


async def resend_confirmation(request: Request) -> Response:
    """Resend the email that confirms an account's address."""
    await service(request, Users).resend_confirmation(actor_of(request), _id(request))
    return reply(MailAccepted(detail="The email is queued."), 202)


async def list_sessions(request: Request) -> Response:
    """List the sessions of an account, newest first."""
    user = await service(request, Users).get(_id(request))
    current = actor_of(request).session_id
    sessions = await service(request, Sessions).of(AccountKey(Realm.SITE, user.user_id))
    views = [SessionView.of(session, current) for session in sessions]
    return reply(SessionList(data=views, total=len(views)))


async def end_sessions(request: Request) -> Response:
    """Revoke all sessions of an account."""
    ended = await service(request, Users).end_sessions(actor_of(request), _id(request))
    return reply(SessionsEnded(ended=ended))


def _id(request: Request) -> str:
    user_id: str = request.path_params["user_id"]
    return user_id


async def _view(request: Request) -> Response:
    return reply(await service(request, Users).get(_id(request)))
