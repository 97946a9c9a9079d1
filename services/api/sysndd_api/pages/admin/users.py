"""The pages of accounts: the list, one account, and what an administrator may change."""

from starlette.requests import Request
from starlette.responses import Response

from sysndd_api.pages import page_route
from sysndd_api.pages.confirm_dialog import ConfirmDialog, confirm
from sysndd_api.pages.listing import Listing
from sysndd_api.pages.page_route import View, done, form_of, view_of
from sysndd_api.security.access import Role
from sysndd_api.sessions.models import SessionView
from sysndd_api.sessions.service import Sessions
from sysndd_api.users.models import AccountView, RoleRequest, UserQuery
from sysndd_api.users.service import Users
from sysndd_api.web.http import actor_of, service
from sysndd_core.errors import Invalid

CSS_CLASSES = {
    "unconfirmed": "",
    "awaiting_approval": "warn",
    "active": "ok",
    "deactivated": "fail",
}


class UsersView(UserQuery):
    """What the list is asked for."""

    page_size: int = 25


class RoleView(View):
    """The role that is asked about."""

    role: Role | None = None


async def list_page(request: Request) -> Response:
    """List accounts."""
    view = view_of(request, UsersView)
    users, total = await service(request, Users).page(view)
    return page_route.page(
        request,
        "users.html",
        listing=Listing(request, users, total, view),
        view=view,
        css_classes=CSS_CLASSES,
        roles=[role.value for role in Role],
        waiting=(await service(request, Users).page(_WAITING))[1],
    )


async def detail_page(request: Request) -> Response:
    """Show one account, its open sessions, and what can be done with it."""
    user = await service(request, Users).get(_id(request))
    sessions = await service(request, Sessions).of_user(user.user_id)
    return page_route.page(
        request,
        "user.html",
        user=user,
        sessions=[SessionView.of(one, actor_of(request).session_id) for one in sessions],
        css_classes=CSS_CLASSES,
        roles=[role.value for role in Role],
    )


async def approve(request: Request) -> Response:
    """Let a confirmed account in; its owner gets a mail."""
    await service(request, Users).approve(actor_of(request), _id(request))
    return _changed(request, "approved")


async def confirm_deactivate(request: Request) -> Response:
    """Ask before an account is shut out."""
    user, sessions = await _user_and_sessions(request)
    dialog = ConfirmDialog(
        title=f"Deactivate {user.user_name}",
        effects=(
            "Nobody can sign in with this account any more.",
            f"Its sessions end at once: {_open(sessions)}.",
            "Its links that are still in a mail (confirmation, reset, change of address) die.",
            "Nothing that it wrote is deleted, and no mail tells its owner.",
        ),
        undo=f"“Reactivate” opens the account again{_approved_by_it(user)}. The sessions and links"
        " that have ended stay so: its owner signs in anew.",
        button="Deactivate",
        back=_at(user),
    )
    return confirm(request, dialog)


async def deactivate(request: Request) -> Response:
    """Shut an account out; its sessions and pending links end at once."""
    await service(request, Users).deactivate(actor_of(request), _id(request))
    return _changed(request, "deactivated")


async def reactivate(request: Request) -> Response:
    """Let a deactivated account in again."""
    await service(request, Users).reactivate(actor_of(request), _id(request))
    return _changed(request, "reactivated")


async def confirm_change_role(request: Request) -> Response:
    """Ask before a role changes.

    Raises:
        Invalid: no role is named, or it is the one that the account has.
    """
    user, sessions = await _user_and_sessions(request)
    role = view_of(request, RoleView).role
    if role is None or role is user.role:
        raise Invalid(f"{user.user_name} is {user.role.value} already; choose another role.")
    effects = [f"{user.user_name} is {role.value} instead of {user.role.value}."]
    if role is Role.ADMINISTRATOR:
        effects += [
            "Administrators may do everything that these pages offer: restore and delete backups,"
            " read the mails, and change every account, yours too.",
            "Every Administrator is told by mail, with your name.",
        ]
    elif user.role is Role.ADMINISTRATOR:
        effects += ["These pages are closed to them. The last Administrator can't be demoted."]
    effects += [f"The account's sessions end at once: {_open(sessions)}."]
    dialog = ConfirmDialog(
        title=f"Make {user.user_name} {role.value}",
        effects=tuple(effects),
        undo=f"Change the role back to {user.role.value} in the same way. Sessions that have ended"
        " stay so, and so does what was done with the role meanwhile.",
        button="Change the role",
        back=_at(user),
        fields={"role": role.value},
    )
    return confirm(request, dialog)


async def change_role(request: Request) -> Response:
    """Change an account's role; its sessions end at once."""
    form = await form_of(request, RoleRequest)
    await service(request, Users).change_role(actor_of(request), _id(request), form.role)
    return _changed(request, "role_changed")


async def resend_confirmation(request: Request) -> Response:
    """Send the link that confirms an account's address once more."""
    await service(request, Users).resend_confirmation(actor_of(request), _id(request))
    return _changed(request, "mail_sent")


async def confirm_end_sessions(request: Request) -> Response:
    """Ask before every session of an account ends."""
    user, sessions = await _user_and_sessions(request)
    dialog = ConfirmDialog(
        title=f"Sign {user.user_name} out everywhere",
        effects=(
            f"The account's sessions end at once: {_open(sessions)}.",
            "What is typed there and not yet sent is lost. Password and role stay as they are.",
        ),
        undo="Sessions can't be opened again from here; whoever knows the password signs in anew."
        " To keep somebody out, deactivate the account.",
        button="Sign out everywhere",
        back=_at(user),
    )
    return confirm(request, dialog)


async def end_sessions(request: Request) -> Response:
    """End every session of an account."""
    await service(request, Users).end_sessions(actor_of(request), _id(request))
    return _changed(request, "sessions_ended")


_WAITING = UserQuery(state="awaiting_approval", page_size=1)


async def _user_and_sessions(request: Request) -> tuple[AccountView, int]:
    user = await service(request, Users).get(_id(request))
    return user, len(await service(request, Sessions).of_user(user.user_id))


def _open(sessions: int) -> str:
    return f"{sessions or 'none'} {'is' if sessions <= 1 else 'are'} open now"


def _approved_by_it(user: AccountView) -> str:
    return ", which then approves it, too" if user.state == "awaiting_approval" else ""


def _at(user: AccountView) -> str:
    return f"/admin/users/{user.user_id}"


def _id(request: Request) -> str:
    user_id: str = request.path_params["user_id"]
    return user_id


def _changed(request: Request, what: str) -> Response:
    return done(f"/admin/users/{int(_id(request))}", what)
