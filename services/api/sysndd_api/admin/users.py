"""The pages of accounts: the list, one account, and what an administrator may change."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.admin import pages
from sysndd_api.admin.listing import Listing
from sysndd_api.admin.pages import done, form_of, view_of
from sysndd_api.auth import Role
from sysndd_api.http import actor_of, context_of
from sysndd_api.sessions.models import SessionView
from sysndd_api.users.models import AccountView, RoleRequest, UserQuery

LOOKS = {"unconfirmed": "", "awaiting_approval": "warn", "active": "ok", "deactivated": "fail"}


class UsersView(UserQuery):
    """What the list is asked for."""

    page_size: int = 25


async def list_page(request: Request) -> Response:
    """List accounts."""
    view = view_of(request, UsersView)
    rows, total = await context_of(request).users.page(view)
    return pages.page(
        request,
        "users.html",
        listing=Listing(request, [AccountView.from_row(row) for row in rows], total, view),
        view=view,
        looks=LOOKS,
        roles=[role.value for role in Role],
        waiting=(await context_of(request).users.page(_WAITING))[1],
    )


async def detail_page(request: Request) -> Response:
    """Show one account, its open sessions, and what can be done with it."""
    context = context_of(request)
    user = AccountView.from_row(await context.users.get(_id(request)))
    rows = await context.sessions.of_user(user.user_id)
    return pages.page(
        request,
        "user.html",
        user=user,
        sessions=[SessionView.from_row(row, actor_of(request).session_id) for row in rows],
        looks=LOOKS,
        roles=[role.value for role in Role],
    )


async def approve(request: Request) -> Response:
    """Let a confirmed account in; its owner gets a mail."""
    await context_of(request).users.approve(actor_of(request), _id(request))
    return _changed(request, "approved")


async def deactivate(request: Request) -> Response:
    """Shut an account out; its sessions and pending links end at once."""
    await context_of(request).users.deactivate(actor_of(request), _id(request))
    return _changed(request, "deactivated")


async def reactivate(request: Request) -> Response:
    """Let a deactivated account in again."""
    await context_of(request).users.reactivate(actor_of(request), _id(request))
    return _changed(request, "reactivated")


async def change_role(request: Request) -> Response:
    """Change an account's role; its sessions end at once."""
    form = await form_of(request, RoleRequest)
    await context_of(request).users.change_role(actor_of(request), _id(request), form.role)
    return _changed(request, "role_changed")


async def resend_confirmation(request: Request) -> Response:
    """Send the link that confirms an account's address once more."""
    await context_of(request).users.resend_confirmation(actor_of(request), _id(request))
    return _changed(request, "mail_sent")


async def end_sessions(request: Request) -> Response:
    """End every session of an account."""
    await context_of(request).users.end_sessions(actor_of(request), _id(request))
    return _changed(request, "sessions_ended")


_WAITING = UserQuery(state="awaiting_approval", page_size=1)


def _id(request: Request) -> str:
    user_id: str = request.path_params["user_id"]
    return user_id


def _changed(request: Request, what: str) -> Response:
    return done(f"/admin/users/{int(_id(request))}", what)
